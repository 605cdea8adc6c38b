"""README's blocks of commands: run as a reader would run them, or held against what there is.

Every command of every block is a key of `RUN`, or of `PARSED`, which says why it is only parsed.
"""

import importlib.util
import json
import re
import shlex
import sys
from itertools import pairwise

import pytest
import torch
import typer
import yaml
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.graphs.capture import capture
from perfseer.measure.table import write_table
from perfseer.measure.trust.sanity import RULES
from perfseer.zoo import reference
from perfseer.zoo.sampler import sample
from perfseer.zoo.space import SearchSpace
from tests.helpers.forecasts import Convolution
from tests.helpers.onnx_files import node, write
from tests.helpers.places import PARAMS, ROOT
from tests.helpers.reading import numbers
from tests.helpers.results_files import write_results
from tests.helpers.sound_table import sound_table
from tests.helpers.synthetic_release import make_files, write_folder

INSTALLED = importlib.util.find_spec("timm") and importlib.util.find_spec("torchvision")
pytestmark = pytest.mark.skipif(not INSTALLED, reason="needs the extra timm")

README = (ROOT / "README.md").read_text(encoding="utf-8")
MEASURES = "measures this machine, for minutes; the verb is tested in tests/cli on one that answers at once"
SNAKEMAKE = "runs the whole experiment; tests/workflow does, at the ci preset"
HARDWARE = "asks the whole database, of sources that are fetched; tests/studies/hardware asks a small one"
PARSED = {
    "make reproduce": SNAKEMAKE,
    "make test": "runs this test",
    "source .venv/bin/activate": "the environment is whatever runs this test",
    "snakemake": SNAKEMAKE,
    "snakemake --configfile workflow/presets/paper.yaml": SNAKEMAKE,
    "perfseer hardware build": HARDWARE,
    "perfseer hardware rank --by tops_per_watt_8bit --where 'fp8_flops>0' --where 'tdp_w<400W'": HARDWARE,
    "perfseer hardware compare l40s a100-sxm-80gb": HARDWARE,
    "perfseer hardware results h200 --benchmark llama2-70b": HARDWARE,
    "perfseer hardware show rtx4090": HARDWARE,
    "perfseer calibrate --device cuda --models 10 --out mine/": MEASURES,
    "perfseer collect --device cuda --time-budget 540 --out mine.parquet": MEASURES,
    "perfseer remeasure --table mine.parquet --out repeats.parquet": MEASURES,
    "perfseer protocol-study --table mine.parquet --out protocol.parquet": MEASURES,
}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    """The lines of the ``sh`` blocks, continued ones joined, without comments and spare blanks."""
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [" ".join(line.split("#")[0].split()) for line in lines if line.split("#")[0].strip()]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with files of the names that README gives to a reader's own."""
    (tmp_path / "path/to").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    layers = [
        node("Conv", "x w", "c", kernel_shape=[3, 3]),
        node("GlobalAveragePool", "c", "m"),
        node("Flatten", "m", "y"),
    ]
    for name in ("model.onnx", "path/to/net.onnx"):
        write(tmp_path / name, layers, {"x": ["n", 3, 32, 32]}, stored={"w": (4, 3, 3, 3)})
    batch = {0: torch.export.Dim("n", min=2)}
    program = torch.export.export(Convolution(), (torch.zeros(4, 3, 32, 32),), dynamic_shapes=(batch,))
    torch.export.save(program, tmp_path / "program.pt2")
    (tmp_path / "mine/nets.py").write_text("from tests.helpers.forecasts import Convolution as small\n")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    write_table(sound_table(), tmp_path / "mine.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "mine"]:
        del sys.modules[name]


def answers(text):
    """Model, batch size, phase and predicted milliseconds, by the lines of a table of predictions."""
    cells = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    rows = [row for row in cells if len(row) > 4 and row[2] in ("infer", "train")]
    return {(row[0], int(row[1]), row[2]): numbers(row[4])[0] for row in rows}


def predicted_at_the_top(place, text):
    times = answers(text)
    assert len(times) == 2 * 2 * 2
    for phase in ("infer", "train"):
        assert times["timm:resnet50", 256, phase] < times["timm:resnet50", 1024, phase] / 2
    # 2.1 TFLOP, on a card that does 71 TFLOP/s in half precision.
    assert 30 < times["timm:resnet50", 256, "infer"] < 300
    assert text.count("rtx3090-") >= 8


def predicted_for_ones_own(place, text):
    times = answers(text)
    assert {model for model, _, _ in times} == {
        *("timm:convnext_base", "torchvision:resnet50", "module:mine.nets.small"),
        *("path/to/net.onnx", "program.pt2"),
    }
    assert {(size, phase) for _, size, phase in times} == {
        (size, phase) for size in (64, 256) for phase in ("infer", "train")
    }
    assert len(times) == 5 * 2 * 2
    assert all(time_ms > 0 for time_ms in times.values())


def shown(place, text):
    (learned,) = re.findall(r"learned from ([\d,]+) published times of ([\d,]+) architectures", README)
    (about,) = (line for line in text.splitlines() if line.startswith("about"))
    assert all(count in about for count in learned)


def looked_at(place, text):
    graph = capture(reference.resnet50(), (torch.empty(8, 3, 224, 224, device="meta"),))
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert numbers(lines["graph"]) == [graph.n_nodes, graph.n_edges, 8]
    assert f"{graph.n_parameters:,}" in lines["parameters"]


def sampled(place, text):
    ids = [json.loads(line)["id"] for line in text.splitlines()]
    assert ids == [spec.id for spec in sample(SearchSpace.from_mapping(PARAMS["zoo"]), 3)]


def release(place):
    write_folder(place / "FOLDER", make_files())


def examined(place, text):
    assert ["graphs", "6"] in [line.split()[:2] for line in text.splitlines()]
    assert ["refused", "files", "0"] in [line.split() for line in text.splitlines()]


def own_measurements(place):
    write_results(place, [0, 1])


def exported(place, text):
    assert numbers(text)[0] == 2
    assert len(list((place / "FOLDER/cg/cg").iterdir())) == 2


def checked(place, text):
    assert numbers(text.splitlines()[-1]) == [len(RULES), 0, 0]


# What is run: what must be there before, and what must have come out.
RUN = {
    "perfseer predict timm:resnet50 model.onnx --batch-size 256,1024 --phase infer,train --target rtx3090": (
        None,
        predicted_at_the_top,
    ),
    "perfseer predict timm:convnext_base torchvision:resnet50 module:mine.nets.small path/to/*.onnx "
    "program.pt2 --batch-size 64,256 --phase infer,train --target rtx4090 --format table": (
        None,
        predicted_for_ones_own,
    ),
    "perfseer predictors show default": (None, shown),
    "perfseer graph show module:perfseer.zoo.reference.resnet50 --batch-size 8": (None, looked_at),
    "perfseer zoo sample --count 3": (None, sampled),
    "perfseer import FOLDER": (release, examined),
    "perfseer export --format perfseer-release --out FOLDER": (own_measurements, exported),
    "perfseer check mine.parquet": (None, checked),
}


def test_every_command_is_run_or_parsed():
    assert sorted(commands()) == sorted([*RUN, *PARSED])


@pytest.mark.parametrize("command", RUN)
def test_a_command_does_what_is_said(command, place):
    prepare, examine = RUN[command]
    if prepare:
        prepare(place)
    done = CliRunner().invoke(app, shlex.split(command)[1:])
    assert done.exit_code == 0, done.output
    examine(place, done.stdout)


def given_to(words):
    """What Typer would hand to the verb that ``words`` begin with, by parameter; the verb is not run."""
    program, given = typer.main.get_command(app), {}
    verb = program
    for word in words:
        if word not in getattr(verb, "commands", {}):
            break
        verb = verb.commands[word]
    verb.callback = lambda **values: given.update(values)
    program.main(words, standalone_mode=False)
    return given


@pytest.mark.parametrize("command", [line for line in PARSED if line.startswith("perfseer ")])
def test_a_verb_takes_its_options(command, place):
    words = shlex.split(command)[1:]
    given = given_to(words)
    assert given
    for option, value in pairwise(words):
        if not option.startswith("--"):
            continue
        taken = given[option.removeprefix("--").replace("-", "_")]
        # An option that may be repeated gives all its values.
        assert value in taken if isinstance(taken, list | tuple) else taken == type(taken)(value)


def test_an_option_that_is_not_there_is_refused(place):
    with pytest.raises(Exception, match="--no-such-option"):
        given_to(["collect", "--no-such-option", "1"])


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake (\w+)(?:  |`)", README))))
def test_a_target_of_make_is_there(target):
    assert re.search(rf"(?m)^{target}:", (ROOT / "Makefile").read_text())


@pytest.mark.parametrize("line", sorted(set(re.findall(r"snakemake [^`\n#]+", README))))
def test_rules_and_files_named_for_snakemake_are_there(line):
    rules = "\n".join(path.read_text() for path in (ROOT / "workflow").rglob("*.smk"))
    words = shlex.split(line)[1:]
    if "--configfile" in words:
        place = words.index("--configfile")
        assert (ROOT / words[place + 1]).is_file()
        del words[place : place + 2]
    assert all(re.search(rf"(?m)^rule {name}:", rules) for name in words)


def test_the_block_of_python_runs(capsys):
    (code,) = blocks("python")
    names = {"module": Convolution(), "images": torch.zeros(16, 3, 64, 64)}
    exec(compile(code, "README.md", "exec"), names)
    answer = names["answer"]
    assert (answer.input.batch_size, answer.phase, answer.target.device) == (
        *(16, "infer"),
        "NVIDIA GeForce RTX 3090",
    )
    assert answer.time.low < answer.time.value < answer.time.high
    assert f"{answer.time.value:.3g} ms" in capsys.readouterr().out
