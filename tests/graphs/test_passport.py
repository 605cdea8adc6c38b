"""One row per operator: rows do not contradict one another, and a new row is all a new operator takes."""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import fields
from typing import get_args

import pytest

from perfseer.graphs import passport
from perfseer.graphs.facts import facts_of
from perfseer.graphs.passport import PASSPORTS, Passport
from perfseer.graphs.vocabulary import ONNX_VIEWS, OPERATORS, aten_index, names_with, onnx_index
from tests.helpers.places import ROOT

# What the ONNX reader runs as several operators, as a view of a part or as none, or refuses: no one row is
# theirs.
COMPOSED = {
    *("Einsum", "LSTM", "GRU", "RNN", "Mean", "LRN", "SkipLayerNormalization", "Dropout"),
    *("Shape", "Size", "Split", "Slice", "Expand", "perfseer.Unstack"),
    *("SequenceConstruct", "SequenceEmpty", "SplitToSequence", "SequenceAt", "SequenceInsert"),
    *("SequenceErase", "SequenceLength", "SequenceMap", "ConcatFromSequence"),
    *("Optional", "OptionalGetElement", "OptionalHasElement"),
    *("Compress", "NonMaxSuppression", "StringSplit", "ImageDecoder"),
}
# ONNX Runtime joins what PyTorch runs one by one.
COMPOSED_BY_RUNTIME = {
    *(
        "FusedConv",
        "NhwcFusedConv",
        "NhwcConv",
        "FusedGemm",
        "GemmFastGelu",
        "FusedMatMul",
        "TransposeMatMul",
    ),
    *("FusedMatMulActivation", "Attention", "MultiHeadAttention", "DecoderMaskedMultiHeadAttention"),
    *("GroupQueryAttention", "QAttention", "LayerNormalization", "SimplifiedLayerNormalization"),
    *("SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "EmbedLayerNormalization", "GroupNorm"),
    *(f"nchwc.{op}" for op in ("Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")),
    *("nchwc.ReorderInput", "nchwc.ReorderOutput"),
    *("SkipGroupNorm", "Gelu", "BiasGelu", "FastGelu", "QuickGelu", "BiasAdd", "BiasSplitGelu"),
}


def test_the_vocabulary_is_the_rows_in_their_order():
    assert tuple(row.name for row in PASSPORTS) == OPERATORS
    assert len(set(OPERATORS)) == len(PASSPORTS)


@pytest.mark.parametrize("columns", [("aten",), ("onnx",), ("narrow_functions", "wide_functions")])
def test_a_name_stands_in_one_row_once(columns):
    words = [word for row in PASSPORTS for column in columns for word in getattr(row, column).split()]
    names = Counter(re.split("[:=]", word)[0] for word in words)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("row", PASSPORTS, ids=OPERATORS)
def test_a_row_agrees_with_itself(row):
    kinds = get_args(passport._Work), get_args(passport._Width), get_args(passport._Made)
    assert all(len(set(kind) & set(row.traits)) <= 1 for kind in kinds)
    assert len(set(row.traits)) == len(row.traits)
    assert set(row.traits) & set(kinds[0]) or row.name == "other"
    for special, general in (("shrinks", "joins"), ("not_beside_numbers", "saves_operands")):
        assert special not in row.traits or general in row.traits
    in_row = set(row.aten.split())
    assert {*row.describers, *row.gathers.split(), *row.statistics.split()} <= in_row
    assert {name.removesuffix("_") for name in row.overwrites.split()} <= in_row
    assert all(OPERATORS[aten_index(name)] == row.name for name in in_row)


def test_every_field_of_a_row_is_described():
    names = [field.name for field in fields(Passport) if field.name != "_"]
    assert [name for name in names if f"        {name}: " not in str(Passport.__doc__)] == []


def test_every_onnx_operator_that_is_read_has_a_row():
    pytest.importorskip("onnx")
    from perfseer.graphs.onnx.module import HANDLERS

    without = {name for name in HANDLERS if onnx_index(name) == 0}
    of_runtime = {f"com.microsoft.{name}" for name in COMPOSED_BY_RUNTIME}
    assert without == COMPOSED | of_runtime | (ONNX_VIEWS & HANDLERS.keys())


def test_what_has_one_of_several_traits():
    assert names_with("narrow") == ("conv", "linear", "matmul", "attention")
    assert names_with("in_place", "saves_result") == ("relu", "attention", "activation", "softmax")


def test_facts_of_an_overload_are_those_of_its_row():
    import torch

    copied, looked_up = facts_of(torch.ops.aten.copy_.default), facts_of(torch.ops.aten.embedding.default)
    assert (copied.overwrites, copied.gathers, looked_up.overwrites, looked_up.gathers) == (1, 0, 0, 1)
    assert facts_of(torch.ops.aten.native_batch_norm.default).one_output
    assert facts_of(torch.ops.aten.add_.Tensor).describe is not None


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What every room says of an operator that only a row tells of."""
    pytest.importorskip("onnx")
    path = tmp_path_factory.mktemp("ripple") / "ripple.onnx"
    command = [sys.executable, "-m", "tests.helpers.new_operator", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# a linear layer, the new operator, a ReLU; tensors are [2, 8] in fp32
EXPECTED = {
    "capture": {"operators": ["linear", "ripple", "relu"], "kernel": 2, "unknown": {}},
    "costs": {"bytes": 2 * 64, "backward_bytes": (64 + 64) + (64 + 64 + 64)},
    "autocast": {"mixed_bytes": 64, "scales": [0.5, 1.0, 1.0], "converts": [True, True, False]},
    "memory": {"saved_for_it": True, "overwrites": True},
    "fusion": {"silent": [False, True, False], "kernels": ["linear+ripple+relu", "optimiser"]},
    "features": {"version": 2, "one_hot": len(OPERATORS) + 1, "kinds": [True, True]},
    "release": {"release": ["Gemm", "Ripple", "Relu"], "read_back": True},
    "onnx": {"onnx": ["ripple", "relu"]},
}


@pytest.mark.parametrize("room", EXPECTED)
def test_a_new_operator_is_one_row(told, room):
    assert {name: told[name] for name in EXPECTED[room]} == EXPECTED[room]


def test_nothing_else_is_told_of_a_new_operator(told):
    assert told.keys() == {name for expected in EXPECTED.values() for name in expected}
