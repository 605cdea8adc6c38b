"""What a pickle of the PerfSeer release may name, and the inert things we make of it.

A pickle names classes and functions as (module, name) and asks for them to be called. The table here holds
every pair that a networkx graph needs, from networkx 1 to 3.6, from Python 2 and 3; what is not in it is
refused. Nothing named is ever imported: calling one makes an `Instance`, a dict or a number of ours.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from perfseer.data.sources.perfseer_release.wording import printable

_BYTES_LIMIT = 256  # of a numpy scalar or array, and of a text turned into bytes
# numpy's type codes as struct's.
_FORMATS = {
    **{"b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q"},
    **{"u1": "B", "u2": "H", "u4": "I", "u8": "Q", "f2": "e", "f4": "f", "f8": "d"},
}


class RefusedError(Exception):
    """The file asks for something no graph needs; says what."""


@dataclass(frozen=True)
class Symbol:
    """A class or function that a pickle may name.

    Attributes:
        name: dotted, as in the pickle.
        make: what calling it with these arguments makes; None if it may be named but not called.
    """

    name: str
    make: Callable[[tuple[Any, ...]], Any] | None = None


class Instance:
    """What stands for an object of an admitted class: the class's name, and the state the pickle gives it."""

    __slots__ = ("kind", "state")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.state: dict[Any, Any] | None = None

    def build(self, state: Any) -> None:
        """Take the state: a dict, or a pair of dicts where the class has slots."""
        if isinstance(state, tuple) and len(state) == 2:
            state = state[1] if state[0] is None else state[0]
        if self.state is not None or type(state) is not dict:
            raise RefusedError(f"it gives a {self.kind} a state that is no dict, or a second one")
        self.state = state


class NumpyType:
    """A numpy type; `build` takes its byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code = code
        self.order = "<"

    def build(self, state: Any) -> None:
        """State: (version, byte order, …)."""
        if not (isinstance(state, tuple) and len(state) >= 2 and state[1] in ("<", ">", "|", "=")):
            raise RefusedError("it gives a numpy type a state that is none")
        self.order = ">" if state[1] == ">" else "<"

    def values(self, content: Any) -> list[Any]:
        """The numbers (or texts) in these bytes."""
        if not isinstance(content, bytes | str) or len(content) > _BYTES_LIMIT:
            raise RefusedError(f"it holds a numpy value of more than {_BYTES_LIMIT} bytes, or of none")
        data = content.encode("latin-1") if isinstance(content, str) else content
        if self.code.startswith("U"):
            return [data.decode("utf-32-be" if self.order == ">" else "utf-32-le").rstrip("\0")]
        form = _FORMATS[self.code]
        return list(struct.unpack(f"{self.order}{len(data) // struct.calcsize(form)}{form}", data))


class NumpyArray(list[Any]):
    """A small numpy array as a flat list; `build` fills it."""

    def build(self, state: Any) -> None:
        """State: (version, shape, type, whether in Fortran's order, bytes)."""
        if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], NumpyType)) or self:
            raise RefusedError("it gives a numpy array a state that is none, or a second one")
        self.extend(state[2].values(state[4]))


def find(module: Any, name: Any, admitted: Mapping[str, Symbol]) -> Symbol:
    """The admitted symbol of that name.

    Raises:
        RefusedError: there is none; says which was asked for.
    """
    symbol = admitted.get(f"{module}:{name}") if isinstance(module, str) and isinstance(name, str) else None
    if symbol is None:
        raise RefusedError(f"it asks for {printable(f'{module}.{name}')}, which no graph needs")
    return symbol


def call(function: Any, arguments: Any) -> Any:
    """What calling an admitted symbol makes.

    Raises:
        RefusedError: it is no symbol, may not be called, or not with these arguments.
    """
    if not isinstance(function, Symbol):
        raise RefusedError(f"it calls a {type(function).__name__}")
    if function.make is None or not isinstance(arguments, tuple):
        raise RefusedError(f"it calls {function.name}")
    try:
        return function.make(arguments)
    except (LookupError, TypeError, ValueError, struct.error) as error:
        raise RefusedError(f"it calls {function.name} with arguments no graph needs") from error


def _instance(name: str) -> Symbol:
    def make(arguments: tuple[Any, ...]) -> Instance:
        () = arguments
        return Instance(name)

    return Symbol(name, make)


def _reconstructor(arguments: tuple[Any, ...]) -> Any:
    """``copyreg._reconstructor(class, object, None)``: how protocols 0 and 1 make an object."""
    made, base, state = arguments
    if not (isinstance(base, Symbol) and base.name in _OBJECT and state is None):
        raise ValueError("no plain object")
    return call(made, ())


def _mapping(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """An empty ``OrderedDict()`` or ``defaultdict(type)``; the items follow by themselves."""
    if len(arguments) > 1 or not all(value is None or isinstance(value, Symbol) for value in arguments):
        raise ValueError("arguments")
    return {}


def _numpy_type(arguments: tuple[Any, ...]) -> NumpyType:
    code, *_ = arguments
    if not (isinstance(code, str) and (code in _FORMATS or code.startswith("U"))):
        raise ValueError("type")
    return NumpyType(code)


def _numpy_scalar(arguments: tuple[Any, ...]) -> Any:
    kind, data = arguments
    (value,) = _numpy_values(kind, data)
    return value


def _numpy_array(arguments: tuple[Any, ...]) -> NumpyArray:
    """``_reconstruct(ndarray, (0,), b"b")``: empty, filled by `NumpyArray.build`."""
    kind, _shape, _code = arguments
    if not (isinstance(kind, Symbol) and kind.name == "numpy.ndarray"):
        raise ValueError("no array")
    return NumpyArray()


def _numpy_buffer(arguments: tuple[Any, ...]) -> NumpyArray:
    """``_frombuffer(bytes, type, shape, order)``: protocol 5."""
    data, kind, _shape, _order = arguments
    return NumpyArray(_numpy_values(kind, data))


def _numpy_values(kind: Any, data: Any) -> list[Any]:
    if not isinstance(kind, NumpyType):
        raise TypeError("type")
    return kind.values(data)


def _latin1(arguments: tuple[Any, ...]) -> bytes:
    """``_codecs.encode(text, "latin1")``: how protocols 0 to 2 write bytes."""
    text, encoding = arguments
    if encoding != "latin1" or not isinstance(text, str) or len(text) > _BYTES_LIMIT:
        raise ValueError("no short bytes")
    return bytes(text.encode("latin-1"))


_GRAPHS = ("graph.Graph", "digraph.DiGraph", "multigraph.MultiGraph", "multidigraph.MultiDiGraph")
_NODES, _EDGES = ("NodeView", "NodeDataView"), ("EdgeView", "OutEdgeView", "InEdgeView")
_MULTI_EDGES = ("MultiEdgeView", "OutMultiEdgeView", "InMultiEdgeView")
_DEGREES = ("DegreeView", "DiDegreeView", "InDegreeView", "OutDegreeView")
_MULTI_DEGREES = ("MultiDegreeView", "DiMultiDegreeView", "InMultiDegreeView", "OutMultiDegreeView")
_ADJACENCY = ("AtlasView", "AdjacencyView", "MultiAdjacencyView")
_REPORTS = (*_NODES, *_EDGES, *_MULTI_EDGES, *_DEGREES, *_MULTI_DEGREES)
_RECORDS = ("Feature", "Args", "MemoryInfo")  # the authors' classes, util_dataset/features_define.py
_INSTANCES = (
    *(f"networkx.classes.{name}" for name in _GRAPHS),
    *(f"networkx.classes.reportviews.{name}" for name in _REPORTS),
    *(f"networkx.classes.coreviews.{name}" for name in _ADJACENCY),
    *(f"{module}.{name}" for module in ("features_define", "__main__") for name in _RECORDS),
    "types.SimpleNamespace",
)
_TYPES = ("object", "dict", "list", "tuple", "int", "float", "str", "bool")
_OBJECT = ("builtins.object", "__builtin__.object")
_NUMPY = ("numpy.core", "numpy._core")
_SYMBOLS = (
    *(_instance(name) for name in _INSTANCES),
    *(Symbol(f"{module}.{name}") for module in ("builtins", "__builtin__") for name in _TYPES),
    *(Symbol(f"{module}._reconstructor", _reconstructor) for module in ("copyreg", "copy_reg")),
    *(Symbol(f"collections.{name}", _mapping) for name in ("OrderedDict", "defaultdict")),
    *(Symbol(f"{package}.multiarray.scalar", _numpy_scalar) for package in _NUMPY),
    *(Symbol(f"{package}.multiarray._reconstruct", _numpy_array) for package in _NUMPY),
    *(Symbol(f"{package}.numeric._frombuffer", _numpy_buffer) for package in _NUMPY),
    Symbol("numpy.dtype", _numpy_type),
    Symbol("numpy.ndarray"),
    Symbol("_codecs.encode", _latin1),
)
# By "module:name", so that a dot within a name ("networkx" and "os.system") finds nothing.
ADMITTED = {":".join(symbol.name.rsplit(".", 1)): symbol for symbol in _SYMBOLS}
