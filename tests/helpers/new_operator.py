"""A process in which the vocabulary has one row more, and what every room makes of that operator, as JSON.

``python -m tests.helpers.new_operator FILE`` writes an ONNX file there. The row is the only thing that is
told; it stands before anything else is imported, as it would in the file.
"""

import json
import sys
from pathlib import Path
from typing import Any

from perfseer.graphs import passport

NEW = passport.Passport(
    "ripple",
    ("pointwise", "wide", "saves_operands", "in_place", "follows", "joins", "makes_vector"),
    aten="perfseer_test.ripple",
    describers={"perfseer_test.ripple": lambda args, _: ("ripple", {"pool_kernel": args[0].dim()})},
    onnx="Ripple=ripple",
    wide_functions="ripple",
    since=passport.PASSPORTS[-1].since + 1,
)


def add_to_torch() -> None:
    """The operator itself, which torch does not have: an ATen-like operator and a function of its name."""
    import torch

    @torch.library.custom_op("perfseer_test::ripple", mutates_args=())
    def operator(x: torch.Tensor) -> torch.Tensor:
        return x.sin()

    operator.register_fake(torch.empty_like)
    operator.register_autograd(
        lambda ctx, gradient: gradient * ctx.saved_tensors[0].cos(),
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
    )

    @torch.overrides.wrap_torch_function(lambda x: (x,))
    def ripple(x: torch.Tensor) -> torch.Tensor:
        return torch.ops.perfseer_test.ripple(x)

    torch.ripple = ripple  # type: ignore[attr-defined]


def captured() -> dict[str, Any]:
    """A linear layer, the operator, a ReLU: in single and in mixed precision."""
    import torch

    from perfseer.graphs.capture import capture
    from perfseer.graphs.vocabulary import HYPERPARAMETERS
    from tests.helpers.model_graphs import Lambda, operators

    model = Lambda(lambda parts, x: torch.ripple(parts[0](x)).relu(), torch.nn.Linear(8, 8))
    single = capture(model, (torch.empty(2, 8),))
    mixed = capture(model, (torch.empty(2, 8),), autocast=torch.float16)
    place = operators(mixed).index("ripple")
    return {
        "operators": operators(single),
        "kernel": int(single.hyperparameters[1, HYPERPARAMETERS.index("pool_kernel")]),
        "bytes": single.bytes.tolist()[1],
        "backward_bytes": single.backward_bytes.tolist()[1],
        "mixed_bytes": int(mixed.output_bytes[place]),
        "unknown": {**single.unknown, **mixed.unknown},
        **_costed(single),
        **_remembered(single),
    }


def _costed(graph: Any) -> dict[str, Any]:
    """What a compiler and a device fuse, and what the release's format has."""
    from perfseer.data.sources.perfseer_release.conversion import to_perfgraph
    from perfseer.data.sources.perfseer_release.inversion import to_raw
    from perfseer.graphs.fusion import fuse
    from perfseer.graphs.kernels import FusionRules, Nodes, kernels_of

    fused = fuse(graph.operators, graph.input_bytes, graph.output_bytes, graph.edge_index, graph.edge_bytes)
    rules = FusionRules(frozenset({("linear", "ripple"), ("ripple", "relu")}))
    raw = to_raw(graph)
    return {
        "silent": fused.silent.tolist(),
        "kernels": kernels_of(Nodes.of([graph]), rules)["name"].tolist(),
        "release": [feature["type"] for feature in raw.features],
        "read_back": to_perfgraph(raw, "ripple").operators.tolist() == graph.operators.tolist(),
    }


def _remembered(graph: Any) -> dict[str, Any]:
    """What the memory model and mixed precision of graphs alone make of it."""
    from perfseer.predictors.memory.lifetimes import Tensors, backward_moments
    from perfseer.predictors.memory.setup import MemorySetup
    from perfseer.predictors.memory.widths import compute_scales, converts

    mixed = MemorySetup("cuda", "amp-fp16")
    trained = Tensors.of(graph, MemorySetup("cuda"), training=True, in_place=False)
    overwritten = Tensors.of(graph, MemorySetup("cuda"), training=False, in_place=True)
    return {
        "scales": compute_scales(graph, mixed).tolist(),
        "converts": converts(graph).tolist(),
        "saved_for_it": bool(trained.saved[0] == backward_moments(graph)[1]),
        "overwrites": overwritten.sizes.tolist()[0] == 0,
    }


def read(path: Path) -> list[str]:
    """Operators of an ONNX file that has it."""
    from tests.helpers.model_graphs import operators, read_onnx
    from tests.helpers.onnx_files import node, write

    return operators(
        read_onnx(write(path, [node("Ripple", "x", "h"), node("Relu", "h", "y")], {"x": [2, 3]}))
    )


def features() -> dict[str, Any]:
    """Widths of what is one-hot by operator."""
    from perfseer.graphs.kernels import KERNEL_OPERATORS
    from perfseer.graphs.vocabulary import OPERATORS, VOCABULARY_VERSION
    from perfseer.predictors.parts.tabular import OPERATOR_TYPES

    return {
        "version": VOCABULARY_VERSION,
        "one_hot": len(OPERATORS),
        "kinds": ["ripple" in KERNEL_OPERATORS, "ripple" in OPERATOR_TYPES],
    }


def main(path: Path) -> None:
    """Add the row, then the operator, and tell."""
    passport.PASSPORTS = (*passport.PASSPORTS, NEW)
    add_to_torch()
    print(json.dumps({**captured(), **features(), "onnx": read(path)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
