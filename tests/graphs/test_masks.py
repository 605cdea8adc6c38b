"""What models ask of a mask: answered as for a batch in which something is masked; numbers are not told."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture

BATCH, LENGTH, WIDTH = 4, 16, 8
LOWEST = torch.finfo(torch.float32).min


class Asking(nn.Module):
    """Twice the work where the answer is yes."""

    def __init__(self, question, of_ids=False):
        super().__init__()
        self.question, self.of_ids = question, of_ids
        self.embedding = nn.Embedding(50, WIDTH)
        self.yes, self.no = (nn.Linear(WIDTH, 2 * n, bias=False) for n in (2, 1))

    def forward(self, input_ids, attention_mask=None):
        hidden = self.embedding(input_ids)
        return (self.yes if self.question(input_ids if self.of_ids else attention_mask) else self.no)(hidden)


def answer(question, *, dtype=torch.int64, of_ids=False, **how):
    """Whether the model took the way of a yes."""
    inputs = (torch.zeros(BATCH, LENGTH, dtype=torch.int64),)
    mask = {"attention_mask": torch.ones(BATCH, LENGTH, dtype=dtype)}
    graph = capture(Asking(question, of_ids), inputs, keywords=mask, **how)
    products = int(graph.flops.sum()) // (2 * BATCH * LENGTH * WIDTH)
    assert products in (2, 4)
    return products == 4


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (lambda m: torch.all(m == 1), False),
        (lambda m: m.bool().all(), False),
        (lambda m: not m.all(), True),
        (lambda m: (m == 0).any(), True),
        (lambda m: (m == 0).any().item(), True),
        (lambda m: 0.0 in m, True),
        (lambda m: torch.equal(m, torch.ones_like(m)), False),
        (lambda m: torch.is_nonzero((1 - m).sum()), True),
        (lambda m: m.sum() == m.numel(), False),
        (lambda m: m.min() == 0, True),
        (lambda m: m.min().item() == 0, True),
        (lambda m: int(m.max()) == 1, True),
        (lambda m: any(bool(row) for row in m.all(1)), True),  # not every sequence is padded
        (
            lambda m: m[:, None, None, :].expand(BATCH, 1, LENGTH, LENGTH).to(torch.float32).bool().all(),
            False,
        ),
        (lambda m: LOWEST in torch.where(m[:, None, None, :].bool(), 0.0, LOWEST), True),
        (lambda m: m.cpu().all(), False),
        (lambda m: m.masked_fill(m == 0, 3).max().item() == 3, True),
    ],
)
@pytest.mark.parametrize("how", [{"backward": False}, {"autocast": torch.float16}], ids=["infer", "train"])
def test_whether_anything_is_masked(question, expected, how):
    assert answer(question, **how) is expected


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
def test_of_whatever_type(dtype):
    assert answer(lambda m: (m == 0).any(), dtype=dtype)
    assert not answer(lambda m: (m == 1).all(), dtype=dtype)


def test_a_mask_made_of_ids():
    assert answer(lambda ids: (ids == 0).any(), of_ids=True)
    assert not answer(lambda ids: ids[:, 1:].reshape(-1).ne(0).all(), of_ids=True)


def test_what_a_model_makes_sure_of_is_taken_to_hold():
    def checked(ids):
        torch._assert(ids.max() < 50, "no such token")
        return True

    assert answer(checked, of_ids=True)


def test_a_mask_that_is_indexed_under_vmap():
    class Mapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(WIDTH, WIDTH, bias=False)

        def forward(self, x, attention_mask):
            rows, columns = (torch.arange(n, device=x.device) for n in attention_mask.shape)
            seen = torch.vmap(torch.vmap(lambda b, t: attention_mask[b, t], (None, 0)), (0, None))(
                rows, columns
            )
            return self.layer(x) * seen[..., None]

    mask = torch.ones(BATCH, LENGTH, dtype=torch.bool)
    graph = capture(Mapped(), (torch.empty(BATCH, LENGTH, WIDTH), mask))
    assert graph.flops.sum() == 2 * BATCH * LENGTH * WIDTH * WIDTH


@pytest.mark.parametrize(
    ("question", "of_ids"),
    [
        (lambda m: m.sum().item() > 3, False),
        (lambda m: m.sum(1).max().item() > 3, False),
        (lambda m: m.tolist()[0][0], False),
        (lambda m: m.cpu().numpy().all(), False),
        (lambda m: int(m[0, 3]), False),
        (lambda m: m.argmin(1).max() > 3, False),
        (lambda ids: ids.max().item() > 3, True),
        (lambda ids: (ids >= 50).any(), True),
    ],
)
def test_what_is_in_the_data_is_refused_with_its_place(question, of_ids):
    line = question.__code__.co_firstlineno
    with pytest.raises(PerfseerError, match=rf"test_masks\.py:({line}|26)"):
        answer(question, of_ids=of_ids)


@pytest.mark.parametrize("kind", [torch.bool, torch.float32])
@pytest.mark.parametrize("frozen", [False, True])
def test_torchs_encoder_with_padding(kind, frozen):
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2).requires_grad_(not frozen)
    inputs = (torch.empty(2, 10, 16),)
    mask = {"src_key_padding_mask": torch.zeros(2, 10, dtype=kind)}
    graph = capture(encoder, inputs, keywords=mask, backward=False)
    # four projections of [20, 16], two products of [10, 10, 16] per example, two layers of 16 x 32
    assert graph.flops.sum() == 2 * (2 * 20 * 16 * 16 * 4 + 2 * 2 * 100 * 16 * 2 + 2 * 20 * 16 * 32 * 2)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        slow = capture(encoder, inputs, keywords=mask, backward=False)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    for name in ("operators", "flops", "input_bytes", "weight_bytes", "output_bytes", "edge_index"):
        assert getattr(graph, name).tolist() == getattr(slow, name).tolist()


def test_attention_with_padding():
    layer = nn.MultiheadAttention(16, 2, batch_first=True).requires_grad_(False)
    x, pad = torch.empty(2, 10, 16), torch.zeros(2, 10, dtype=torch.bool)
    flops = [
        capture(layer, (x, x, x), keywords=mask, backward=False).flops.sum()
        for mask in ({"key_padding_mask": pad}, {})
    ]
    assert flops == [2 * 20 * 16 * 16 * 4 + 2 * 2 * 100 * 16 * 2] * 2
    assert torch.backends.mha.get_fastpath_enabled()


class Packed(nn.Module):
    """Sequences of several lengths, packed and unpacked."""

    def __init__(self, lengths, **how):
        super().__init__()
        self.lengths, self.how = lengths, how
        self.layer = nn.GRU(WIDTH, WIDTH, batch_first=True)

    def forward(self, x, lengths=None):
        lengths = self.lengths if lengths is None else lengths.cpu()
        packed = pack_padded_sequence(x, lengths, batch_first=True, **self.how)
        return pad_packed_sequence(self.layer(packed)[0], batch_first=True)[0]


@pytest.mark.parametrize("low", [None, torch.float16])
@pytest.mark.parametrize("backward", [False, True])
def test_packed_sequences(low, backward):
    x, product = torch.empty(3, 5, WIDTH), 2 * 2 * 3 * WIDTH * WIDTH
    lengths = torch.tensor([4, 2, 1])
    known = capture(Packed([4, 2, 1]), (x,), backward=backward, autocast=low)
    assert known.flops.sum() == (4 + 2 + 1) * product
    # lengths that come with the batch: as long as they may be
    model = Packed(None, enforce_sorted=False)
    assert capture(model, (x, lengths), backward=backward, autocast=low).flops.sum() == 3 * 5 * product
