"""Models that are named, opened and captured in a child process: none of them can harm another's answer."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from perfseer.blame import place
from perfseer.errors import PerfseerError, require
from perfseer.forecast.inputs import Feed
from perfseer.forecast.models import FP32, Captured, Model, OpenModel, open_any, open_one
from perfseer.forecast.naming import expand
from perfseer.forecast.parts import Notice
from perfseer.graphs.capture import capture
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.measure.construction import warm_library
from perfseer.measure.frames import Frame
from perfseer.measure.limits import Limits
from perfseer.measure.sandbox import DeathError, Sandbox
from perfseer.zoo.references import defined_at

_GRAPH = tuple(field.name for field in fields(PerfGraph))
_PLAIN = tuple(field.name for field in fields(Captured) if field.name != "graph")


@dataclass(frozen=True, eq=False)
class Named:
    """A model as it is asked for.

    Attributes:
        name: a reference or a file.
        feed: what is known about its inputs.
        example: its inputs, tensors on the meta device; None where none were given.
    """

    name: str
    feed: Feed
    example: Any = None


@dataclass(frozen=True, eq=False)
class _Request:
    """What the child is asked: to open a model, and to capture it unless ``capture`` is None."""

    number: int
    model: Named
    capture: Mapping[str, Any] | None


class _Workshop:
    """The child's side: keeps the model that was opened last."""

    def __init__(self) -> None:
        torch.set_num_threads(1)  # the parent's threads are not there
        self._number = -1
        self._opened: OpenModel | None = None

    def __call__(self, request: _Request) -> Frame:
        try:
            if self._number != request.number or self._opened is None:
                self._opened = None  # before the next one needs its memory
                self._opened = open_one(request.model.name, request.model.example, request.model.feed)
                self._number = request.number
            if request.capture is None:
                return Frame(self._opened.name)
            return to_frame(self._opened.captured(**request.capture))
        except PerfseerError as error:
            placed = _placed(error, request.model.name)
            if placed is error:
                raise
            raise placed from error


class Isolation:
    """Where named models are opened; a context manager, whose child ends with it.

    Args:
        limits: of opening a model, and of capturing it once.
    """

    def __init__(self, limits: Limits) -> None:
        self._room = _Room(limits)
        self._count = 0

    @property
    def children(self) -> int:
        """Processes started so far; a new one after a death, and after a module of people's own."""
        return self._room.starts

    def open(self, model: Model, feed: Feed, example: Any = None) -> OpenModel:
        """A model however it is given; one that is named is opened in the child.

        Args:
            model: see `perfseer.forecast.models.open_any`.
            feed: what is known about its inputs.
            example: see `perfseer.forecast.models.open_one`.

        Raises:
            PerfseerError: there is no such model, it cannot be opened, or opening it was the child's death.
        """
        if not isinstance(model, str | Path):
            return open_any(model, feed) if example is None else open_one(model, example, feed)
        names = expand(str(model))
        require(len(names) == 1, f"{model} names {len(names)} models; ask for them with predict_many")
        self._count += 1
        named = Named(names[0], feed, tree_map(_on_meta, example))
        return IsolatedModel(named, self._count, self._room).opened()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._room.stop()


class _Room:
    """The child, and whose code has run in it.

    People's modules may change torch, leave threads behind, or die when they are dropped: no other model
    follows one in its child. Libraries and files, which are read as data, share one.

    Args:
        limits: of every request.
    """

    def __init__(self, limits: Limits) -> None:
        self._sandbox = Sandbox(
            _Workshop,
            limits,
            slower="raise --model-timeout (Limits.time_s)",
            larger="raise --model-memory (Limits.memory_bytes)",
        )
        self._occupant: int | None = None

    @property
    def starts(self) -> int:
        """Children so far."""
        return self._sandbox.starts

    def ask(self, request: _Request, doing: str) -> Frame:
        """As `Sandbox.ask`."""
        if self._occupant not in (None, request.number):
            self.stop()
        if not self._sandbox.running:  # what is imported here is there in every child
            _warm_capture()
            warm_library(request.model.name.partition(":")[0])
            self._occupant = None
        if request.model.name.startswith("module:"):
            self._occupant = request.number
        return self._sandbox.ask(request, doing)

    def stop(self) -> None:
        """End the child."""
        self._sandbox.stop()


class IsolatedModel:
    """A model that lives in a child process.

    Args:
        model: what it is.
        number: tells it from the others that are asked for.
        room: where it lives.
    """

    def __init__(self, model: Named, number: int, room: _Room) -> None:
        self._model, self._number, self._room = model, number, room
        self._death: PerfseerError | None = None

    @property
    def name(self) -> str:
        """What people called it."""
        return self._model.name

    def opened(self) -> Self:
        """This model, once the child has opened it.

        Raises:
            PerfseerError: it cannot be opened.
        """
        self._ask(None, "while it was read")
        return self

    def captured(
        self, batch_size: int | None, *, backward: bool, precision: str = FP32, **more: Any
    ) -> Captured:
        """As `OpenModel.captured`, whatever else that takes."""
        asked = {"batch_size": batch_size, "backward": backward, "precision": precision, **more}
        found = self._ask(asked, "while it was captured")
        try:
            return from_frame(found)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise PerfseerError(
                f"{self.name}: the process that read it answered nonsense: {error}"
            ) from error

    def _ask(self, capture: Mapping[str, Any] | None, doing: str) -> Frame:
        """What the child says; a model that killed one is not tried again."""
        if self._death is not None:
            raise self._death
        try:
            return self._room.ask(_Request(self._number, self._model, capture), doing)
        except DeathError as error:
            self._death = PerfseerError(f"{self.name}: {error}")
            raise self._death from error


def to_frame(captured: Captured) -> Frame:
    """A captured model as plain data."""
    graph = {name: getattr(captured.graph, name) for name in _GRAPH}
    arrays = [value for value in graph.values() if not isinstance(value, int | Mapping)]
    value = {
        "graph": {name: _plain(value) for name, value in graph.items() if isinstance(value, int | Mapping)},
        **{name: _plain(getattr(captured, name)) for name in _PLAIN},
    }
    return Frame(value, arrays)


def from_frame(frame: Frame) -> Captured:
    """The captured model that plain data says.

    Raises:
        ValueError: it is none; likewise TypeError, KeyError, AttributeError.
    """
    said = dict(frame.value)
    plain = said.pop("graph")
    names = [name for name in _GRAPH if name not in plain]
    arrays: dict[str, Any] = dict(zip(names, frame.arrays, strict=True))
    graph = PerfGraph(**arrays, **plain)
    return Captured(graph=graph, **{name: _tuples(value) for name, value in said.items()})


@cache
def _warm_capture() -> None:
    """Torch imports much at a first capture. Forward alone: threads of a backward pass outlive no fork."""
    capture(nn.Linear(1, 1, device="meta"), (torch.empty(1, 1, device="meta"),), backward=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Notice):
        return {"notice": [value.level, value.code, value.message]}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    return value


def _tuples(value: Any) -> Any:
    """What `_plain` made lists of."""
    if isinstance(value, list):
        return tuple(_tuples(one) for one in value)
    return Notice(*value["notice"]) if isinstance(value, dict) and "notice" in value else value


def _on_meta(value: Any) -> Any:
    return value.detach().to("meta") if isinstance(value, Tensor) else value


def _placed(error: PerfseerError, name: str) -> PerfseerError:
    """The error with the line of the code to blame, or else of where the model is defined."""
    text, where = str(error), place(error)
    if where is None:
        origin = defined_at(name)
        return PerfseerError(f"{text} (the model is defined at {origin})") if origin else error
    file, _, line = where.rpartition(":")
    told = f"{Path(file).name}:{line}" in text or (Path(file).name in text and f"line {line}" in text)
    return error if told else PerfseerError(f"{text} (at {where})")
