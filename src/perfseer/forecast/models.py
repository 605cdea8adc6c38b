"""What people call a model, turned into graphs: names, files, modules, at the batch size they ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import torch
from torch import nn

from perfseer.errors import PerfseerError, require
from perfseer.forecast.inputs import ASSUMED_SHAPE, Feed, Shape, arguments, default_shape, resized, tensors
from perfseer.forecast.mixed_precision import under_autocast
from perfseer.forecast.naming import expand
from perfseer.forecast.parts import Notice
from perfseer.graphs.capture import capture, has_frozen
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.predictors.memory.setup import MemorySetup
from perfseer.zoo.model_files import ModelFile
from perfseer.zoo.references import build, parse

FP32 = "fp32"
# Precisions in which a model is captured as it runs there; in all others, as in single precision.
AUTOCAST: Mapping[str, torch.dtype] = {"amp-fp16": torch.float16, "amp-bf16": torch.bfloat16}
_ASSUMED = Notice(
    "note", "input_assumed", "no input shape was given and the model names none: 3x224x224 was assumed"
)

_ESTIMATED = Notice(
    "warning",
    "backward_estimated",
    "an ONNX file holds the forward pass alone: dropout and what else training adds is not in it",
)


@dataclass(frozen=True, eq=False)
class Captured:
    """A model at one batch size.

    Attributes:
        name: reference, file or class name.
        graph: what it runs.
        shapes: of every input with its batch dimension; empty where a file declares them.
        types: element type of every input.
        notices: what was assumed on the way.
        training_notices: what matters to training alone.
        thawed: whether frozen parameters are taken for trained ones in it.
    """

    name: str
    graph: PerfGraph
    shapes: tuple[Shape, ...] = ()
    types: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    training_notices: tuple[Notice, ...] = ()
    thawed: bool = False


class OpenModel(Protocol):
    """A model that can be captured at any batch size it allows."""

    @property
    def name(self) -> str:
        """What people called it."""

    def captured(
        self, batch_size: int | None, *, backward: bool, precision: str = FP32, thaw: bool = False
    ) -> Captured:
        """The model at ``batch_size``, None for its own; the backward pass too if wanted.

        Args:
            batch_size: samples.
            backward: whether to trace a training step.
            precision: `FP32`, or the one of a platform with automatic mixed precision.
            thaw: whether frozen parameters are taken for trained ones; only modules have any.

        Raises:
            PerfseerError: it cannot run, or not at this batch size.
        """


@dataclass(frozen=True, eq=False)
class ModuleModel:
    """A module and what it is fed.

    Attributes:
        name: what people called it.
        module: on any device; it is not changed.
        positional: arguments, tensors in them batched along their first dimension.
        keywords: keyword arguments, likewise.
        notices: what was assumed.
    """

    name: str
    module: nn.Module
    positional: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()

    def captured(
        self, batch_size: int | None, *, backward: bool, precision: str = FP32, thaw: bool = False
    ) -> Captured:
        """As `OpenModel.captured`."""
        positional, keywords = resized((self.positional, dict(self.keywords)), batch_size)
        graph = capture(
            self.module,
            positional,
            keywords=keywords,
            backward=backward,
            autocast=AUTOCAST.get(precision),
            thaw=thaw,
        )
        inputs = tensors((positional, keywords))
        return Captured(
            self.name,
            graph,
            tuple(tuple(value.shape) for value in inputs),
            tuple(str(value.dtype).removeprefix("torch.") for value in inputs),
            (*self.notices, *_precision_notices(self.module)),
            thawed=thaw and backward and has_frozen(self.module),
        )


@dataclass(frozen=True, eq=False)
class FileModel:
    """A model in a file."""

    name: str
    file: ModelFile
    shape: Shape | None
    notices: tuple[Notice, ...] = ()

    def captured(
        self, batch_size: int | None, *, backward: bool, precision: str = FP32, thaw: bool = False
    ) -> Captured:
        """As `OpenModel.captured`."""
        del thaw
        graph = _mixed(self.file.graph(self.shape, batch_size=batch_size, backward=backward), precision)
        notices = [*self.notices, *(Notice("note", "file_note", note) for note in self.file.notes)]
        training = (_ESTIMATED,) if self.file.kind == "onnx" else ()
        types = tuple(declared.dtype for declared in self.file.declared_inputs)
        shapes = ((graph.batch_size, *self.shape),) if self.shape else ()
        return Captured(self.name, graph, shapes, types, tuple(notices), training)


@dataclass(frozen=True, eq=False)
class GraphModel:
    """A graph that exists already; its batch size is fixed."""

    name: str
    graph: PerfGraph

    def captured(
        self, batch_size: int | None, *, backward: bool, precision: str = FP32, thaw: bool = False
    ) -> Captured:
        """As `OpenModel.captured`."""
        del thaw
        own = self.graph.batch_size
        require(
            batch_size in (None, own),
            f"{self.name} was captured at batch {own}, asked for {batch_size}: capture it at that size",
        )
        require(
            self.graph.has_backward or not backward,
            f"{self.name} was captured without its backward pass: capture it with backward=True",
        )
        graph = self.graph if backward or not self.graph.has_backward else self.graph.forward_only()
        return Captured(self.name, _mixed(graph, precision))


def _mixed(graph: PerfGraph, precision: str) -> PerfGraph:
    """A graph that cannot be captured again, as it runs in ``precision``."""
    return under_autocast(graph, MemorySetup("cuda", precision)) if precision in AUTOCAST else graph


# A reference or a file, a module, a graph, or a model that was opened before.
Model: TypeAlias = str | Path | nn.Module | PerfGraph | OpenModel


def open_model(name: str, feed: Feed) -> OpenModel:
    """Open a reference (``timm:resnet50``, ``zoo:<id>``, ``module:package.attr``, …) or a file.

    Raises:
        PerfseerError: there is no such model, or it cannot be built.
    """
    path = Path(name)
    if path.is_file():
        from perfseer.zoo.model_files import load_model_file

        return _file(name, load_model_file(path), feed)
    reference = parse(name)
    shape = feed.shapes[0] if feed.shapes else None
    module = build(name, space=feed.space, input_shape=shape)
    return fed(name, module, feed, default=default_shape(reference.kind, reference.target, module))


def fed(name: str, module: nn.Module, feed: Feed, default: Shape | None = None) -> ModuleModel:
    """A module with the inputs that were asked for, those it declares, or those most image models take.

    Args:
        name: what people call it.
        module: the model.
        feed: what was asked for.
        default: shape of one sample that the model's library names for it.
    """
    if feed.shapes is not None:
        return ModuleModel(name, module, feed.samples(feed.shapes))
    if default is not None:
        text = f"the model's own input shape was taken: {'x'.join(map(str, default))}"
        notice = Notice("note", "input_assumed", text)
        return ModuleModel(name, module, feed.samples([default]), notices=(notice,))
    assumed = ModuleModel(name, module, feed.samples([ASSUMED_SHAPE]), notices=(_ASSUMED,))
    return _with_example(name, module) or assumed


def _file(name: str, file: ModelFile, feed: Feed) -> FileModel:
    if feed.shapes is None:
        bare = file.kind == "architecture"  # the only kind that declares no shape
        return FileModel(name, file, ASSUMED_SHAPE, (_ASSUMED,)) if bare else FileModel(name, file, None)
    require(
        len(feed.shapes) == 1,
        f"{file.path} was given {len(feed.shapes)} input shapes; of a file only the first input's is taken",
    )
    return FileModel(name, file, feed.shapes[0])


def _with_example(name: str, module: nn.Module) -> ModuleModel | None:
    """Fed what a module carries along: Lightning's example_input_array, Transformers' dummy_inputs."""
    for attribute in ("example_input_array", "dummy_inputs"):
        example = getattr(module, attribute, None)
        if example is None or not tensors(example):
            continue
        text = f"the model's own {attribute} were taken as its inputs"
        notices = (Notice("note", "input_assumed", text),)
        return ModuleModel(name, module, *arguments(example), notices)
    return None


def _precision_notices(module: nn.Module) -> tuple[Notice, ...]:
    types = {p.dtype for p in module.parameters() if p.is_floating_point()} - {torch.float32}
    if not types:
        return ()
    names = ", ".join(sorted(str(kind).removeprefix("torch.") for kind in types))
    text = (
        f"the model's parameters are {names}: predictors learn from models in float32, of which a target's "
        "precision says how they run; capture it in float32"
    )
    return (Notice("warning", "parameters_not_fp32", text),)


def open_one(model: Model, example_inputs: Any, feed: Feed) -> OpenModel:
    """A single model, fed with the example where there is one.

    Args:
        model: as in `open_any`.
        example_inputs: a tensor, a tuple of positional arguments, a mapping of keyword arguments, or None.
        feed: what else is known about its inputs.

    Raises:
        PerfseerError: there is no such model, several are called so, or it takes no example.
    """
    if isinstance(model, str | Path):
        names = expand(str(model))
        require(len(names) == 1, f"{model} names {len(names)} models; ask for them with predict_many")
        model = names[0]
    opened = open_any(model, feed)
    if example_inputs is None:
        return opened
    if not isinstance(opened, ModuleModel):
        raise PerfseerError(
            f"{opened.name} came with example inputs, which only modules take; leave them away"
        )
    return ModuleModel(opened.name, opened.module, *arguments(example_inputs))


def open_any(model: Model, feed: Feed) -> OpenModel:
    """A model however it is given: by name, as a file, a module, a graph, or opened already.

    Raises:
        PerfseerError: there is no such model, or it cannot be built.
    """
    if isinstance(model, str | Path):
        return open_model(str(model), feed)
    if isinstance(model, nn.Module):
        return fed(type(model).__name__, model, feed)
    if isinstance(model, PerfGraph):
        return GraphModel("graph", model)
    return model


def model_name(model: Model) -> str:
    """What people call it."""
    return str(model) if isinstance(model, str | Path) else type(model).__name__
