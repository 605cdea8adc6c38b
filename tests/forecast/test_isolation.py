"""Models that are named, each in a child process: whatever one does, the others are answered."""

import os
import sys
from pathlib import Path

import pytest
import torch

from perfseer.errors import PerfseerError
from perfseer.forecast.ask import Ask
from perfseer.forecast.inputs import Feed
from perfseer.forecast.isolation import Isolation, from_frame, to_frame
from perfseer.forecast.models import Captured, open_one
from perfseer.forecast.parts import Notice
from perfseer.forecast.prediction import Failure, Prediction
from perfseer.measure.limits import Limits
from tests.helpers.forecasts import IMAGE, Convolution, law

GOOD = "module:tests.helpers.forecasts.Convolution"
SMALL = Feed(shapes=((3, 8, 8),))
BAD = """
import os, signal, sys
import torch
from torch import nn

class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 3)

class Exits(Base):
    def forward(self, x):
        sys.exit(5)

class Interrupts(Base):
    def forward(self, x):
        raise KeyboardInterrupt

class Endless(Base):
    def forward(self, x):
        return self.forward(x)

class Leaves(Base):
    def forward(self, x):
        os._exit(4)

class Dies(Base):
    def forward(self, x):
        os.kill(os.getpid(), signal.SIGFPE)

class Hangs(Base):
    def forward(self, x):
        while True:
            pass

class Hoards(Base):
    def forward(self, x):
        held = []
        while True:
            held.append(bytearray(10_000_000))

class Sparse(Base):
    def __init__(self):
        super().__init__()
        self.register_buffer("adjacency", torch.eye(3).to_sparse())

def exits():
    sys.exit(7)

@property
def odd(self):
    raise SystemExit
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "isolated_bad.py").write_text(BAD)
    return tmp_path


def line_of(text):
    return next(number for number, line in enumerate(BAD.splitlines(), start=1) if text in line)


def answers(*models, limits=None):
    ask = Ask(feed=SMALL, limits=limits or Limits())
    return list(law().predict_many(models, ask))


@pytest.mark.parametrize(
    ("name", "says", "line"),
    [
        ("exits", "SystemExit: 7", "sys.exit(7)"),
        ("Exits", "SystemExit: 5", "sys.exit(5)"),
        ("Interrupts", "KeyboardInterrupt", "raise KeyboardInterrupt"),
        ("Endless", "RecursionError", "return self.forward(x)"),
        ("Leaves", "exit code 4", None),
        ("Dies", "SIGFPE", "SIGFPE)"),
        ("Sparse", "adjacency", None),
    ],
)
def test_whatever_a_model_does_is_its_row_and_the_others_are_answered(here, name, says, line):
    before, failed, after = answers(GOOD, f"module:isolated_bad.{name}", GOOD)
    assert isinstance(before, Prediction)
    assert isinstance(after, Prediction)
    assert isinstance(failed, Failure)
    assert says in failed.error
    assert line is None or f"isolated_bad.py:{line_of(line)}" in failed.error
    assert before.time.value == after.time.value


def test_time_and_memory_of_a_model_are_limited(here):
    (hung,) = answers("module:isolated_bad.Hangs", limits=Limits(time_s=5.0))
    loop = line_of("while True:")
    assert any(f"isolated_bad.py:{line}" in hung.error for line in (loop, loop + 1))
    assert "--model-timeout" in hung.error
    hoarded, good = answers("module:isolated_bad.Hoards", GOOD, limits=Limits(memory_bytes=300.0 * 2**20))
    assert "--model-memory" in hoarded.error
    assert isinstance(good, Prediction)


def test_a_model_that_died_is_not_tried_again(here):
    with Isolation(Limits()) as isolation:
        model = isolation.open("module:isolated_bad.Dies", SMALL)
        for _ in range(3):
            with pytest.raises(PerfseerError, match="SIGFPE"):
                model.captured(1, backward=False)
        assert isolation.open(GOOD, SMALL).captured(1, backward=False).graph.n_nodes > 0
        assert isolation.children == 2


def test_a_module_that_parses_the_command_line_sees_none(here, monkeypatch):
    (here / "parses.py").write_text(
        "import argparse\nfrom tests.helpers.forecasts import Convolution\n"
        "argparse.ArgumentParser().parse_args()\nmodel = Convolution()\n"
    )
    monkeypatch.setattr(sys, "argv", ["perfseer", "predict", "--format", "json"])
    (answer,) = answers("module:parses.model")
    assert isinstance(answer, Prediction)
    assert sys.argv == ["perfseer", "predict", "--format", "json"]


def test_a_module_of_the_callers_that_exits_is_a_failure_too():
    class Exits(Convolution):
        def forward(self, x):
            sys.exit(9)

    failed, good = law().predict_many([Exits(), Convolution()], Ask(feed=SMALL))
    assert "SystemExit: 9" in failed.error
    assert "test_isolation.py:" in failed.error
    assert isinstance(good, Prediction)


def test_a_named_model_and_its_example_pass_whole():
    keywords = {"x": torch.empty(2, 3, 8, 8)}
    with Isolation(Limits()) as isolation:
        isolated = isolation.open(GOOD, Feed(), keywords).captured(4, backward=True)
    plain = open_one(GOOD, keywords, Feed()).captured(4, backward=True)
    assert isolated.shapes == plain.shapes == ((4, 3, 8, 8),)
    for name in ("operators", "flops", "bytes", "backward_bytes", "edge_index", "output_shapes"):
        assert getattr(isolated.graph, name).tolist() == getattr(plain.graph, name).tolist()
    assert isolated.graph.peak_train_bytes == plain.graph.peak_train_bytes


def test_what_was_captured_survives_the_way():
    plain = open_one(GOOD, IMAGE, Feed()).captured(None, backward=False)
    notices = (Notice("note", "file_note", "é, ünd"), Notice("warning", "input_assumed", "two"))
    captured = Captured("näme", plain.graph, ((1, 2), ()), ("float32",), notices, notices[:1])
    again = from_frame(to_frame(captured))
    assert (again.name, again.shapes, again.types) == ("näme", ((1, 2), ()), ("float32",))
    assert again.notices == notices
    assert again.training_notices == notices[:1]
    assert again.graph.total_bytes == plain.graph.total_bytes


@pytest.mark.parametrize("kind", ["fifo", "loop", "dangling", "long", "null", "folder", "bytes", "spec fifo"])
def test_a_name_that_is_no_file_is_its_row(here, kind):
    os.mkfifo("pipe.onnx")
    Path("loop.onnx").symlink_to("loop.onnx")
    Path("dangling.onnx").symlink_to("nowhere.onnx")
    Path("folder.onnx").mkdir()
    odd = os.fsdecode(b"odd\xff.onnx")
    Path(odd).write_bytes(b"nonsense")
    names = {
        "fifo": "pipe.onnx",
        "loop": "loop.onnx",
        "dangling": "dangling.onnx",
        "long": "x" * 5000,
        "null": "a\0b.onnx",
        "folder": "folder.onnx",
        "bytes": odd,
        "spec fifo": "zoo:./pipe.onnx",
    }
    failed, good = answers(names[kind], GOOD)
    assert isinstance(failed, Failure)
    failed.model.encode("utf-8")
    failed.error.encode("utf-8")
    assert isinstance(good, Prediction)


PATCHES = """
import os, threading
import torch
from torch import nn
from tests.helpers.forecasts import Convolution

def model():
    torch.nn.functional.conv2d = lambda *given, **named: given[0]
    nn.Conv2d.forward = lambda self, x: x
    torch.set_default_dtype(torch.float64)
    os.environ["OMP_NUM_THREADS"] = "7"
    threading.Thread(target=lambda: threading.Event().wait(0.05) or os._exit(3), daemon=True).start()
    return nn.Flatten()

def hooks():
    nn.modules.module.register_module_forward_hook(lambda module, given, result: result * 2)
    return nn.Linear(8, 8)

class Dropped(Convolution):
    def __del__(self):
        os._exit(4)

Fine = Convolution
"""


def test_what_a_module_changes_is_gone_before_the_next(here):
    (here / "isolated_patches.py").write_text(PATCHES)
    last = [torch.nn.Conv2d.forward, torch.get_default_dtype()]
    names = ("Dropped", "Fine", "model", "Fine", "hooks", "Fine")
    before, *found, after = answers(GOOD, *(f"module:isolated_patches.{name}" for name in names), GOOD)
    times = [answer.time.value for answer in (before, found[0], found[1], found[3], found[5], after)]
    assert times == [before.time.value] * 6
    assert last == [torch.nn.Conv2d.forward, torch.get_default_dtype()]


def test_libraries_and_files_share_a_child(here):
    pytest.importorskip("timm")
    with Isolation(Limits()) as isolation:
        for name in ("timm:resnet18", "timm:resnet10t", GOOD, "timm:resnet18", "timm:resnet10t"):
            isolation.open(name, SMALL).captured(1, backward=False)
        assert isolation.children == 2
