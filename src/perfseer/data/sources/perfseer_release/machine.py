"""The stack machine that pickles are programs for, able to make data and nothing else.

A method for every opcode of protocols 0 to 5 that graphs need (definitions: Python's ``pickletools``). The
others - persistent ids, the extension registry, buffers from elsewhere, sets, calls by keyword - are refused
by name.
"""

import pickletools
import struct
from collections.abc import Callable
from functools import partialmethod
from typing import Any

from perfseer.data.sources.perfseer_release.symbols import (
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
        at: position in it, bytes.
        stack: values made and not yet used.
        below: the stacks below each open mark.
        memo: values kept by number.
    """

    __slots__ = ("at", "below", "content", "memo", "stack")

    def __init__(self, content: bytes) -> None:
        self.content = content
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

    # Constants and numbers

    def _push(self, constant: Any) -> None:
        self.stack.append(constant)

    _op_none = partialmethod(_push, None)
    _op_newtrue = partialmethod(_push, True)
    _op_newfalse = partialmethod(_push, False)
    _op_empty_tuple = partialmethod(_push, ())

    def _op_int(self) -> None:
        text = self._digits()
        if text in (b"00", b"01"):
            self.stack.append(text == b"01")
        else:
            self._push_integer(int(text))

    def _op_long(self) -> None:
        self._push_integer(int(self._digits().removesuffix(b"L")))

    def _op_float(self) -> None:
        self.stack.append(float(self._digits()))

    def _op_binint(self) -> None:
        self.stack.append(self._number("<i", 4))

    def _op_binint1(self) -> None:
        self.stack.append(self._byte())

    def _op_binint2(self) -> None:
        self.stack.append(self._number("<H", 2))

    def _op_long1(self) -> None:
        self._push_long(self._byte())

    def _op_long4(self) -> None:
        self._push_long(self._number("<i", 4))

    def _op_binfloat(self) -> None:
        self.stack.append(self._number(">d", 8))

    # Texts and bytes; Python 2 wrote its byte strings with STRING and BINSTRING

    def _op_unicode(self) -> None:
        text = self._line().decode("raw-unicode-escape")
        text.encode("utf-8")  # a lone surrogate could not be shown or written
        self.stack.append(text)

    def _op_short_binunicode(self) -> None:
        self.stack.append(self._take(self._byte()).decode("utf-8"))

    def _push_text(self, form: str, n: int, encoding: str) -> None:
        self.stack.append(self._take(self._number(form, n)).decode(encoding))

    _op_binunicode = partialmethod(_push_text, "<I", 4, "utf-8")
    _op_binunicode8 = partialmethod(_push_text, "<Q", 8, "utf-8")
    _op_binstring = partialmethod(_push_text, "<I", 4, "latin-1")
    _op_short_binstring = partialmethod(_push_text, "<B", 1, "latin-1")

    def _op_string(self) -> None:
        line = self._line()
        if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1] or b"\\" in line:
            raise RefusedError("it holds a byte string with escapes")
        self.stack.append(line[1:-1].decode("ascii"))

    def _push_bytes(self, form: str, n: int) -> None:
        self.stack.append(self._take(self._number(form, n)))

    _op_short_binbytes = partialmethod(_push_bytes, "<B", 1)
    _op_binbytes = partialmethod(_push_bytes, "<I", 4)
    _op_binbytes8 = partialmethod(_push_bytes, "<Q", 8)
    _op_bytearray8 = _op_binbytes8

    # Lists, tuples and dicts

    def _op_empty_list(self) -> None:
        self.stack.append([])

    def _op_empty_dict(self) -> None:
        self.stack.append({})

    def _op_list(self) -> None:
        items = self._pop_mark()
        self.stack.append(items)

    def _op_tuple(self) -> None:
        items = self._pop_mark()
        self.stack.append(tuple(items))

    def _push_tuple(self, n: int) -> None:
        if len(self.stack) < n:
            raise ValueError("too few values")
        self.stack[-n:] = [tuple(self.stack[-n:])]

    _op_tuple1 = partialmethod(_push_tuple, 1)
    _op_tuple2 = partialmethod(_push_tuple, 2)
    _op_tuple3 = partialmethod(_push_tuple, 3)

    def _op_dict(self) -> None:
        items = self._pop_mark()
        self.stack.append({})
        self._set_items(items)

    def _op_append(self) -> None:
        self._extend([self.stack.pop()])

    def _op_appends(self) -> None:
        self._extend(self._pop_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise RefusedError(f"it appends to a {type(target).__name__}")
        target.extend(items)

    def _op_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def _op_setitems(self) -> None:
        self._set_items(self._pop_mark())

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

    # Marks, copies, memo, framing

    def _op_mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def _op_pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._pop_mark()

    _op_pop_mark = _pop_mark

    def _op_dup(self) -> None:
        self.stack.append(self.stack[-1])

    def _op_memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _op_put(self) -> None:
        self.memo[int(self._digits())] = self.stack[-1]

    def _op_binput(self) -> None:
        self.memo[self._byte()] = self.stack[-1]

    def _op_long_binput(self) -> None:
        self.memo[self._number("<I", 4)] = self.stack[-1]

    def _op_get(self) -> None:
        self.stack.append(self.memo[int(self._digits())])

    def _op_binget(self) -> None:
        self.stack.append(self.memo[self._byte()])

    def _op_long_binget(self) -> None:
        self.stack.append(self.memo[self._number("<I", 4)])

    def _op_proto(self) -> None:
        version = self._byte()
        if version > _PROTOCOL:
            raise RefusedError(f"it is of pickle protocol {version}")

    def _op_frame(self) -> None:
        if self._number("<Q", 8) > len(self.content) - self.at:
            raise ValueError("truncated")

    # Names and calls

    def _symbol(self) -> Symbol:
        module, name = self._line(), self._line()
        return find(module.decode("utf-8"), name.decode("utf-8"))

    def _op_global(self) -> None:
        self.stack.append(self._symbol())

    def _op_stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(find(module, name))

    def _op_reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(call(function, arguments))

    _op_newobj = _op_reduce

    def _op_inst(self) -> None:
        symbol, arguments = self._symbol(), self._pop_mark()
        self.stack.append(call(symbol, tuple(arguments)))

    def _op_obj(self) -> None:
        function, *arguments = self._pop_mark()
        self.stack.append(call(function, tuple(arguments)))

    def _op_build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, Instance | NumpyType | NumpyArray):
            raise RefusedError(f"it gives a {type(target).__name__} a state")
        target.build(state)


def _handlers() -> list[Callable[[Machine], None]]:
    """By opcode, 256 of them."""

    def refusing(name: str) -> Callable[[Machine], None]:
        def refuse(_: Machine) -> None:
            raise RefusedError(f"it uses {name}, which no graph needs")

        return refuse

    table = [refusing(f"byte {code:#04x} as an operation") for code in range(256)]
    for opcode in pickletools.opcodes:
        known = getattr(Machine, f"_op_{opcode.name.lower()}", None)
        table[ord(opcode.code)] = known or refusing(opcode.name)
    return table


_HANDLERS = _handlers()
