"""Options on inputs, by name and in order, for every verb that captures a model."""

import json

import pytest
import torch
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.cli.questions import Inputs, feed
from perfseer.errors import PerfseerError
from perfseer.forecast.ask import Ask
from perfseer.forecast.inputs import Feed
from perfseer.forecast.predictor import Predictor
from tests.helpers.forecasts import law
from tests.helpers.onnx_files import node, write

NAMED = ("--dim", "seq=3", "--dim", "past=12")


@pytest.fixture
def decoder(tmp_path, monkeypatch):
    """New tokens beside those of the past; a Predictor of whatever name is the law."""
    monkeypatch.setattr(Predictor, "load", classmethod(lambda cls, name: law()))
    nodes = [node("MatMul", "x w", "q"), node("Concat", "past q", "y", axis=1)]
    shapes = {"x": ["batch", "seq", 1000], "past": ["batch", "past", 500]}
    return str(write(tmp_path / "decoder.onnx", nodes, shapes, stored={"w": (1000, 500)}))


def asked(*arguments):
    result = CliRunner().invoke(app, ["predict", "--format", "jsonl", *arguments])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def read(**options):
    return feed(Inputs(**options), [], "")


def test_options_are_read_by_name_or_in_order():
    found = read(
        shapes=["ids=1x128", "past=1x8x512x64"],
        types=["ids=int64,past=float16"],
        dims=["batch=8", "past + seq=640"],
        batch_dims=["1", "mask=none", "ids=0"],
    )
    assert found == Feed(
        named_shapes={"ids": (1, 128), "past": (1, 8, 512, 64)},
        named_types={"ids": "int64", "past": "float16"},
        dims={"batch": 8, "past + seq": 640},
        batch_dims={"": 1, "mask": None, "ids": 0},
    )
    assert read(shapes=["128,2x3"], types=["int64"]) == Feed(shapes=((128,), (2, 3)), types=("int64",))
    assert read(shapes=["128", "2x3"]) == Feed(shapes=((128,), (2, 3)))
    assert read() == Feed()


@pytest.mark.parametrize(
    "options",
    [
        {"shapes": ["ids=1x128", "ids=1x64"]},
        {"shapes": ["ids=1x128", "3x224"]},
        {"shapes": ["ids=1x0"]},
        {"shapes": ["ids="]},
        {"shapes": ["=3x4"]},
        {"shapes": ["x=" + "9" * 5000]},
        {"shapes": ["10000000000x10000000000"]},
        {"shapes": ["x=²x3"]},
        {"types": ["ids=relu"]},
        {"types": ["ids=int64", "ids=int32"]},
        {"dims": ["8"]},
        {"dims": ["batch=0"]},
        {"dims": ["batch=-8"]},
        {"dims": ["batch=8", "batch=16"]},
        {"dims": ["batch=" + "9" * 5000]},
        {"batch_dims": ["first"]},
        {"batch_dims": ["x=-1"]},
        {"batch_dims": ["0", "1"]},
    ],
)
def test_what_cannot_be_meant_is_refused(options):
    with pytest.raises(PerfseerError) as refused:
        read(**options)
    assert len(str(refused.value)) < 300


def test_dimensions_of_a_file_are_named(decoder):
    code, answers = asked(decoder, *NAMED, "--batch-size", "1,8")
    assert code == 0
    assert [answer["input"]["shapes"] for answer in answers] == [
        [[1, 3, 1000], [1, 12, 500]],
        [[8, 3, 1000], [8, 12, 500]],
    ]
    assert [answer["input"]["forward_flops"] for answer in answers] == [3_000_000, 24_000_000]


def test_whole_shapes_of_a_file_are_named(decoder):
    shapes = ("--input-shape", "x=4x3x1000", "--input-shape", "past=4x12x500")
    code, (answer,) = asked(decoder, *shapes)
    assert (code, answer["input"]["batch_size"], answer["input"]["forward_flops"]) == (0, 4, 12_000_000)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), ["--dim seq=SIZE --dim past=SIZE", "batch, seq, past"]),
        (("--dim", "sequence=3"), ["'sequence'", "batch, seq, past"]),
        (("--input-shape", "y=1x2"), ["'y'", "x [batch, seq, 1000]"]),
        ((*NAMED, "--dim", "batch=2", "--batch-size", "4"), ["batch=2", "4 samples"]),
        ((*NAMED, "--input-type", "x=int64"), ["'x'", "float32"]),
        ((*NAMED, "--batch-dim", "y=1"), ["'y'"]),
    ],
)
def test_what_is_missing_or_wrong_is_told_with_what_the_model_has(decoder, arguments, said):
    code, (answer,) = asked(decoder, *arguments)
    assert (code, answer["status"]) == (2, "error")
    assert [text for text in said if text not in answer["error"]] == []


def test_inputs_of_a_module_are_named(decoder, tmp_path, monkeypatch):
    (tmp_path / "recurrent_model.py").write_text("from torch import nn\nmodel = nn.LSTM(10, 20)\n")
    monkeypatch.chdir(tmp_path)
    name = "module:recurrent_model.model"
    code, (answer,) = asked(name, "--input-shape", "5x10", "--batch-size", "6")
    assert code == 2
    assert "--batch-dim" in answer["error"]
    code, (answer,) = asked(name, "--input-shape", "5x10", "--batch-size", "6", "--batch-dim", "1")
    # 5 steps x 6 samples x (10 + 20) inputs x 4 gates x 20 units x 2
    assert (code, answer["input"]["forward_flops"], answer["input"]["batch_size"]) == (0, 144_000, 6)
    code, (answer,) = asked(name, "--input-shape", "input=5x6x10", "--batch-dim", "input=1")
    assert (code, answer["input"]["shapes"], answer["input"]["batch_size"]) == (0, [[5, 6, 10]], 6)


def test_graph_show_takes_files_and_the_same_options(decoder):
    result = CliRunner().invoke(app, ["graph", "show", decoder, *NAMED, "--batch-size", "2"])
    assert result.exit_code == 0, result.output
    assert "2x3x1000, 2x12x500" in result.stdout
    assert "6.00 MFLOPs" in result.stdout
    refused = CliRunner().invoke(app, ["graph", "show", decoder])
    assert "--dim seq=SIZE" in str(refused.exception)


def test_calibrate_measures_models_of_one_input(tmp_path):
    arguments = ["--out", str(tmp_path / "out"), "--model", "zoo:any", "--input-shape", "x=1x3x64x64"]
    result = CliRunner().invoke(app, ["calibrate", *arguments])
    assert isinstance(result.exception, PerfseerError)
    assert "x=1x3x64x64" in str(result.exception)


def test_the_same_from_python(decoder):
    names = Feed(dims={"seq": 3, "past": 12})
    answer = law().predict(decoder, batch_size=8, feed=names)
    assert answer.input.forward_flops == 24_000_000
    (many,) = law().predict_many([decoder], Ask(batch_sizes=(8,), feed=names))
    assert many.time == answer.time
    recurrent = torch.nn.LSTM(10, 20)
    example, feed = torch.zeros(5, 3, 10), Feed(batch_dims={"input": 1})
    assert law().predict(recurrent, example, batch_size=6, feed=feed).input.shapes == ((5, 6, 10),)
    with pytest.raises(PerfseerError, match="leave one"):
        law().predict(recurrent, example, feed=Feed(shapes=((3,),)))
