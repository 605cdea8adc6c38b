"""What flows where: structure of captured graphs, and that capturing changes nothing."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.graphs.perfgraph import PerfGraph
from tests.helpers.model_graphs import Lambda, operators


def edges(graph: PerfGraph) -> list[tuple[int, int, int]]:
    return sorted(zip(*graph.edge_index.tolist(), graph.edge_bytes.tolist(), strict=True))


def assert_equal(first: PerfGraph, second: PerfGraph) -> None:
    for field in dataclasses.fields(PerfGraph):
        np.testing.assert_equal(getattr(first, field.name), getattr(second, field.name), field.name)


def both_modes(module: nn.Module, *shape: int) -> PerfGraph:
    """The graph with its backward pass, after checking that the forward-only graph is the same."""
    inputs = (torch.empty(shape),)
    graph, forward = capture(module, inputs), capture(module, inputs, backward=False)
    silent = dict.fromkeys(("backward_flops", "backward_bytes"), np.zeros(graph.n_nodes, dtype=np.int64))
    silent |= {"peak_train_bytes": 0, "has_backward": False, "train_only_bytes": 0}
    assert_equal(dataclasses.replace(graph, **silent), forward)
    return graph


# -- edges ----------------------------------------------------------------------------------------------


def test_views_pass_their_producer_on():
    def function(parts, x):
        hidden = parts[0](x)  # [2, 4, 6, 6]
        return hidden[:, 1:3].permute(0, 2, 3, 1).unsqueeze(1).relu()

    graph = both_modes(Lambda(function, nn.Conv2d(3, 4, 1)), 2, 3, 6, 6)
    assert operators(graph) == ["conv", "relu"]
    assert edges(graph) == [(0, 1, 2 * 2 * 36 * 4)]  # half of what the convolution wrote
    assert graph.edge_shapes.tolist() == [[2, 1, 6, 12]]  # [2, 1, 6, 6, 2], folded


def test_in_place_operators_become_the_producer():
    def function(parts, x):
        hidden = parts[0](x)
        hidden += 1.0
        F.relu_(hidden)
        return hidden * hidden

    graph = both_modes(Lambda(function, nn.Linear(4, 4)), 3, 4)
    assert operators(graph) == ["linear", "elementwise", "relu", "mul"]
    assert edges(graph) == [(0, 1, 48), (1, 2, 48), (2, 3, 48)]


def test_writing_into_a_slice_keeps_both_producers():
    def function(parts, x):
        canvas = parts[0](x)
        canvas[:, :1] = x[:, :1].sigmoid()
        return canvas.relu()

    graph = both_modes(Lambda(function, nn.Linear(4, 4)), 3, 4)
    assert operators(graph) == ["linear", "activation", "copy", "relu"]
    assert edges(graph) == [(0, 2, 12), (1, 2, 12), (2, 3, 48)]


def test_an_empty_canvas_is_no_node():
    def function(parts, x):
        canvas = x.new_empty(3, 8)
        canvas[:, :4] = parts[0](x)
        canvas[:, 4:] = x
        return canvas.relu()

    graph = both_modes(Lambda(function, nn.Linear(4, 4)), 3, 4)
    assert operators(graph) == ["linear", "copy", "copy", "relu"]
    assert edges(graph) == [(0, 1, 48), (1, 2, 48), (2, 3, 96)]


def test_parts_of_a_split_are_edges_of_their_own():
    def function(parts, x):
        left, right = parts[0](x).chunk(2, dim=1)
        return torch.cat([left * right, right], dim=1)

    graph = both_modes(Lambda(function, nn.Linear(4, 8)), 3, 4)
    assert operators(graph) == ["linear", "mul", "concat"]
    assert edges(graph) == [(0, 1, 48), (0, 1, 48), (0, 2, 48), (1, 2, 48)]


def test_every_output_of_an_operator_has_its_producer():
    def function(parts, x):
        values, positions = parts[0](x).max(dim=1)
        return values * positions

    graph = both_modes(Lambda(function, nn.Linear(4, 8)), 3, 4)
    assert operators(graph) == ["linear", "reduce", "mul"]
    assert edges(graph) == [(0, 1, 96), (1, 2, 12), (1, 2, 24)]  # float32 and int64


def test_a_tensor_read_twice_by_one_operator_flows_once():
    graph = both_modes(Lambda(lambda parts, x: (lambda y: y + y)(parts[0](x)), nn.Linear(4, 4)), 3, 4)
    assert edges(graph) == [(0, 1, 48)]


def test_a_shortcut_skips():
    block = Lambda(
        lambda parts, x: (lambda y: parts[1](y) + y)(parts[0](x)), nn.Linear(4, 4), nn.Linear(4, 4)
    )
    graph = both_modes(block, 3, 4)
    assert operators(graph) == ["linear", "linear", "add"]
    assert edges(graph) == [(0, 1, 48), (0, 2, 48), (1, 2, 48)]
    assert graph.density == 3 / 6


def test_a_reused_module_is_one_node_per_call():
    layer = nn.Linear(4, 4)
    graph = both_modes(nn.Sequential(layer, nn.ReLU(), layer), 3, 4)
    assert operators(graph) == ["linear", "relu", "linear"]
    assert edges(graph) == [(0, 1, 48), (1, 2, 48)]
    assert graph.weight_bytes.tolist() == [80, 0, 80]
    assert graph.n_parameters == 20


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        return self.head(self.embed(tokens).mean(1))


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_tied_weights_count_once_and_are_read_by_both(device):
    model = Tied().to(device)
    model.head.weight = model.embed.weight
    graph = capture(model, (torch.zeros(2, 3, dtype=torch.int64),))
    assert operators(graph) == ["embedding", "reduce", "linear"]
    assert (graph.n_parameters, graph.parameter_bytes) == (40, 160)
    assert graph.weight_bytes.tolist() == [2 * 3 * 4 * 4, 0, 160]
    assert edges(graph) == [(0, 1, 96), (1, 2, 32)]


def test_operators_outside_the_vocabulary_are_kept_and_counted():
    def function(parts, x):
        hidden = parts[0](x)
        return torch.special.i0(hidden.erfinv()).erfinv()

    graph = both_modes(Lambda(function, nn.Linear(4, 4)), 3, 4)
    assert operators(graph) == ["linear", "other", "other", "other"]
    assert graph.unknown == {"erfinv": 2, "special_i0": 1} or graph.unknown == {"erfinv": 2, "i0": 1}
    assert graph.bytes[1] == 96
    assert graph.other_share == 3 * 96 / (3 * 96 + 48 + 80 + 48)
    assert edges(graph) == [(0, 1, 48), (1, 2, 48), (2, 3, 48)]


# -- what only training does ----------------------------------------------------------------------------


class DropPath(nn.Module):
    def forward(self, x):
        if not self.training:
            return x
        mask = x.new_empty((len(x), 1)).bernoulli_(0.9).div_(0.9)
        return x * mask


@pytest.mark.parametrize(
    "dropout",
    [nn.Dropout(), nn.Dropout(inplace=True), nn.AlphaDropout(), nn.FeatureAlphaDropout(), DropPath()],
    ids=lambda module: repr(module),
)
def test_dropout_is_no_node(dropout):
    graph = both_modes(nn.Sequential(nn.Linear(4, 4), dropout, nn.ReLU()), 3, 4)
    plain = both_modes(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), 3, 4)
    assert operators(graph) == ["linear", "relu"]
    assert edges(graph) == [(0, 1, 48)]
    assert graph.train_only_bytes > plain.train_only_bytes
    assert graph.peak_train_bytes > plain.peak_train_bytes


def test_attention_with_dropout_and_mask_is_one_node():
    def function(parts, x):
        heads = parts[0](x).view(2, 10, 4, 8).transpose(1, 2)
        mask = parts[1].weight[None, None]
        return F.scaled_dot_product_attention(heads, heads, heads, attn_mask=mask, dropout_p=0.1)

    graph = both_modes(Lambda(function, nn.Linear(32, 32), nn.Linear(10, 10, bias=False)), 2, 10, 32)
    assert operators(graph) == ["linear", "attention"]
    assert edges(graph) == [(0, 1, 2 * 10 * 32 * 4)]
    assert graph.weight_bytes[1] == 400
    assert graph.output_shapes[1].tolist() == [2, 4, 10, 8]


def test_batch_norm_costs_the_same_in_both_modes():
    graph = both_modes(nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5)), 2, 3, 4, 4)
    assert operators(graph) == ["conv", "batch_norm"]
    assert graph.weight_bytes[1] == 4 * 5 * 4
    # kept mean and deviation, updated running ones, and the counter read and written
    loss = 640 + 4 + 4
    assert graph.train_only_bytes == 4 * 5 * 4 + 2 * 8 + loss


def test_copies_that_autograd_saves_are_no_nodes():
    layers = (nn.Linear(4, 4), nn.SiLU(inplace=True), nn.Hardswish(inplace=True), nn.Linear(4, 4))
    graph = both_modes(nn.Sequential(*layers), 3, 4)
    assert operators(graph) == ["linear", "activation", "activation", "linear"]
    assert (graph.backward_bytes > 0).all()


def test_backward_work_goes_to_the_node_that_causes_it():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, bias=False))
    graph = both_modes(model, 2, 3, 8, 8)
    first, last = 2 * 4 * 36 * 4, 2 * 4 * 16 * 4  # bytes of the two outputs
    weight1, weight2, norm = 4 * 27 * 4, 4 * 36 * 4, 16
    assert graph.backward_bytes[0] == first + 2 * 3 * 64 * 4 + weight1 + weight1 + norm
    assert graph.backward_bytes[1] == 2 * first + 5 * norm + first + 2 * norm
    assert graph.backward_bytes[2] == 3 * first
    # the gradient of a sum is one number, spread out by a view
    assert graph.backward_bytes[3] == last // last * 4 + first + weight2 + first + weight2
    assert graph.backward_flops[3] == 2 * graph.flops[3]
    assert graph.backward_flops[0] == graph.flops[0]  # the input needs no gradient


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_blocks_are_traced_and_their_flops_counted_again(reentrant):
    block = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))
    plain = capture(block, (torch.empty(3, 4),))

    def function(parts, x):
        return checkpoint(parts[1], parts[0](x), use_reentrant=reentrant)

    graph = capture(Lambda(function, nn.Linear(4, 4), block), (torch.empty(3, 4),))
    assert operators(graph) == ["linear", *operators(plain)]
    # the first layer's gradient, the block again (torch's newer kind skips its last operator, whose result
    # nobody saved), and the block's gradients with that of its input
    again = plain.total_flops if reentrant else plain.flops[0]
    assert graph.backward_flops.sum() == 2 * 3 * 16 + again + 2 * plain.total_flops


# -- inputs and outputs ---------------------------------------------------------------------------------


def test_several_inputs_and_a_dictionary_of_outputs():
    model = Lambda(
        lambda parts, x, y: {"a": parts[0](x), "b": [parts[1](y)]}, nn.Linear(4, 2), nn.Linear(5, 2)
    )
    graph = capture(model, (torch.empty(3, 4), torch.empty(3, 5)))
    assert operators(graph) == ["linear", "linear"]
    assert graph.n_edges == 0
    assert graph.batch_size == 3
    assert graph.edge_index.shape == (2, 0)
    assert graph.edge_shapes.shape == (0, 4)


def test_keywords_nested_inputs_and_plain_values_are_what_positional_tensors_are():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, pair, *, twice=False, mask=None):
            out = self.layer(pair["x"]) + pair["y"][0]
            assert mask.is_meta
            return self.layer(pair["x"]) if twice else out

    pair = {"x": torch.empty(3, 4), "y": [torch.empty(3, 2)]}
    mask = torch.empty(3, dtype=torch.bool)
    graph = capture(Pair(), (pair,), keywords={"mask": mask})
    assert operators(graph) == ["linear", "add"]
    assert graph.batch_size == 3
    resident = 4 * (4 * 2 + 2) + 4 * 3 * (4 + 2) + 3  # parameters, x and y, the mask
    # the product alone [3, 2]; the sum is computed while it lives
    assert graph.peak_infer_bytes == resident + 2 * 4 * 3 * 2
    twice = capture(Pair(), (), keywords={"pair": pair, "twice": True, "mask": mask})
    assert operators(twice) == ["linear", "add", "linear"]


def test_outputs_in_a_dataclass_are_found():
    @dataclasses.dataclass
    class Answer:
        logits: torch.Tensor
        loss: torch.Tensor | None = None

    graph = capture(Lambda(lambda parts, x: Answer(parts[0](x)), nn.Linear(4, 2)), (torch.empty(3, 4),))
    assert graph.backward_flops.tolist() == [2 * 3 * 4 * 2]  # the weight's gradient; the input needs none


def test_constants_made_on_the_cpu_join_the_trace():
    positions = torch.ones(4)  # neither parameter nor buffer

    def function(parts, x):
        return parts[0](x) + positions + parts[1](torch.arange(3))

    graph = both_modes(Lambda(function, nn.Linear(4, 4), nn.Embedding(3, 4)), 3, 4)
    assert operators(graph) == ["linear", "add", "copy", "embedding", "add"]
    assert graph.input_bytes[1] == 48 + 16
    assert edges(graph) == [(0, 1, 48), (1, 4, 48), (2, 3, 24), (3, 4, 48)]


def test_values_of_constants_can_be_looked_at():
    def function(parts, x):
        rates = torch.linspace(0.0, 1.0, 3) * 2.0
        return parts[0](x) if rates[2].item() == 2.0 else x

    graph = capture(Lambda(function, nn.Linear(4, 4)), (torch.empty(3, 4),))
    assert operators(graph)[-1] == "linear"


@pytest.mark.parametrize("keys", [(1, 4, 7, 8), (2, 1, 7, 8), (2, 4, 7, 8)])
def test_attention_broadcasts_keys_and_values(keys):
    layer = nn.Linear(8, 8)
    model = Lambda(lambda parts, q, k: F.scaled_dot_product_attention(parts[0](q), k, k), layer)
    graph = capture(model, (torch.empty(2, 4, 10, 8), torch.empty(keys)))
    assert graph.output_shapes[1].tolist() == [2, 4, 10, 8]
    assert graph.flops[1] == 2 * (2 * 2 * 4 * 10 * 7 * 8)


def test_batch_norm_kept_in_evaluation_mode_updates_nothing():
    class Frozen(nn.BatchNorm2d):
        def train(self, mode=True):
            return super().train(False)

    graph = both_modes(nn.Sequential(nn.Conv2d(3, 5, 1), Frozen(5)), 2, 3, 4, 4)
    assert graph.train_only_bytes == 640 + 4 + 4  # the loss alone


def test_inference_mode_inside_the_model_gives_the_same_graph():
    def function(parts, x):
        with torch.inference_mode():
            hidden = parts[0](x)
            return F.scaled_dot_product_attention(hidden, hidden, hidden)

    inputs = (torch.empty(2, 4, 10, 8),)
    graph = capture(Lambda(function, nn.Linear(8, 8)), inputs, backward=False)
    assert operators(graph) == ["linear", "attention"]


# -- nothing changes ------------------------------------------------------------------------------------


def test_capture_leaves_the_model_as_it_was():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(144, 2)
    )
    model[2].eval()
    before, flags = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    parameters = list(model.parameters())
    model[4].weight.grad = kept = torch.ones_like(model[4].weight)
    for backward in (True, False):
        capture(model, (torch.ones(2, 3, 8, 8),), backward=backward)
    assert [m.training for m in model.modules()] == flags
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    assert model[4].weight.grad is kept
    assert all(p.grad is None for p in parameters if p is not model[4].weight)
    for name, value in model.state_dict().items():
        assert value.device.type == "cpu"
        assert torch.equal(value, before[name]), name
    assert torch.is_grad_enabled()


def test_a_model_on_the_meta_device_is_left_without_gradients():
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(4, 2)).eval()
    capture(model, (torch.empty(3, 4),))
    assert all(p.grad is None for p in model.parameters())
    assert not model.training
    model[0].weight.grad = kept = torch.empty_like(model[0].weight)
    capture(model, (torch.empty(3, 4),))
    assert model[0].weight.grad is kept
    assert model[0].bias.grad is None


def test_flags_are_restored_after_a_failure():
    model = nn.Linear(4, 2).eval()
    with pytest.raises(PerfseerError):
        capture(model, (torch.empty(3, 5),))
    assert not model.training


def test_attention_outside_a_capture_is_torchs_own_again():
    query = torch.empty(1, 2, 5, 8, device="meta")
    capture(
        Lambda(lambda parts, x: F.scaled_dot_product_attention(x, x, parts[0](x)), nn.Linear(8, 8)), (query,)
    )
    assert F.scaled_dot_product_attention(query, query, query).is_contiguous()
    real = torch.rand(1, 2, 5, 8)
    assert F.scaled_dot_product_attention(real, real, real).isfinite().all()


def test_nothing_is_allocated():
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(100_000, 100_000), nn.ReLU())
    graph = capture(model, (torch.empty(100_000, 100_000, device="meta"),))
    assert graph.n_parameters == 100_000 * 100_001
    assert graph.flops[0] == 2 * 100_000**3


def test_two_captures_are_equal():
    model = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    inputs = (torch.empty(2, 5, 16),)
    assert_equal(capture(model, inputs), capture(model, inputs))
    assert_equal(capture(model, inputs), capture(model.to("meta"), inputs))


# -- faults ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        (nn.Linear(4, 2), (torch.empty(3, 5),), "cannot capture Linear with input 3x5"),
        (Lambda(lambda _, x: x if x.sum() > 0 else -x), (torch.empty(3),), "tensor values"),
        (Lambda(lambda _, x: x.shape), (torch.empty(3),), "without any tensor"),
        (Lambda(lambda _, x: x.relu()), (torch.empty(3),), "backward=False"),
        (nn.Identity(), (torch.empty(3),), "backward=False"),
        (nn.Linear(4, 2), (np.zeros((3, 4)),), "must be tensors, plain values, .* given ndarray"),
    ],
    ids=["shape", "values", "output", "training", "identity", "input"],
)
def test_faults_say_what_to_do(model, inputs, message):
    with pytest.raises(PerfseerError, match=message):
        capture(model, inputs)


def test_a_model_without_operators_is_refused():
    with pytest.raises(PerfseerError, match="no operator"):
        capture(nn.Identity(), (torch.empty(3),), backward=False)


def test_frozen_parameters_count_where_nothing_or_everything_is_trained():
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).requires_grad_(False)
    module[2].requires_grad_(True)
    inputs = (torch.empty(3, 4),)
    forward, step, whole = (
        capture(module, inputs, backward=backward, thaw=thaw)
        for backward, thaw in ((False, False), (True, False), (True, True))
    )
    assert (forward.n_parameters, step.n_parameters, whole.n_parameters) == (58, 18, 58)
    # Of the last layer its weights alone, 2 x 3 x 8 x 2; of all, its input too, and the first's weights.
    assert step.backward_flops.sum() == 96
    assert whole.backward_flops.sum() == 96 + 96 + 2 * 3 * 4 * 8
    assert [p.requires_grad for p in module.parameters()] == [False, False, True, True]
    assert whole.forward_only().n_parameters == step.forward_only().n_parameters == 58
