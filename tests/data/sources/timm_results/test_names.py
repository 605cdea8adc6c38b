"""What the names of result files say, and which files are published."""

import subprocess
import sys

import pytest

from perfseer.data.platforms import Platform
from perfseer.data.sources.timm_results.names import FILES, Given, find_file, parse_name
from perfseer.errors import PerfseerError
from tests.helpers.timm_files import STEM


@pytest.mark.parametrize(
    ("stem", "device", "precision", "layout", "mode", "software", "phase"),
    [
        (STEM, "NVIDIA GeForce RTX 3090", "amp-fp16", "nchw", "eager", "torch 2.4.0 cu124", "infer"),
        (
            "benchmark-infer-amp-nchw-pt291-cu128-4090-dynamo.csv",
            "NVIDIA GeForce RTX 4090",
            "amp-fp16",
            "nchw",
            "compiled",
            "torch 2.9.1 cu128",
            "infer",
        ),
        (
            "infer-fp32-nchw-pt221-cpu-i9_10940x-dynamo",
            "Intel(R) Core(TM) i9-10940X CPU @ 3.30GHz",
            "fp32",
            "nchw",
            "compiled",
            "torch 2.2.1",
            "infer",
        ),
        (
            "train-amp-nhwc-pt112-cu113-rtx3090",
            "NVIDIA GeForce RTX 3090",
            "amp-fp16",
            "nhwc",
            "eager",
            "torch 1.12 cu113",
            "train",
        ),
        # Published elsewhere, not among FILES.
        (
            "infer-amp_bf16-nchw-pt291-cu130-pro6000maxq-dynamo",
            None,
            "amp-bf16",
            "nchw",
            "compiled",
            "torch 2.9.1 cu130",
            "infer",
        ),
        (
            "infer-bf16-channels_last-pt2101-rocm64-some-card",
            "some-card",
            "bf16",
            "nhwc",
            "eager",
            "torch 2.10.1 rocm64",
            "infer",
        ),
    ],
)
def test_names_say_what_a_file_was_measured_on(stem, device, precision, layout, mode, software, phase):
    platform, found = parse_name(stem)
    assert found == phase
    assert platform.device == device or device is None
    assert (platform.precision, platform.memory_format) == (precision, layout)
    assert (platform.mode, platform.software) == (mode, software)
    assert platform.device_kind == ("cpu" if "-cpu-" in stem else "cuda")


def test_a_name_that_does_not_say_it_all_is_refused_with_what_is_missing():
    with pytest.raises(PerfseerError, match="--precision, --software"):
        parse_name("infer-nchw-rtx3090")
    with pytest.raises(PerfseerError, match="--device"):
        parse_name("infer-amp-nchw-pt240-cu124")
    with pytest.raises(PerfseerError, match="phase 'both'"):
        parse_name(STEM, Given(phase="both"))
    with pytest.raises(PerfseerError, match="precision 'int4'"):
        parse_name(STEM, Given(precision="int4"))


def test_what_the_user_says_goes_first():
    given = Given(
        device="my card",
        device_kind="cpu",
        precision="fp32",
        memory_format="nhwc",
        mode="compiled",
        software="torch 2.9.0",
        phase="train",
    )
    assert parse_name("mine", given) == parse_name(STEM, given)
    assert parse_name("mine", given) == (
        Platform("my card", "cpu", "fp32", "nhwc", "compiled", "torch 2.9.0"),
        "train",
    )


def test_twenty_seven_files_are_published():
    told = [parse_name(file.name) for file in FILES]
    assert len({platform.key + phase for platform, phase in told}) == len(FILES) == 27
    assert all(platform.spec is not None for platform, _ in told)
    assert all(len(file.sha256) == 64 and len(file.commit) == 40 for file in FILES)
    assert all(file.remote.url.endswith(f"{file.commit}/results/benchmark-{file.name}.csv") for file in FILES)
    assert find_file(f"benchmark-{STEM}.csv").name == STEM
    with pytest.raises(PerfseerError, match=r"'nofile'[^\n]*\n  infer-amp"):
        find_file("nofile")


def test_listing_the_files_needs_neither_torch_nor_timm():
    code = (
        "import sys\n"
        "from perfseer.data.sources.timm_results.names import FILES, parse_name\n"
        "parse_name(FILES[0].name)\n"
        "assert not {'torch', 'timm'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
