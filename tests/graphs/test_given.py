"""Shapes of a file's inputs: what it declares, completed by names, dimensions and the batch."""

import pytest

from perfseer.errors import PerfseerError
from perfseer.graphs.declared import DeclaredInput
from perfseer.graphs.given import Given, resolve


def inputs(**shapes):
    return tuple(DeclaredInput(name, shape, "float32") for name, shape in shapes.items())


DECODER = inputs(
    ids=("batch", "seq"), past=("batch", 8, "past", 64), mask=("batch", "past + seq"), table=(7, 4)
)


def test_dimensions_have_one_size_in_every_input():
    found = resolve(DECODER, Given(dims={"seq": 128, "past": 512}, batch_size=4))
    assert found.shapes == ((4, 128), (4, 8, 512, 64), (4, 640), (7, 4))
    assert (found.batch_size, found.axes) == (4, (0, 0, 0, None))
    assert resolve(DECODER, Given(dims={"seq": 1, "past": 1, "batch": 3})).shapes[0] == (3, 1)


def test_whole_shapes_by_name_say_the_dimensions_of_the_others():
    found = resolve(DECODER, Given(shapes={"ids": (2, 128), "past": (2, 8, 512, 64)}))
    assert (found.shapes[2], found.batch_size) == ((2, 640), 2)
    more = resolve(DECODER, Given(shapes={"ids": (2, 128), "past": (2, 8, 512, 64)}, batch_size=16))
    assert more.shapes[:2] == ((16, 128), (16, 8, 512, 64))


def test_samples_in_order_get_the_batch_where_it_is():
    assert resolve(DECODER, Given(samples=((5,), (8, 9, 64)))).shapes[:3] == ((1, 5), (1, 8, 9, 64), (1, 14))
    time_first = inputs(x=("T", "N", 10))
    assert resolve(time_first, Given(samples=((5, 10),), batch_size=3)).shapes == ((5, 3, 10),)


def test_what_is_open_is_told_with_what_to_type():
    with pytest.raises(PerfseerError) as refused:
        resolve(DECODER, Given())
    message = str(refused.value)
    assert "--dim seq=SIZE --dim past=SIZE" in message
    assert "batch, seq, past" in message
    assert "--dim batch" not in message
    with pytest.raises(PerfseerError, match=r"--input-shape x=1xSIZEx3"):
        resolve(inputs(x=("n", None, 3)), Given())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Given(dims={"sequence": 3}), "'sequence'; the file has ids .batch, seq."),
        (Given(shapes={"x": (1, 2)}), "'x'; the file has ids"),
        (Given(types={"x": "int64"}), "'x'; the file has ids"),
        (Given(batch_dims={"x": 0}), "'x'; the file has ids"),
        (Given(batch_dims={"ids": 2}), "no dimension 2 .* 'ids'"),
        (Given(shapes={"ids": (1, 2), "mask": (3, 4)}), "'batch' is 1 .* 3"),
        (Given(shapes={"ids": (1, 2)}, dims={"seq": 3, "past": 1}), "'seq' is 3 by --dim seq=3 and 2"),
        (Given(dims={"batch": 2, "seq": 1, "past": 1}, batch_size=3), "batch=2 and 3"),
        (Given(shapes={"ids": (1, 2, 3)}), "batchxseq, given 1x2x3"),
        (Given(shapes={"past": (1, 9, 2, 64)}, dims={"seq": 1}), "given 1x9x2x64"),
        (Given(types={"ids": "int64"}), "declared float32, given int64"),
        (Given(dims={"seq": 2**40, "past": 1}), "room"),
        (Given(dims={"seq": 0, "past": 1}), "from 1"),
        (Given(samples=((1,), (2,), (3,), (4,), (5,))), "5 shapes .* 4 inputs"),
        (Given(batch_size=0), "given 0"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_there_is(given, message):
    with pytest.raises(PerfseerError, match=message):
        resolve(DECODER, given)


@pytest.mark.parametrize(
    ("declared", "axes"),
    [
        (inputs(x=("T", "N", 10)), (1,)),
        (inputs(x=("sequence_length", "batch_size", 10)), (1,)),
        (inputs(x=("B", "N", 3)), (0,)),  # points of clouds
        (inputs(x=("foo", 3)), (0,)),
        (inputs(x=(None, 3), y=(None, 4)), (0, 0)),
        (inputs(x=("s0", 3), table=(7, 2)), (0, None)),
        (inputs(x=(4, 3), y=(4, 5), table=(7, 2)), (0, 0, None)),
        (inputs(x=("seq", 3)), (None,)),
        (inputs(x=("num_nodes", 16), edges=(2, "num_edges")), (None, None)),
        (inputs(x=("batch_seq_len", 3)), (None,)),
    ],
)
def test_the_batch_is_known_by_its_name_or_first_where_that_is_plain(declared, axes):
    dims = {size: 5 for value in declared for size in value.shape if isinstance(size, str)}
    assert resolve(declared, Given(dims=dims)).axes == axes


def test_a_batch_that_is_not_plain_must_be_named():
    graph = inputs(x=("num_nodes", 16), edges=(2, "num_edges"))
    dims = {"num_nodes": 10, "num_edges": 30}
    assert resolve(graph, Given(dims=dims)).batch_size == 1
    with pytest.raises(PerfseerError, match="--batch-dim x=0"):
        resolve(graph, Given(dims=dims, batch_size=8))
    named = resolve(graph, Given(dims={"num_edges": 30}, batch_dims={"x": 0}, batch_size=8))
    assert named.shapes == ((8, 16), (2, 30))
    assert resolve(inputs(x=(5, 3, 10)), Given(batch_dims={"": 1}, batch_size=6)).shapes == ((5, 6, 10),)


def test_a_message_on_many_inputs_stays_one():
    many = inputs(**{f"x{number}": (f"a{number}", f"b{number}", 3) for number in range(5000)})
    with pytest.raises(PerfseerError) as refused:
        resolve(many, Given())
    assert len(str(refused.value)) < 3000
    assert "and 4976 more" in str(refused.value)


def test_inputs_that_are_no_tensors_are_refused():
    with pytest.raises(PerfseerError, match="'x' is a sequence"):
        resolve((DeclaredInput("x", None, "sequence_type"),), Given())
