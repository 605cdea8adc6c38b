"""Which operators of PyTorch an exported program may call, and how they are called.

A program names its operators by text, and ``aten`` holds TorchScript's text, list and number functions beside
those of tensors: some of them divide by zero in C++, and some run for minutes or fill the memory. So only
such operators are called as take tensors (or make one on a device) and give tensors, or sizes of them, with
arguments of the types in their schemas; arithmetic on sizes is done in `arithmetic`.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from perfseer.errors import PerfseerError, require

# Checks at run time, which cost nothing that counts.
_CHECKS = ("_assert", "sym_constrain_range", "sym_constrain", "_check")
_TARGET = re.compile(
    r"torch\.ops\.(?!__)(\w+)\.(?!__(?!(?:and|or|xor|lshift|rshift|i\w+)__))(\w+)\.(?!__)(\w+)"
)
# Types of a schema, lists and options taken off, and what stands for a value of each.
_VALUES: Mapping[str, tuple[type, ...]] = {
    **{"Tensor": (Tensor,), "int": (int,), "bool": (bool, int), "float": (float, int), "str": (str,)},
    **{"number": (int, float, complex), "complex": (int, float, complex), "Device": (str,)},
    **{"ScalarType": (torch.dtype,), "Layout": (torch.layout,), "MemoryFormat": (torch.memory_format,)},
    "Generator": (),
}
_NUMBERS = frozenset({"int", "bool", "float"})
_LONGEST_TEXT = 1000
# They reach outside the program, take storages apart, or loop on the host as often as an argument says.
_REFUSED = frozenset(
    {
        *("from_file", "set_", "set", "record_stream", "pin_memory", "is_pinned", "combinations"),
        *("histogramdd", "histogram", "empty_quantized", "resize_", "resize_as_", "resize"),
    }
)
# Kinds that no forward pass on dense tensors needs.
_REFUSED_KINDS = (
    *("cudnn_", "miopen_", "mkldnn_", "mkl_", "sparse_", "to_sparse", "to_mkldnn", "fbgemm_", "quantize"),
)
# What a name that starts with an underscore may go on with: the rest of them is PyTorch's own business.
_INTERNAL = (
    *(
        "adaptive_avg_pool",
        "add_batch",
        "assert",
        "batch_norm",
        "cdist_forward",
        "conj",
        "convolution",
        "ctc_loss",
    ),
    *("efficient_attention_forward", "embedding_bag", "fft_", "flash_attention_forward", "fused_rms_norm"),
    *(
        "grouped_mm",
        "int_mm",
        "linalg_",
        "local_scalar_dense",
        "log_softmax",
        "logcumsumexp",
        "native_batch_norm",
    ),
    *(
        "neg_view",
        "pdist_forward",
        "prelu_kernel",
        "reshape_alias",
        "safe_softmax",
        "scaled_dot_product",
        "scaled_mm",
    ),
    *(
        "shape_as_tensor",
        "softmax",
        "thnn_fused",
        "to_copy",
        "trilinear",
        "unique",
        "unsafe_",
        "upsample",
        "weight",
    ),
)
# Largest argument of operators that loop over it on the host.
_LOOPS: Mapping[str, tuple[str, int]] = {"diff": ("n", 64), "mvlgamma": ("p", 1024)}
_RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})
_MOST_STEPS = 5_000
_PIECES = frozenset(
    {"split", "split_with_sizes", "chunk", "tensor_split", "unbind", "hsplit", "vsplit", "dsplit"}
)
_MOST_PIECES = 10_000
# Which argument says whether a network is being trained.
_TRAINING_FLAGS: Mapping[str, str] = {
    **dict.fromkeys(("batch_norm", "_native_batch_norm_legit", "native_batch_norm"), "training"),
    **dict.fromkeys(("dropout", "dropout_", "feature_dropout", "alpha_dropout", "native_dropout"), "train"),
    **dict.fromkeys(_RECURRENT, "train"),
}
# A constant that a module made on its way is there already.
_RUNS_AS = {"lift_fresh_copy": "lift_fresh"}
_DATA_DEPENDENT = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)


def is_check(target: str) -> bool:
    """Whether a call only checks something at run time."""
    parts = target.split(".")
    return len(parts) > 1 and parts[-2].startswith(_CHECKS)


def names_in(target: str) -> tuple[str, str, str]:
    """Namespace, name and overload of an operator.

    Raises:
        PerfseerError: the target is none.
    """
    match = _TARGET.fullmatch(target) if target.isascii() else None
    if match is None:
        raise PerfseerError("it is no operator that can be run")
    return match[1], match[2], match[3]


def call(name: str, overload: str, given: dict[str, Any], *, training: bool) -> Any:
    """Call an operator of ``aten`` on empty tensors.

    Args:
        name: of the operator.
        overload: of the operator.
        given: its arguments by name.
        training: whether batch statistics are taken and dropout drops.

    Raises:
        PerfseerError: it is not among those that may be called, or what it gives depends on the data.
        Exception: whatever it says to its arguments.
    """
    function = _operator(_RUNS_AS.get(name, name), overload)
    schema = function._schema.arguments
    for argument in schema:
        if argument.name in given and not _stands_for_tensor(argument, given):
            _check_value(argument.name, str(argument.real_type), given[argument.name])
    _bound(name, given)
    flag = _TRAINING_FLAGS.get(name)
    if flag is not None:
        given[flag] = training
    if any(argument.name == "device" for argument in schema):
        given |= {"device": "meta"} | ({"pin_memory": False} if "pin_memory" in given else {})
    if name == "native_dropout" and not training:
        return given["input"], torch.empty_like(given["input"], dtype=torch.bool)
    ordered = [argument for argument in schema if not argument.kwarg_only]
    n_positional = max((i + 1 for i, argument in enumerate(ordered) if argument.name in given), default=0)
    args = [_given_or_default(argument, given) for argument in ordered[:n_positional]]
    kwargs = {a.name: given[a.name] for a in schema if a.kwarg_only and a.name in given}
    try:
        return function(*args, **kwargs)
    except (NotImplementedError, RuntimeError, ValueError) as error:
        if any(tag in function.tags for tag in _DATA_DEPENDENT):
            raise PerfseerError(
                "its result depends on the data, which a program without its weights and inputs does not hold"
            ) from error
        raise


@cache
def _operator(name: str, overload: str) -> Any:
    function = getattr(getattr(torch.ops.aten, name, None), overload, None)
    if not isinstance(function, torch._ops.OpOverload):
        raise PerfseerError("this version of PyTorch has no such operator")
    # functions of TorchScript are called aten too, but no dispatcher knows them
    known = torch._C._dispatch_has_kernel(function.name())
    require(
        known and _is_wanted(name) and _is_of_tensors(function),
        "it is not among the operators on tensors that a program may call",
    )
    return function


def _is_wanted(name: str) -> bool:
    internal = name.startswith("_") and not name.startswith("__")
    if internal and not name[1:].startswith(_INTERNAL):
        return False
    return name not in _REFUSED and not name.startswith(_REFUSED_KINDS) and "_backward" not in name


def _is_of_tensors(function: Any) -> bool:
    """Whether an operator takes tensors or makes one on a device, and gives tensors, or sizes of them."""
    schema = function._schema
    taken = {_bare(item.real_type) for item in schema.arguments}
    given = {_bare(item.real_type) for item in schema.returns}
    if not taken <= _VALUES.keys() or any(argument.is_out for argument in schema.arguments):
        return False
    if "Tensor" not in taken:
        return given == {"Tensor"} and any(argument.name == "device" for argument in schema.arguments)
    return given <= {"Tensor"} | _NUMBERS or any(tag in function.tags for tag in _DATA_DEPENDENT)


def _stands_for_tensor(argument: Any, given: Mapping[str, Any]) -> bool:
    """Whether an argument is a number beside a tensor, as in ``x + 1``."""
    beside = argument.name in ("other", "exponent", "value") and isinstance(given.get("self"), Tensor)
    value = given[argument.name]
    is_number = isinstance(value, float | complex) or (isinstance(value, int) and abs(value) < 2**63)
    return beside and is_number and str(argument.real_type) == "Tensor"


def _bare(kind: Any) -> str:
    """A type without the lists and options around it."""
    return re.sub(r"List\[|Optional\[|\]", "", str(kind))


def _check_value(name: str, kind: str, value: Any) -> None:
    """Hold a value against a type of the schema: a wrong one ends PyTorch's process rather than its call."""
    if value is None and kind.startswith("Optional["):
        return
    inner = kind.removeprefix("Optional[").removesuffix("]") if kind.startswith("Optional[") else kind
    if inner.startswith("List[") and isinstance(value, list | tuple):
        for item in value:
            _check_value(name, inner[5:-1], item)
        return
    # a number may stand for a list of equal ones
    single = not inner.startswith("List[") or inner in ("List[int]", "List[float]")
    allowed = _VALUES.get(_bare(inner), ()) if single else ()
    require(isinstance(value, allowed), f"its argument {name!r} is {type(value).__name__}, expected {kind}")
    if isinstance(value, int):
        require(abs(value) < 2**63, f"its argument {name!r} has more than 64 bits")
    elif isinstance(value, str):
        require(len(value) <= _LONGEST_TEXT, f"its argument {name!r} is a text of {len(value):,} characters")


def _bound(name: str, given: Mapping[str, Any]) -> None:
    """What an operator would do too often on the host is refused."""
    if name in _LOOPS:
        argument, most = _LOOPS[name]
        value = given.get(argument, 0)
        require(isinstance(value, int) and value <= most, f"its argument {argument!r} is at most {most}")
    if name in _RECURRENT:
        steps = _n_steps(given)
        require(0 <= steps <= _MOST_STEPS, f"it takes {steps:,} steps, expected at most {_MOST_STEPS:,}")
    if name.removeprefix("unsafe_").removesuffix("_copy") in _PIECES:
        pieces = _n_pieces(given)
        require(pieces <= _MOST_PIECES, f"it takes a tensor apart into {pieces:,} pieces")


def _n_steps(given: Mapping[str, Any]) -> int:
    """How many steps a recurrent network takes, layer by layer."""
    if "input" not in given:
        raise PerfseerError("packed sequences have lengths that depend on the data; export it without them")
    source, layers = given["input"], given["num_layers"]
    states = given["hx"] if isinstance(given["hx"], list) else [given["hx"]]
    require(
        all(0 < layers <= _MOST_STEPS and s.shape[:1] <= (_MOST_STEPS,) for s in states), "it has no layers"
    )
    length = source.shape[1 if given["batch_first"] and source.dim() > 2 else 0] if source.dim() else 1
    return int(length * layers)


def _n_pieces(given: Mapping[str, Any]) -> int:
    """Into how many pieces a tensor is taken apart."""
    source = given.get("self")
    named = [
        given[key] for key in ("split_size", "split_sizes", "chunks", "sections", "indices") if key in given
    ]
    if not isinstance(source, Tensor) or not source.dim():
        return 1
    if named and isinstance(named[0], list):
        return len(named[0]) + 1
    dim = given.get("dim", 0)
    size = source.shape[dim] if isinstance(dim, int) and -source.dim() <= dim < source.dim() else 1
    if "split_size" in given:
        return -(-size // max(int(named[0]), 1))
    return int(named[0]) if named else size


def _given_or_default(argument: Any, given: Mapping[str, Any]) -> Any:
    if argument.name in given:
        return given[argument.name]
    require(argument.has_default_value(), f"it lacks its argument {argument.name!r}")
    return argument.default_value
