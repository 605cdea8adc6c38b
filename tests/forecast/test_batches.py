"""Which dimension of a module's inputs is the batch: named, or the first where that is plain."""

import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.forecast.batches import batched, named
from perfseer.forecast.inputs import Feed
from perfseer.forecast.models import fed, open_one

SEQUENCE = torch.zeros(5, 3, 10)  # [length, batch, channels]


def shapes(arguments, batch_size, **batch_dims):
    values, batch = batched(arguments, batch_size, batch_dims)
    return [tuple(value.shape) for value in values], batch


def asked(module, example, batch_size, batch_dims=None):
    opened = open_one(module, example, Feed(batch_dims=batch_dims or {}))
    return opened.captured(batch_size, backward=False)


# -- arguments ------------------------------------------------------------------------------------------


def test_first_dimensions_that_agree_are_the_batch():
    arguments = [("x", torch.empty(2, 3)), ("mask", torch.empty(2)), ("bias", torch.empty(1, 3))]
    assert shapes(arguments, 5) == ([(5, 3), (5,), (1, 3)], 5)  # what broadcasts stays
    assert shapes(arguments, None) == ([(2, 3), (2,), (1, 3)], 2)
    nested = [("x", ({"ids": torch.empty(4, 7)}, True, None))]
    ((inner, flag, nothing),), batch = batched(nested, 6, {})
    assert (inner["ids"].shape, flag, nothing, batch) == ((6, 7), True, None, 6)


def test_first_dimensions_that_differ_are_not_resized_unless_named():
    graph = [("x", torch.empty(10, 16)), ("edge_index", torch.empty(2, 30))]
    with pytest.raises(PerfseerError, match="x 10x16, edge_index 2x30"):
        shapes(graph, 8)
    assert shapes(graph, 10) == ([(10, 16), (2, 30)], 10)  # as they are
    assert shapes(graph, 8, x=0) == ([(8, 16), (2, 30)], 8)


def test_a_dimension_is_named_for_all_alike_or_by_argument():
    arguments = [("src", torch.empty(5, 3, 16)), ("tgt", torch.empty(4, 3, 16)), ("mask", torch.empty(5, 5))]
    assert shapes(arguments, 8, **{"": 1}) == ([(5, 8, 16), (4, 8, 16), (5, 5)], 8)
    assert shapes(arguments, 8, **{"": 1, "tgt": None})[0][1] == (4, 3, 16)
    padding = [*arguments, ("padding", torch.empty(3, 5))]
    assert shapes(padding, 8, **{"": 1, "padding": 0})[0][-1] == (8, 5)


@pytest.mark.parametrize(
    ("batch_dims", "message"),
    [({"y": 0}, "'y'; there are x"), ({"x": 2}, "x is 4x7"), ({"": 3}, "so many dimensions")],
)
def test_dimensions_that_there_are_not_are_refused(batch_dims, message):
    with pytest.raises(PerfseerError, match=message):
        shapes([("x", torch.empty(4, 7))], 8, **batch_dims)


def test_inputs_without_dimensions_have_no_batch():
    for value in (torch.tensor(1.0), 3):
        with pytest.raises(PerfseerError, match="the batch"):
            shapes([("x", value)], 4)
        assert batched([("x", value)], None, {}) == ([value], 1)


def test_no_memory_has_room_for_a_batch_without_bounds():
    with pytest.raises(PerfseerError, match="room"):
        shapes([("x", torch.empty(1, 10, device="meta"))], 10**18)


def test_arguments_have_the_names_of_forward():
    def names(module, positional, keywords):
        return [name for name, _ in named(module, positional, keywords)]

    assert names(nn.LSTM(1, 1), (1, 2), {}) == ["input", "hx"]
    assert names(nn.Transformer(4, 1), (1,), {"tgt": 2}) == ["src", "tgt"]


# -- sequences ------------------------------------------------------------------------------------------


class ByHand(nn.Module):
    """Attention over [length, batch, channels], written out."""

    def __init__(self):
        super().__init__()
        self.query = nn.Linear(10, 10)

    def forward(self, x):
        query = self.query(x).transpose(0, 1)
        return torch.softmax(query @ query.transpose(1, 2), -1) @ query


SEQUENCE_FIRST = [
    nn.LSTM(10, 20),
    nn.GRU(10, 20),
    nn.TransformerEncoderLayer(10, 2, 16),
    ByHand(),
]


@pytest.mark.parametrize("module", SEQUENCE_FIRST, ids=lambda m: type(m).__name__)
def test_a_sequence_is_not_resized_as_the_batch(module):
    with pytest.raises(PerfseerError, match="the sequence first"):
        asked(module, SEQUENCE, 6)
    captured = asked(module, SEQUENCE, 6, {"": 1})
    assert (captured.shapes, captured.graph.batch_size) == (((5, 6, 10),), 6)
    insisted = asked(module, SEQUENCE, 6, {"": 0})
    assert insisted.shapes == ((6, 3, 10),)


def test_twice_the_batch_of_a_recurrent_layer_is_twice_the_work():
    # 5 steps x 3 samples x (10 + 20) inputs x 4 gates x 20 units x 2
    assert asked(nn.LSTM(10, 20), SEQUENCE, None, {"": 1}).graph.total_flops == 72_000
    assert asked(nn.LSTM(10, 20), SEQUENCE, 6, {"input": 1}).graph.total_flops == 144_000


def test_an_example_of_a_sequence_is_answered_and_doubted():
    captured = asked(nn.LSTM(10, 20), SEQUENCE, None)
    assert [notice.code for notice in captured.notices] == ["batch_unclear"]
    with pytest.raises(PerfseerError, match="the sequence first"):
        asked(nn.LSTM(10, 20), SEQUENCE, 5)  # five are steps, not samples
    batch_first = asked(nn.LSTM(10, 20, batch_first=True), SEQUENCE, 6)
    assert (batch_first.shapes, batch_first.notices) == (((6, 3, 10),), ())


def test_sequences_of_different_length_are_sequences():
    example = (torch.zeros(5, 3, 16), torch.zeros(4, 3, 16))
    captured = asked(nn.Transformer(16, 4, 1, 1, 32), example, None)
    assert [notice.code for notice in captured.notices] == ["batch_unclear"]
    named = asked(nn.Transformer(16, 4, 1, 1, 32), example, 8, {"": 1})
    assert (named.shapes, named.graph.batch_size) == (((5, 8, 16), (4, 8, 16)), 8)


def test_samples_for_a_sequence_first_module_need_the_batch_to_be_named():
    with pytest.raises(PerfseerError, match="--batch-dim input=1"):
        fed("lstm", nn.LSTM(10, 20), Feed(shapes=((128, 10),))).captured(None, backward=False)
    captured = fed("lstm", nn.LSTM(10, 20), Feed(shapes=((128, 10),), batch_dims={"": 1}))
    assert captured.captured(6, backward=False).shapes == ((128, 6, 10),)


def test_a_sequence_made_inside_is_no_sequence_first():
    class Patches(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(3, 16, 4, 4)
            self.mixer = nn.TransformerEncoderLayer(16, 4, 32)

        def forward(self, image):
            return self.mixer(self.patch(image).flatten(2).permute(2, 0, 1))

    captured = asked(Patches(), torch.zeros(2, 3, 16, 16), 8)
    assert (captured.shapes, captured.notices) == (((8, 3, 16, 16),), ())


# -- named inputs ---------------------------------------------------------------------------------------


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(100, 16)
        self.out = nn.Linear(16, 100)

    def forward(self, ids, past, *, mask=None):
        return self.out(torch.cat([past, self.words(ids)], 1))


def test_whole_shapes_by_the_names_of_forward():
    feed = Feed(named_shapes={"past": (2, 7, 16), "ids": (2, 3)}, named_types={"ids": "int64"})
    model = fed("decoder", Decoder(), feed)
    captured = model.captured(None, backward=False)
    assert (captured.shapes, captured.types) == (((2, 3), (2, 7, 16)), ("int64", "float32"))
    assert captured.graph.batch_size == 2
    assert captured.graph.total_flops == 2 * 2 * 10 * 16 * 100
    assert model.captured(8, backward=False).shapes == ((8, 3), (8, 7, 16))


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        (Feed(named_shapes={"ids": (2, 3)}), "takes ids, past, .* no shape was given for past"),
        (Feed(named_shapes={"x": (2, 3)}), "'x'; Decoder takes ids, past"),
        (Feed(shapes=((3,), (7, 16)), named_types={"x": "int64"}), "'x'; Decoder takes"),
        (Feed(dims={"seq": 3}), "seq: .* Decoder takes ids, past"),
        (Feed(shapes=((3,), (7, 16)), batch_dims={"x": 0}), "'x'; Decoder takes"),
    ],
)
def test_names_that_forward_does_not_have_are_refused_with_those_it_has(feed, message):
    with pytest.raises(PerfseerError, match=message):
        fed("decoder", Decoder(), feed).captured(1, backward=False)


def test_types_by_name_beside_shapes_in_order_and_examples():
    feed = Feed(shapes=((3,), (7, 16)), named_types={"ids": "int64"})
    assert fed("decoder", Decoder(), feed).captured(4, backward=False).types == ("int64", "float32")
    example = (torch.zeros(2, 3), torch.zeros(2, 7, 16))
    opened = open_one(Decoder(), example, Feed(named_types={"ids": "int64"}))
    assert opened.captured(None, backward=False).types == ("int64", "float32")


def test_shapes_with_and_without_names_do_not_mix():
    with pytest.raises(PerfseerError, match="with and without names"):
        Feed(shapes=((3,),), named_shapes={"ids": (2, 3)})
    with pytest.raises(PerfseerError, match="at least 1"):
        Feed(dims={"seq": 0})
