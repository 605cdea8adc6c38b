"""Which operator autocast runs in what: the rows against torch's own lists, and captures."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from perfseer.errors import PerfseerError
from perfseer.graphs.autocast import Autocast
from perfseer.graphs.capture import capture
from perfseer.graphs.passport import PASSPORTS
from perfseer.graphs.vocabulary import words_of
from tests.helpers.model_graphs import Lambda, operators

HALF, BF16, SINGLE, DOUBLE = torch.float16, torch.bfloat16, torch.float32, torch.float64
HEADER = Path(torch.__file__).parent / "include" / "ATen" / "autocast_mode.h"
FIELDS = {
    "LOWER_PRECISION_FP": "narrow_functions",
    "FP32": "wide_functions",
    "FP32_SET_OPT_DTYPE": "widened_functions",
    "PROMOTE": "promoted_functions",
}
# Registered elsewhere: cuDNN's recurrent layers (under the names that lead to them), torchvision's operators.
ELSEWHERE = {
    "narrow_functions": {
        f"{n}.{v}" for n in ("lstm", "gru", "rnn_tanh", "rnn_relu") for v in ("input", "data")
    },
    "wide_functions": {"deform_conv2d", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "nms"},
    "widened_functions": {"norm.Scalar", "norm.ScalarOpt_dim"},  # AT_FORALL_DIFFERENT_REDISPATCH_SIGNATURE
    "promoted_functions": set(),
}


def meta(*shape, dtype=SINGLE):
    return torch.empty(shape, dtype=dtype, device="meta")


def half(*shape):
    return meta(*shape, dtype=HALF)


@pytest.mark.skipif(not HEADER.exists(), reason="this build of torch comes without its headers")
@pytest.mark.skipif(not torch.__version__.startswith("2.13"), reason="the rows are the lists of torch 2.13")
@pytest.mark.parametrize("macro", FIELDS)
def test_the_rows_are_torchs_own_lists(macro):
    body = re.search(rf"#define AT_FORALL_{macro}\(_\)(.*?)\n\n", HEADER.read_text(), re.DOTALL)
    listed = {name.replace(", ", ".") for name in re.findall(r"_\(([\w, ]+)\)", body[1])}
    field = FIELDS[macro]
    assert words_of(lambda passport: getattr(passport, field)) == listed | ELSEWHERE[field]


def test_a_row_that_is_narrow_or_wide_as_a_whole_has_no_operator_of_the_other_kind():
    for row in PASSPORTS:
        assert not ("narrow" in row.traits and row.widened_functions)
        assert not ("wide" in row.traits and row.narrow_functions)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: F.bilinear(half(4, 8), meta(4, 8), meta(3, 8, 8)), SINGLE),
        (lambda: F.bilinear(half(4, 8), half(4, 8), half(3, 8, 8)), HALF),
        (lambda: torch.tensordot(half(4, 8), meta(8, 2), 1), SINGLE),
        (lambda: torch.dot(half(8), meta(8)), SINGLE),
        (lambda: torch.vdot(half(8), meta(8)), SINGLE),
        (lambda: torch.mv(meta(4, 8), meta(8)), HALF),
        (lambda: meta(4, 8).scatter_add(0, meta(4, 8, dtype=torch.int64), half(4, 8)), SINGLE),
        (lambda: half(4, 8).index_put((meta(2, dtype=torch.int64),), meta(2, 8)), SINGLE),
        (lambda: torch.addcmul(meta(4), half(4), half(4)), SINGLE),
        (lambda: torch.atan2(half(4), meta(4)), SINGLE),
        (lambda: torch.cross(half(4, 3), meta(4, 3), dim=1), SINGLE),
        (lambda: F.grid_sample(half(1, 2, 4, 4), meta(1, 3, 3, 2), align_corners=False), SINGLE),
        (lambda: torch.stack([half(4), meta(4)]), SINGLE),
        (lambda: F.interpolate(half(1, 2, 4, 4), scale_factor=2), SINGLE),
        (lambda: F.instance_norm(half(1, 2, 4, 4)), HALF),
        (lambda: half(4, 8).mean(), HALF),
        (lambda: half(4, 8).norm(), SINGLE),
        (lambda: half(4, 8).norm(dim=1), SINGLE),
        (lambda: half(4, 8).logsumexp(0), SINGLE),
        (lambda: half(4, 8).softmax(-1, dtype=DOUBLE), DOUBLE),
        (lambda: half(4, 8).sum(dtype=HALF), HALF),
        (lambda: F.linear(meta(4, 8, dtype=BF16), meta(6, 8, dtype=BF16)), HALF),
        (lambda: F.linear(meta(4, 8, dtype=DOUBLE), meta(6, 8, dtype=DOUBLE)), DOUBLE),
        (lambda: F.linear(meta(4, 8), torch.ones(6, 8)), HALF),  # a constant of the model
        (lambda: F.linear(torch.ones(4, 8), torch.ones(6, 8)), SINGLE),  # nothing of the GPU's
    ],
)
def test_what_runs_in_which_precision(call, expected):
    with Autocast(HALF):
        assert call().dtype == expected


@pytest.mark.parametrize("low", [HALF, BF16])
@pytest.mark.parametrize(
    ("layer", "shape", "flops"),
    [
        # products of input and of state with the weights of each gate
        (nn.LSTM(10, 20), (5, 3, 10), 2 * 15 * 4 * 20 * (10 + 20)),
        (nn.LSTM(12, 128, batch_first=True), (1, 250, 12), 2 * 250 * 4 * 128 * (12 + 128)),
        (nn.GRU(12, 128, batch_first=True), (1, 250, 12), 2 * 250 * 3 * 128 * (12 + 128)),
        (nn.RNN(6, 8, nonlinearity="relu"), (5, 3, 6), 2 * 15 * 8 * (6 + 8)),
        (nn.LSTM(6, 8, bidirectional=True), (5, 3, 6), 2 * (2 * 15 * 4 * 8 * (6 + 8))),
        (nn.LSTM(6, 8, proj_size=4), (5, 3, 6), 2 * 15 * (4 * 8 * (6 + 4) + 8 * 4)),
        (nn.LSTMCell(6, 8), (3, 6), 2 * 3 * 4 * 8 * (6 + 8)),
        (nn.GRUCell(6, 8), (3, 6), 2 * 3 * 3 * 8 * (6 + 8)),
        (nn.RNNCell(6, 8), (3, 6), 2 * 3 * 8 * (6 + 8)),
    ],
)
def test_recurrent_layers_run_in_the_lower_precision(layer, shape, flops, low):
    model = Lambda(lambda parts, x: parts[0](x), layer)
    backward = max(shape) < 250
    single = capture(model, (meta(*shape),), backward=backward)
    mixed = capture(model, (meta(*shape),), backward=backward, autocast=low)
    assert single.flops.sum() == mixed.flops.sum() == flops
    assert mixed.backward_flops.sum() == single.backward_flops.sum()
    products = [operator in ("linear", "matmul") for operator in operators(mixed)]
    wide = [operator in ("linear", "matmul") for operator in operators(single)]
    assert mixed.output_bytes[products].tolist() == (single.output_bytes[wide] // 2).tolist()


class Stateful(nn.Module):
    """States as people make them: zeros without a device."""

    def __init__(self, kind):
        super().__init__()
        self.layer = kind(6, 8, batch_first=True)

    def forward(self, x):
        state = torch.zeros(1, x.size(0), 8)
        return self.layer(x, (state, state) if isinstance(self.layer, nn.LSTM) else state)[0]


class Packed(Stateful):
    def forward(self, x):
        packed = nn.utils.rnn.pack_padded_sequence(x, [5, 5, 3], batch_first=True)
        return self.layer(packed, torch.zeros(1, 3, 8))[0].data


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.LSTM(6, 8, batch_first=True)

    def forward(self, x):
        return self.layer(x)[0]


# of the steps of three sequences: forward, and backward without the gradient of the first input and state
@pytest.mark.parametrize("low", [None, HALF])
@pytest.mark.parametrize(
    ("make", "gates", "rows", "last"),
    [
        (lambda: Stateful(nn.LSTM), 4, 15, 3),
        (lambda: Stateful(nn.GRU), 3, 15, 3),
        (lambda: Stateful(nn.RNN), 1, 15, 3),
        (lambda: Packed(nn.GRU), 3, 13, 3),
        (lambda: torch.jit.script(Recurrent()), 4, 15, 3),
        (lambda: torch.jit.trace(Recurrent(), torch.zeros(3, 5, 6)), 4, 15, 3),
        (lambda: torch.export.export(Recurrent(), (torch.zeros(3, 5, 6),)).module(), 4, 15, 3),
    ],
)
def test_states_and_weights_of_recurrent_layers_may_be_on_the_cpu(make, gates, rows, last, low):
    model = make()
    graph = capture(model, (meta(3, 5, 6),), autocast=low)
    assert graph.flops.sum() == 2 * rows * gates * 8 * (6 + 8)
    assert graph.backward_flops.sum() == 2 * gates * 8 * (rows * (6 + 8) + (rows - last) * 8)
    assert graph.n_parameters == gates * 8 * (6 + 8 + 2)
    weights = [w for part in model.modules() for w in getattr(part, "_flat_weights", [])]
    assert not any(weight.is_meta for weight in weights)


def test_spectral_norm_runs():
    model = torch.nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 8, 3))
    inputs = (meta(2, 3, 8, 8),)
    assert capture(model, inputs, autocast=HALF).flops.sum() == capture(model, inputs).flops.sum()


def test_a_softmax_reads_half_and_writes_single_in_one_kernel():
    def last(low):
        graph = capture(nn.Sequential(nn.Linear(8, 4), nn.Softmax(-1)), (meta(2, 8),), autocast=low)
        return operators(graph)[-2:], int(graph.input_bytes[-1]), int(graph.output_bytes[-1])

    assert last(HALF) == (["linear", "softmax"], 2 * 4 * 2, 2 * 4 * 4)
    # of bfloat16 there is no such kernel: it is cast before
    assert last(BF16) == (["copy", "softmax"], 2 * 4 * 4, 2 * 4 * 4)


def test_what_torch_refuses_is_refused():
    model = Lambda(lambda parts, x: F.binary_cross_entropy(parts[0](x).sigmoid(), x), nn.Linear(8, 8))
    with pytest.raises(PerfseerError, match="BCEWithLogitsLoss"):
        capture(model, (meta(2, 8),), autocast=HALF)
    assert capture(model, (meta(2, 8),)).flops.sum() == 2 * 2 * 8 * 8


@pytest.mark.parametrize("low", [HALF, BF16])
@pytest.mark.parametrize("own", [HALF, BF16, DOUBLE])
def test_weights_of_another_type(own, low):
    graph = capture(nn.Linear(8, 4, bias=False).to(own), (meta(2, 8, dtype=own),), autocast=low)
    cast = [] if own in (low, DOUBLE) else ["copy", "copy"]
    assert operators(graph) == [*cast, "linear"]
    assert graph.output_bytes[-1] == 2 * 4 * (8 if own == DOUBLE else 2)


def test_without_gradients_and_with():
    layer = nn.Linear(8, 8, bias=False)

    def both(parts, x):
        with torch.no_grad():
            first = parts[0](x)
        return parts[0](first)

    assert capture(Lambda(both, layer), (meta(2, 8),), autocast=HALF).backward_flops.sum() == 2 * 2 * 8 * 8
