"""Random faults in model files and on the command line; ``PERFSEER_FUZZ=2000`` tries so many of each kind.

``PERFSEER_FUZZ_SEED`` starts elsewhere; ``PERFSEER_FUZZ_KEEP`` names a folder to keep files in that fail.
"""

import io
import os
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.errors import PerfseerError
from perfseer.forecast.ask import Ask
from perfseer.forecast.inputs import Feed
from perfseer.forecast.prediction import Failure
from perfseer.forecast.predictor import Predictor
from perfseer.measure.limits import Limits
from perfseer.zoo.sampler import sample
from perfseer.zoo.space import SearchSpace
from tests.fuzz.mutators import MUTATORS, command_line
from tests.helpers.forecasts import law
from tests.helpers.onnx_files import ints, node, write
from tests.helpers.places import ROOT

COUNT = int(os.environ.get("PERFSEER_FUZZ", "60"))
SEED = int(os.environ.get("PERFSEER_FUZZ_SEED", "0"))
KEEP = os.environ.get("PERFSEER_FUZZ_KEEP")
# What only a fault of ours, or a limit, makes an answer say.
FAULTS = re.compile(
    r"^it raised|the predictor failed|died of|took (longer|more) than|needed more than|ended the process"
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    return {"onnx": onnx_file(folder), "pt2": exported(), "json": description()}


def onnx_file(folder):
    nodes = [
        node("Conv", "x w", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", "c", "a"),
        node("Split", "a", "p q", axis=1),
        node("Add", "p q", "m"),
        node("Shape", "m", "s"),
        node("Gather", "s zero", "n", axis=0),
        node("Unsqueeze", "n axes", "n1"),
        node("Concat", "n1 rest", "target", axis=0),
        node("Reshape", "m target", "r"),
        node("Gemm", "r fw fb", "y", transB=1),
    ]
    stored = {
        "w": np.zeros((4, 3, 3, 3), np.float32),
        "zero": np.array(0),
        "axes": ints(0),
        "rest": ints(128),
        "fw": (5, 128),
        "fb": (5,),
    }
    return write(folder / "small.onnx", nodes, {"x": ["n", 3, 8, 8]}, stored=stored).read_bytes()


def exported():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
    inputs = (torch.zeros(2, 3, 8, 8),)
    shapes = ({0: torch.export.Dim("n", min=2, max=64)},)
    content = io.BytesIO()
    torch.export.save(torch.export.export(module.eval(), inputs, dynamic_shapes=shapes), content)
    return content.getvalue()


def description():
    from perfseer.parameters import load_mapping

    space = SearchSpace.from_mapping(load_mapping(str(ROOT / "params.yaml")).get("zoo"))
    return next(iter(sample(space, 1))).to_json().encode()


@pytest.mark.parametrize("kind", sorted(MUTATORS))
def test_a_file_made_wrong_is_refused_in_words_or_read(kind, sources, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator = random.Random(f"{kind} {SEED}")
    path = Path(f"changed.{kind}")
    limits = Limits(time_s=10.0, memory_bytes=1.5 * 2**30)
    feed = Feed(shapes=((3, 32, 32),) if kind == "json" else None)
    ask = Ask(phases=("infer", "train"), limits=limits, feed=feed)
    read, faults = 0, []

    def changed():
        path.write_bytes(sources[kind])
        yield path  # as it is
        for _ in range(COUNT):
            path.write_bytes(generator.choice(MUTATORS[kind])(sources[kind], generator))
            yield path

    for answer in law().predict_many(changed(), ask):
        said = answer.error if isinstance(answer, Failure) else ""
        read += not said
        if FAULTS.search(said) or "Traceback" in said:
            faults.append(said)
            if KEEP:
                Path(KEEP, f"{kind}-{SEED}-{len(faults)}.{kind}").write_bytes(path.read_bytes())
    assert not faults, faults
    assert read, "nothing was read: the changes say little"
    assert not Path("executed").exists()


def test_a_command_line_made_wrong_is_refused_in_words_or_answered(sources, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Predictor, "load", classmethod(lambda cls, name: law()))
    Path("a.onnx").write_bytes(sources["onnx"])
    Path("b.json").write_bytes(sources["json"])
    generator = random.Random(f"command line {SEED}")
    codes = set()
    for _ in range(COUNT):
        arguments = command_line(
            ["a.onnx", "b.json", "module:tests.helpers.forecasts.Convolution"], generator
        )
        result = CliRunner().invoke(app, ["predict", *arguments])
        assert isinstance(result.exception, PerfseerError | SystemExit | None), arguments
        assert result.exit_code in (0, 1, 2), arguments
        codes.add(result.exit_code)
    assert 0 in codes
    assert not Path("executed").exists()
