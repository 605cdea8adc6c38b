"""The stack machine that pickles are programs for, able to make data and nothing else.

An operation for every opcode of protocols 0 to 5 that graphs need (definitions: Python's ``pickletools``);
the others - persistent ids, the extension registry, buffers from elsewhere, sets, calls by keyword - are
refused by name.
"""

import pickletools
import struct
from collections.abc import Callable, Mapping
from typing import Any

from perfseer.data.sources.perfseer_release.symbols import (
    ADMITTED,
    Instance,
    NumpyArray,
    NumpyType,
    RefusedError,
    Symbol,
    call,
    find,
)

MAX_OPERATIONS = 1_000_000
_LONG_BYTES, _DIGITS = 9, 40  # of an integer of 64 bits; of a number written as text
_STOP, _PROTOCOL = ord("."), 5


class Machine:
    """One pickle being interpreted; `run` once.

    Attributes:
        content: the whole pickle.
        admitted: what it may name, by "module:name".
        at: position in it, bytes.
        stack: values made and not yet used.
        below: the stacks below each open mark.
        memo: values kept by number.
    """

    __slots__ = ("admitted", "at", "below", "content", "memo", "stack")

    def __init__(self, content: bytes, admitted: Mapping[str, Symbol] = ADMITTED) -> None:
        self.content = content
        self.admitted = admitted
        self.at = 0
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The one value the pickle makes.

        Raises:
            RefusedError: it asks for something no graph needs.
            LookupError: and ValueError, TypeError, AttributeError, struct.error: it is damaged.
        """
        content, handlers = self.content, _HANDLERS
        for _ in range(MAX_OPERATIONS):
            code = content[self.at]
            self.at += 1
            if code == _STOP:
                return self._end()
            handlers[code](self)
        raise RefusedError(f"it has more than {MAX_OPERATIONS} operations")

    def _end(self) -> Any:
        if self.at != len(self.content):
            raise RefusedError(f"{len(self.content) - self.at} bytes follow its end")
        if len(self.stack) != 1 or self.below:
            raise ValueError("not one value")
        return self.stack[0]

    # Arguments of opcodes

    def _take(self, n: int) -> bytes:
        part = self.content[self.at : self.at + n]
        if len(part) < n:
            raise ValueError("truncated")
        self.at += n
        return part

    def _byte(self) -> int:
        value = self.content[self.at]
        self.at += 1
        return value

    def _number(self, form: str, n: int) -> Any:
        return struct.unpack(form, self._take(n))[0]

    def _line(self) -> bytes:
        end = self.content.index(b"\n", self.at)
        part = self.content[self.at : end]
        self.at = end + 1
        return part

    def _digits(self) -> bytes:
        text = self._line()
        if len(text) > _DIGITS:
            raise RefusedError(f"it holds a number of {len(text)} digits")
        return text

    def _push_integer(self, value: int) -> None:
        if not -(2**63) <= value < 2**64:
            raise RefusedError("it holds an integer of more than 64 bits")
        self.stack.append(value)

    def _push_long(self, n: int) -> None:
        if not 0 <= n <= _LONG_BYTES:
            raise RefusedError(f"it holds an integer of {n} bytes")
        self._push_integer(int.from_bytes(self._take(n), "little", signed=True))

    def _pop_mark(self) -> list[Any]:
        items = self.stack
        self.stack = self.below.pop()
        return items

    # Opcodes that take more than an expression

    def _int(self) -> None:
        text = self._digits()
        if text in (b"00", b"01"):
            self.stack.append(text == b"01")
        else:
            self._push_integer(int(text))

    def _unicode(self) -> None:
        text = self._line().decode("raw-unicode-escape")
        text.encode("utf-8")  # a lone surrogate could not be shown or written
        self.stack.append(text)

    def _string(self) -> None:
        line = self._line()
        if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1] or b"\\" in line:
            raise RefusedError("it holds a byte string with escapes")
        self.stack.append(line[1:-1].decode("ascii"))

    def _list(self) -> None:
        items = self._pop_mark()
        self.stack.append(items)

    def _tuple(self) -> None:
        items = self._pop_mark()
        self.stack.append(tuple(items))

    def _push_tuple(self, n: int) -> None:
        if len(self.stack) < n:
            raise ValueError("too few values")
        self.stack[-n:] = [tuple(self.stack[-n:])]

    def _dict(self) -> None:
        items = self._pop_mark()
        self.stack.append({})
        self._set_items(items)

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise RefusedError(f"it appends to a {type(target).__name__}")
        target.extend(items)

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def _set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict:
            raise RefusedError(f"it sets items of a {type(target).__name__}")
        keys = items[::2]
        for key in keys:
            # Hashing a nested tuple can take for ever: no other key gets near a dict.
            if type(key) is not str and type(key) is not int:
                raise RefusedError(f"it has a {type(key).__name__} as the key of a dict")
        target.update(zip(keys, items[1::2], strict=True))

    def _mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def _pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._pop_mark()

    def _keep(self, number: int) -> None:
        self.memo[number] = self.stack[-1]

    def _proto(self) -> None:
        version = self._byte()
        if version > _PROTOCOL:
            raise RefusedError(f"it is of pickle protocol {version}")

    def _frame(self) -> None:
        if self._number("<Q", 8) > len(self.content) - self.at:
            raise ValueError("truncated")

    def _symbol(self) -> Symbol:
        module, name = self._line(), self._line()
        return find(module.decode("utf-8"), name.decode("utf-8"), self.admitted)

    def _stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(find(module, name, self.admitted))

    def _reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(call(function, arguments))

    def _inst(self) -> None:
        symbol, arguments = self._symbol(), self._pop_mark()
        self.stack.append(call(symbol, tuple(arguments)))

    def _obj(self) -> None:
        function, *arguments = self._pop_mark()
        self.stack.append(call(function, tuple(arguments)))

    def _build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, Instance | NumpyType | NumpyArray):
            raise RefusedError(f"it gives a {type(target).__name__} a state")
        target.build(state)


# Python 2 wrote its byte strings with STRING and BINSTRING.
_OPERATIONS: dict[str, Callable[[Machine], object]] = {
    "NONE": lambda m: m.stack.append(None),
    "NEWTRUE": lambda m: m.stack.append(True),
    "NEWFALSE": lambda m: m.stack.append(False),
    "INT": Machine._int,
    "LONG": lambda m: m._push_integer(int(m._digits().removesuffix(b"L"))),
    "LONG1": lambda m: m._push_long(m._byte()),
    "LONG4": lambda m: m._push_long(m._number("<i", 4)),
    "FLOAT": lambda m: m.stack.append(float(m._digits())),
    "BININT": lambda m: m.stack.append(m._number("<i", 4)),
    "BININT1": lambda m: m.stack.append(m._byte()),
    "BININT2": lambda m: m.stack.append(m._number("<H", 2)),
    "BINFLOAT": lambda m: m.stack.append(m._number(">d", 8)),
    "UNICODE": Machine._unicode,
    "SHORT_BINUNICODE": lambda m: m.stack.append(m._take(m._byte()).decode("utf-8")),
    "BINUNICODE": lambda m: m.stack.append(m._take(m._number("<I", 4)).decode("utf-8")),
    "BINUNICODE8": lambda m: m.stack.append(m._take(m._number("<Q", 8)).decode("utf-8")),
    "STRING": Machine._string,
    "SHORT_BINSTRING": lambda m: m.stack.append(m._take(m._byte()).decode("latin-1")),
    "BINSTRING": lambda m: m.stack.append(m._take(m._number("<I", 4)).decode("latin-1")),
    "SHORT_BINBYTES": lambda m: m.stack.append(m._take(m._byte())),
    "BINBYTES": lambda m: m.stack.append(m._take(m._number("<I", 4))),
    "BINBYTES8": lambda m: m.stack.append(m._take(m._number("<Q", 8))),
    "BYTEARRAY8": lambda m: m.stack.append(m._take(m._number("<Q", 8))),
    "EMPTY_LIST": lambda m: m.stack.append([]),
    "LIST": Machine._list,
    "APPEND": lambda m: m._extend([m.stack.pop()]),
    "APPENDS": lambda m: m._extend(m._pop_mark()),
    "EMPTY_TUPLE": lambda m: m.stack.append(()),
    "TUPLE": Machine._tuple,
    "TUPLE1": lambda m: m._push_tuple(1),
    "TUPLE2": lambda m: m._push_tuple(2),
    "TUPLE3": lambda m: m._push_tuple(3),
    "EMPTY_DICT": lambda m: m.stack.append({}),
    "DICT": Machine._dict,
    "SETITEM": Machine._set_item,
    "SETITEMS": lambda m: m._set_items(m._pop_mark()),
    "MARK": Machine._mark,
    "POP": Machine._pop,
    "POP_MARK": Machine._pop_mark,
    "DUP": lambda m: m.stack.append(m.stack[-1]),
    "MEMOIZE": lambda m: m._keep(len(m.memo)),
    "PUT": lambda m: m._keep(int(m._digits())),
    "BINPUT": lambda m: m._keep(m._byte()),
    "LONG_BINPUT": lambda m: m._keep(m._number("<I", 4)),
    "GET": lambda m: m.stack.append(m.memo[int(m._digits())]),
    "BINGET": lambda m: m.stack.append(m.memo[m._byte()]),
    "LONG_BINGET": lambda m: m.stack.append(m.memo[m._number("<I", 4)]),
    "PROTO": Machine._proto,
    "FRAME": Machine._frame,
    "GLOBAL": lambda m: m.stack.append(m._symbol()),
    "STACK_GLOBAL": Machine._stack_global,
    "REDUCE": Machine._reduce,
    "NEWOBJ": Machine._reduce,
    "INST": Machine._inst,
    "OBJ": Machine._obj,
    "BUILD": Machine._build,
}


def _handlers() -> list[Callable[[Machine], object]]:
    """By opcode, 256 of them."""

    def refusing(name: str) -> Callable[[Machine], object]:
        def refuse(_: Machine) -> None:
            raise RefusedError(f"it uses {name}, which no graph needs")

        return refuse

    table = [refusing(f"byte {code:#04x} as an operation") for code in range(256)]
    for opcode in pickletools.opcodes:
        table[ord(opcode.code)] = _OPERATIONS.get(opcode.name) or refusing(opcode.name)
    return table


_HANDLERS = _handlers()
