"""Published results of timm's benchmark: names, rows, and which network each row timed."""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from perfseer.data.captures import INDEX_COLUMNS, Captures
from perfseer.data.features import GLOBAL_COLUMNS
from perfseer.data.packed import PackedGraphs
from perfseer.data.platforms import Platform
from perfseer.data.sources.timm_results import (
    FILES,
    Given,
    find_file,
    join,
    open_all,
    parse_name,
    read_results,
)
from perfseer.data.sources.timm_results.names import MERGED
from perfseer.data.sources.timm_results.tables import PROTOCOL_VERSION, renames
from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.measure.settings import PROTOCOL_VERSION as OUR_PROTOCOL_VERSION
from perfseer.measure.table import COLUMNS, read_table, write_table
from perfseer.zoo import libraries

STEM = "infer-amp-nchw-pt240-cu124-rtx3090"
HEADER = "model,infer_step_time,infer_samples_per_sec,infer_batch_size,infer_img_size,param_count,infer_gmacs"


def write(folder, *rows, header=HEADER, stem=STEM):
    path = folder / f"benchmark-{stem}.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


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
    with pytest.raises(PerfseerError, match=r"expected benchmark-<phase>.*give --precision, --software"):
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


def test_fifteen_files_are_published():
    assert len({file.platform.key + file.phase for file in FILES}) == len(FILES) == 15
    assert all(len(file.sha256) == 64 and file.remote.url.endswith(f"{file.name}.csv") for file in FILES)
    assert find_file(f"benchmark-{STEM}.csv").name == STEM
    with pytest.raises(PerfseerError, match=r"'nofile' is neither a file here nor.*\n  infer-amp"):
        find_file("nofile")


def test_listing_the_files_needs_neither_torch_nor_timm():
    code = (
        "import sys; from perfseer.data.sources.timm_results import FILES; FILES[0].platform\n"
        "assert not {'torch', 'timm'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rows_become_a_measurement_table(tmp_path):
    read = read_results(write(tmp_path, "resnet50.a1_in1k,79.5,3220.1,256.0,224,25.56,4.11"))
    row = read.table.iloc[0]
    assert list(read.table.columns) == list(COLUMNS)
    assert (row["model_ref"], row["architecture"], row["family"]) == (
        "timm:resnet50.a1_in1k",
        "resnet50",
        "resnet",
    )
    assert (row["input_shape"], row["batch_size"], row["infer_time_ms"]) == ("3x224x224", 256, 79.5)
    assert np.isnan(row["train_time_ms"])
    assert np.isnan(row["infer_mem_mib"])
    assert np.isnan(row["infer_iterations"])
    assert (row["status"], row["reason"]) == ("ok", "")
    assert PROTOCOL_VERSION != OUR_PROTOCOL_VERSION == 2
    assert row["protocol_version"] == PROTOCOL_VERSION
    facts = json.loads(row["environment"])
    assert (facts["torch"], facts["source"]) == ("2.4.0+cu124", STEM)
    assert Platform.of_rows(read.table) == [read.platform]
    assert read.published.iloc[0][["param_count", "gmacs"]].tolist() == [25.56, 4.11]
    assert np.isnan(read.published["macts"].iloc[0])
    write_table(read.table, tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.parquet"), read.table)


def test_every_row_is_accounted_for(tmp_path):
    read = read_results(
        write(
            tmp_path,
            "a,10,25600,256,224,1,1",
            "b,,,256,224,1,1",  # ran out of memory, or worse
            "c,,,,224,1,1",
            "d,10,100,1,,1,1",
            ",10,100,1,224,1,1",
            "e,-1,100,1,224,1,1",
            "f,10,100,1.5,224,1,1",
            "g,10,100,0,224,1,1",
            "h,inf,100,1,224,1,1",
            "a,11,23272,256,224,1,1",
            "a,10,12800,128,224,1,1",
            "i,10,90,1,224,1,1",  # 10 ms are 100 samples per second
            "i j,10,100,1,224,1,1",
        )
    )
    assert read.table["model_ref"].tolist() == ["timm:a", "timm:b", "timm:h", "timm:a", "timm:i"]
    assert read.table["status"].tolist() == ["ok", "error", "error", "ok", "ok"]
    assert read.table["reason"].iloc[1] == "the file gives no time"
    assert dict(zip(read.refused["line"], read.refused["reason"], strict=True)) == {
        4: "no batch size",
        5: "no image size",
        6: "no name of a model",
        7: "the step time is not positive",
        8: "the batch size is no count",
        9: "the batch size is no count",
        11: "was there before",
        14: "no name of a model",
    }
    assert read.counts == {
        "rows": 13,
        "measured": 3,
        "renamed": 0,
        "without_time": 2,
        "refused": 8,
        "disagreeing": 1,
    }


def test_one_network_has_one_name_in_files_of_all_ages(tmp_path):
    read = read_results(
        write(tmp_path, "gluon_resnet18_v1b,10,100,1,224,11.69,1", "resnet18,9.9,101,1,224,11.69,1")
    )
    assert read.table["architecture"].tolist() == ["resnet18", "resnet18"]
    assert read.table["model_ref"].tolist() == ["timm:resnet18.gluon_in1k", "timm:resnet18"]
    assert read.published["model"].tolist() == ["gluon_resnet18_v1b", "resnet18"]
    assert read.counts["renamed"] == 1


@pytest.mark.skipif(find_spec("timm") is None, reason="needs the extra timm")
def test_the_renames_are_those_of_timm():
    models = libraries.import_library("timm.models")
    assert renames() == {name: libraries.current_name(name) for name in models.get_deprecated_models()}


def test_the_columns_say_the_phase_where_nothing_else_does(tmp_path):
    given = Given(
        device="rtx3090", precision="fp32", memory_format="nchw", software="torch 2.4.0", device_kind="cuda"
    )
    header = HEADER.replace("infer_", "train_")
    read = read_results(write(tmp_path, "a,10,100,1,224,1,1", header=header, stem="mine"), given)
    assert read.phase == "train"
    assert read.table["train_time_ms"].tolist() == [10.0]
    both = write(tmp_path, "a,1,1,1,1,1,1,9", header=f"{HEADER},train_step_time", stem="both")
    with pytest.raises(PerfseerError, match="give --phase"):
        read_results(both, given)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "cannot be read as a CSV file"),
        (b"model\n", "has a header and no rows"),
        (b"name,x\na,1\n", "no column `model`"),
        (b"model,x\na,1\n", "lacks the columns infer_step_time, infer_samples_per_sec"),
        (b"\xff\xfe\x00m\n", "cannot be read as a CSV file"),
        (b'model,x\n"a,1\n', "cannot be read as a CSV file"),
    ],
)
def test_files_that_are_something_else(tmp_path, contents, message):
    path = tmp_path / f"benchmark-{STEM}.csv"
    path.write_bytes(contents)
    with pytest.raises(PerfseerError, match=message):
        read_results(path)


class Net(nn.Module):
    """A linear network with a known number of parameters."""

    def __init__(self, width):
        super().__init__()
        self.hidden = nn.Linear(3, width, bias=False)
        self.head = nn.Linear(width, 10, bias=False)

    def forward(self, x):
        return self.head(torch.relu(self.hidden(x.mean(dim=(2, 3)))))


def millions(width):
    return 13 * width / 1e6


WIDTHS = {"plain": 20_000, "branchy": 40_000, f"branchy{MERGED}": 30_000, "branchy2": 42_000}
WIDTHS |= {f"branchy2{MERGED}": 41_999}  # tells nothing: the same count after rounding


@pytest.fixture(scope="module")
def captures(tmp_path_factory):
    """Networks at 224 pixels in two precisions, at batch 1, 2 and 256."""
    rows, graphs = [], []
    for name, width in WIDTHS.items():
        for precision, dtype in (("fp32", None), ("amp-fp16", torch.float16)):
            for size in (1, 2, 256):
                rows.append(
                    (f"timm:{name}", "3x224x224", size, precision, len(graphs), "", "branchy" in name)
                )
                inputs = torch.empty(size, 3, 224, 224, device="meta")
                graphs.append(capture(Net(width), (inputs,), autocast=dtype))
    rows.append(("timm:gone", "3x224x224", 2, "fp32", -1, "building the model: Unknown model", False))
    index = pd.DataFrame(rows, columns=list(INDEX_COLUMNS))
    return Captures(tmp_path_factory.mktemp("captures"), PackedGraphs.pack(graphs), index)


def row(model, batch_size=64, published=None):
    count = millions(WIDTHS[model]) if published is None else published
    return f"{model.partition('@')[0]},10,{100 * batch_size},{batch_size},224,{count:.2f},1"


def test_rows_are_joined_to_graphs_at_their_own_batch_size(tmp_path, captures):
    one = read_results(write(tmp_path, row("plain"), row("plain", 1), row("plain", 1024)))
    two = read_results(write(tmp_path, row("plain"), stem=STEM.replace("3090", "4090")))
    joined = join([one, two], captures)
    data = joined.data
    assert len(data) == 4
    assert len(data.graphs) == 3  # the two files share one
    sizes = np.asarray(data.graphs["batch_size"])[data.graph_rows]
    assert sizes.tolist() == data.rows["batch_size"].tolist() == [64, 1, 1024, 64]
    assert data.rows["source"].tolist() == [STEM] * 3 + [STEM.replace("3090", "4090")]
    assert data.rows["configuration"].is_unique
    assert data.targets == ("infer_time_ms",)
    assert data.labels[:, 3].tolist() == [10.0] * 4
    flops = data.features.globals_[data.graph_rows, GLOBAL_COLUMNS.index("total_flops")]
    assert flops[0] == 64 * 2 * 13 * WIDTHS["plain"]
    assert len(joined.refused) == 0


def test_mixed_precision_has_graphs_of_its_own(tmp_path, captures):
    file = read_results(write(tmp_path, row("plain")))
    single, mixed = (join([file], captures, as_measured=flag).data for flag in (False, True))
    assert mixed.graphs["operators"].size > single.graphs["operators"].size  # casts
    assert single.rows["precision"].tolist() == mixed.rows["precision"].tolist() == ["amp-fp16"]


def test_a_file_of_merged_models_is_recognised(tmp_path, captures):
    merged = f"branchy{MERGED}"
    file = read_results(write(tmp_path, row("plain"), row(merged), row("branchy2")))
    refs = join([file], captures).data.rows["model_ref"].tolist()
    assert refs == ["timm:plain", f"timm:{merged}", f"timm:branchy2{MERGED}"]
    file = read_results(write(tmp_path, row("plain"), row("branchy"), row("branchy2")))
    refs = join([file], captures).data.rows["model_ref"].tolist()
    assert refs == ["timm:plain", "timm:branchy", "timm:branchy2"]


def test_models_are_trained_with_their_branches(tmp_path, captures):
    header, stem = HEADER.replace("infer_", "train_"), STEM.replace("infer", "train")
    file = read_results(write(tmp_path, row("branchy"), header=header, stem=stem))
    assert join([file], captures).data.rows["model_ref"].tolist() == ["timm:branchy"]


def test_rows_without_their_graph_are_left_out_with_a_reason(tmp_path, captures):
    wrong = millions(WIDTHS["plain"]) * 1.05
    lines = [row("plain"), row("plain", 2, wrong), "gone,1,1000,1,224,1,1", "gone,1,2000,2,224,1,1"]
    lines += ["new,1,2000,2,224,1,1", "plain,1,4000,4,224,,1"]  # no count published: nothing to compare
    joined = join([read_results(write(tmp_path, *lines))], captures)
    assert joined.data.rows["batch_size"].tolist() == [64, 4]
    assert joined.refused["published"].tolist() == ["plain", "gone", "gone", "new"]
    assert joined.refused["reason"].tolist() == [
        "the network has 0.26 M parameters, 0.27 M when it was measured",
        "not captured: run `perfseer public graphs`",
        "building the model: Unknown model",
        "not captured: run `perfseer public graphs`",
    ]


def test_nothing_to_learn_from_is_refused(tmp_path, captures):
    file = read_results(write(tmp_path, "new,1,1000,1,224,1,1"))
    with pytest.raises(PerfseerError, match="no row has a graph; the first reason: not captured"):
        join([file], captures)
    with pytest.raises(PerfseerError, match="a result file is given twice"):
        join([file, file], captures)


def test_files_are_given_by_path_or_by_name(tmp_path, monkeypatch):
    path = write(tmp_path, "a,10,100,1,224,1,1")
    assert [file.source for file in open_all([path])] == [STEM]
    monkeypatch.setenv("PERFSEER_MIRROR", str(tmp_path))
    with pytest.raises(PerfseerError, match=f"has no timm/benchmark-{STEM}.csv"):
        open_all([STEM])
