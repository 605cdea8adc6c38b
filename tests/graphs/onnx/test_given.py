"""ONNX files whose shapes are named, whose batch is not the first dimension, or which the data decide."""

import numpy as np
import onnx
import pytest
from onnx import helper

from perfseer.errors import PerfseerError
from perfseer.graphs.given import Given
from perfseer.graphs.onnx.reader import open_onnx
from tests.helpers.onnx_files import ints, node, number, write


def decoder(path):
    """Attention of new tokens over those and the past: [batch, 4, past, 16] of four heads."""
    nodes = [
        node("MatMul", "x wq", "q"),
        node("Reshape", "q heads", "qh"),
        node("Transpose", "qh", "qt", perm=[0, 2, 1, 3]),
        node("Concat", "past qt", "k", axis=2),
        node("Transpose", "k", "kt", perm=[0, 1, 3, 2]),
        node("MatMul", "qt kt", "scores"),
        node("MatMul", "scores k", "y"),
    ]
    shapes = {"x": ["batch", "seq", 64], "past": ["batch", 4, "past", 16]}
    return write(path, nodes, shapes, ["y"], {"wq": (64, 64), "heads": ints(0, 0, 4, 16)})


def test_a_decoder_with_its_past(tmp_path):
    reading = open_onnx(decoder(tmp_path / "decoder.onnx"))
    with pytest.raises(PerfseerError, match="--dim seq=SIZE --dim past=SIZE"):
        reading.graph()
    # a product with 64 x 64, then two of 4 heads x 3 x (12 + 3) x 16, each of 2 FLOPs and 5 samples
    flops = 2 * 5 * (3 * 64 * 64 + 2 * 4 * 3 * 15 * 16)
    found = reading.captured(Given(dims={"seq": 3, "past": 12}, batch_size=5))
    assert (found.graph.total_flops, found.graph.batch_size) == (flops, 5)
    assert found.shapes == ((5, 3, 64), (5, 4, 12, 16))
    shapes = {"x": (5, 3, 64), "past": (5, 4, 12, 16)}
    assert reading.captured(Given(shapes=shapes)).graph.total_flops == flops


# -- recurrent layers: [length, batch, channels] --------------------------------------------------------


def recurrent(path, shape, *, batch_first=False):
    weights = {"w": np.zeros((1, 80, 10), np.float32), "r": np.zeros((1, 80, 20), np.float32)}
    turned = [node("Transpose", "x", "xt", perm=[1, 0, 2])] if batch_first else []
    layer = node("LSTM", f"{'xt' if batch_first else 'x'} w r", "y", hidden_size=20)
    return open_onnx(write(path / "a.onnx", [*turned, layer], {"x": shape}, stored=weights))


STEP = 2 * 80 * (10 + 20)  # FLOPs of one step of one sample


@pytest.mark.parametrize("shape", [["T", "N", 10], ["seq_len", "batch", 10]])
def test_the_name_of_the_batch_says_where_it_is(tmp_path, shape):
    found = recurrent(tmp_path, shape).captured(Given(dims={shape[0]: 5}, batch_size=6))
    assert (found.shapes, found.graph.total_flops, found.graph.batch_size) == (((5, 6, 10),), 30 * STEP, 6)


@pytest.mark.parametrize("shape", [[None, None, 10], ["s0", 3, 10], [5, 3, 10], ["batch", 3, 10]])
def test_a_sequence_is_no_batch(tmp_path, shape):
    reading = recurrent(tmp_path, shape)
    whole = {} if None not in shape else {"x": (5, 3, 10)}
    with pytest.raises(PerfseerError, match="--batch-dim x=1"):
        reading.captured(Given(shapes=whole, batch_size=10))
    dims = {shape[0]: 5} if isinstance(shape[0], str) else {}
    found = reading.captured(Given(shapes=whole, dims=dims, batch_dims={"": 1}, batch_size=6))
    assert (found.shapes, found.graph.total_flops) == (((5, 6, 10),), 30 * STEP)
    insisted = reading.captured(Given(shapes=whole, batch_dims={"x": 0}, batch_size=10))
    assert insisted.shapes == ((10, 3, 10),)


def test_fixed_shapes_are_answered_and_the_batch_is_doubted(tmp_path):
    found = recurrent(tmp_path, [5, 3, 10]).captured(Given())
    assert found.graph.total_flops == 15 * STEP
    assert "--batch-dim" in found.notes[0]
    assert recurrent(tmp_path, [5, 3, 10]).captured(Given(batch_dims={"": 1})).graph.batch_size == 3


@pytest.mark.parametrize("shape", [[None, 5, 10], [3, 5, 10]])
def test_a_batch_that_is_first_is_none_the_worse(tmp_path, shape):
    found = recurrent(tmp_path, shape, batch_first=True).captured(Given(batch_size=6))
    assert (found.shapes, found.graph.total_flops, found.notes) == (((6, 5, 10),), 30 * STEP, ())


def test_a_first_state_that_is_stored_follows_the_batch(tmp_path):
    """As exporters write it: zeros of one size, expanded to the size that the input has."""
    stored = {
        **{"w": np.zeros((1, 80, 10), np.float32), "r": np.zeros((1, 80, 20), np.float32)},
        **{"zeros": np.zeros((1, 3, 20), np.float32), "one": ints(1), "two": ints(2), "units": ints(20)},
    }
    nodes = [
        node("Shape", "x", "s"),
        node("Slice", "s one two", "n"),
        node("Concat", "one n units", "target", axis=0),
        node("Expand", "zeros target", "h"),
        helper.make_node("LSTM", ["x", "w", "r", "", "", "h", "h"], ["y"], hidden_size=20),
    ]
    reading = open_onnx(write(tmp_path / "a.onnx", nodes, {"x": [5, 3, 10]}, stored=stored))
    found = reading.captured(Given(batch_dims={"x": 1}, batch_size=6))
    assert (found.shapes, found.graph.total_flops) == (((5, 6, 10),), 30 * STEP)


def test_attention_along_the_first_dimension_makes_it_a_sequence(tmp_path):
    """Scores of every step of a sample with every other: [length, batch, 16] turned around."""
    nodes = [
        node("Transpose", "x", "q", perm=[1, 0, 2]),
        node("Transpose", "x", "k", perm=[1, 2, 0]),
        node("MatMul", "q k", "scores"),
        node("Softmax", "scores", "y", axis=-1),
    ]
    for shape in ([None, 3, 16], [5, 3, 16]):
        reading = open_onnx(write(tmp_path / "a.onnx", nodes, {"x": shape}))
        with pytest.raises(PerfseerError, match="--batch-dim x=1"):
            reading.captured(Given(batch_size=10))
    found = reading.captured(Given(batch_dims={"": 1}, batch_size=6))
    assert found.graph.total_flops == 2 * 6 * 5 * 5 * 16


# -- shapes that the data decide ------------------------------------------------------------------------


def read(path, nodes, stored=None, inputs=None, **more):
    found = open_onnx(write(path / "a.onnx", nodes, inputs or {"x": ["N", 16]}, stored=stored or {}, **more))
    return found.captured(Given(batch_size=2))


INDICES = node("Cast", "x", "i", to=7)
BY_DATA = {
    "NonZero": [
        node("NonZero", "x", "n", name="it"),
        node("Transpose", "n", "t"),
        node("GatherND", "x t", "y"),
    ],
    "Compress": [
        node("Greater", "x zero", "c"),
        node("Reshape", "c flat", "f"),
        node("Compress", "x f", "y", name="it"),
    ],
    "Unique": [node("Unique", "x", "y", name="it")],
    "Slice": [INDICES, node("Slice", "x i i", "y", name="it")],
    "Split": [INDICES, node("Split", "x i", "y z", axis=1, name="it")],
    "TopK": [INDICES, node("TopK", "x i", "y z", name="it")],
    "Tile": [INDICES, node("Tile", "x i", "y", name="it")],
    "OneHot": [
        INDICES,
        node("ReduceMax", "i", "m", keepdims=0),
        node("OneHot", "i m pair", "y", name="it"),
    ],
    "NonMaxSuppression": [
        node("Unsqueeze", "x axis", "s"),
        node("NonMaxSuppression", "s s", "n", name="it"),
        node("Gather", "x n", "y"),
    ],
}


@pytest.mark.parametrize("operator", BY_DATA)
def test_shapes_that_the_data_decide_are_refused_with_the_node(tmp_path, operator):
    stored = {"zero": number(0), "flat": ints(-1), "axis": ints(0), "pair": np.array([0, 1], np.float32)}
    with pytest.raises(PerfseerError, match=f"{operator} 'it' that writes .* depends on the data"):
        read(tmp_path, BY_DATA[operator], stored)


@pytest.mark.parametrize(
    ("nodes", "columns"),
    [
        ([node("NonZero", "c", "n"), node("Squeeze", "n axis", "s")], 3),
        ([node("Unique", "c", "s")], 3),
        ([node("Unique", "c", "s", sorted=0)], 3),
        ([node("Compress", "c mask", "s")], 2),
        ([node("TopK", "c two", "v s")], 2),
    ],
)
def test_what_constants_decide_is_known(tmp_path, nodes, columns):
    """Columns 1, 0, 1, 2 of x, picked by some operator on them."""
    stored = {"c": ints(1, 0, 1, 2), "axis": ints(0), "two": ints(2), "mask": np.array([True, False, True])}
    graph = read(tmp_path, [*nodes, node("Gather", "x s", "y", axis=1)], stored).graph
    assert graph.output_shapes[-1].tolist() == [2, columns, 1, 1]


def test_where_nonzero_elements_are_is_computed(tmp_path):
    """The list of indices that exporters make of a shape."""
    nodes = [
        node("ConstantOfShape", "shape", "ones", value=onnx.numpy_helper.from_array(ints(1))),
        node("NonZero", "ones", "n"),
        node("Transpose", "n", "t"),
        node("Squeeze", "t axis", "s"),
        node("Gather", "x s", "y", axis=1),
    ]
    graph = read(tmp_path, nodes, {"shape": ints(4), "axis": ints(1)}).graph
    assert graph.output_shapes[-1].tolist() == [2, 4, 1, 1]


def test_a_long_list_of_indices_has_its_length(tmp_path):
    ones = onnx.numpy_helper.from_array(ints(1))
    nodes = [
        node("ConstantOfShape", "shape", "c", value=ones),
        node("NonZero", "c", "n"),
        node("Gather", "n row", "r", axis=0),
        node("Gather", "x r", "y", axis=1),
    ]
    graph = read(tmp_path, nodes, {"shape": ints(300, 300), "row": np.array(1)}).graph
    assert graph.output_shapes[-1].tolist() == [2, 90_000, 1, 1]


def test_columns_compressed_by_a_constant(tmp_path):
    nodes = [node("Compress", "x mask", "y", axis=1)]
    graph = read(tmp_path, nodes, {"mask": np.array([True, False, True])}).graph
    assert graph.output_shapes[-1].tolist() == [2, 2, 1, 1]


@pytest.mark.parametrize("operator", ["SplitToSequence", "SequenceConstruct", "Optional"])
def test_sequences_are_refused_as_such(tmp_path, operator):
    with pytest.raises(PerfseerError, match=f"{operator} 'it': sequences"):
        read(tmp_path, [node(operator, "x", "y", name="it")])


def test_a_shape_that_nobody_says_is_a_guess_that_is_told(tmp_path):
    fancy = [node("Fancy", f"{a}", f"{b}", domain="com.example", name=b) for a, b in ("xf", "fg")]
    (note,) = read(tmp_path, [*fancy, node("Relu", "g", "y")]).notes
    assert "com.example.Fancy 'f' writes 'f'" in note
    with pytest.raises(
        PerfseerError, match=r"Gather .* cannot run .* 'f', whose shape the file does not say"
    ):
        read(tmp_path, [fancy[0], node("Gather", "x f", "y")])


def test_a_declared_shape_is_no_guess(tmp_path):
    path = write(tmp_path / "a.onnx", [node("Fancy", "x", "y", domain="com.example")], {"x": ["N", 16]})
    model = onnx.load(path)
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("y", 1, ["N", 5]))
    path.write_bytes(model.SerializeToString())
    found = open_onnx(path).captured(Given(batch_size=2))
    assert (found.graph.output_shapes[-1].tolist(), found.notes) == ([2, 5, 1, 1], ())
