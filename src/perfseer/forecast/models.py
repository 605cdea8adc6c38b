"""What people call a model, turned into graphs: names, files, modules, at the batch size they ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import nn

from perfseer.errors import PerfseerError, require
from perfseer.forecast.batches import BatchDims, batched, named, takes
from perfseer.forecast.casting import NARROW, can_be_cast, in_precision, narrow_inputs, on_meta_device
from perfseer.forecast.inputs import (
    ASSUMED_SHAPE,
    Feed,
    Shape,
    arguments,
    by_name,
    default_shape,
    retyped,
    sampled,
    tensors,
)
from perfseer.forecast.mixed_precision import in_16_bits, under_autocast
from perfseer.forecast.naming import expand
from perfseer.forecast.parts import Notice
from perfseer.graphs.batch_dimension import ALL_INPUTS
from perfseer.graphs.capture import capture, has_frozen
from perfseer.graphs.lazy import initialised
from perfseer.graphs.perfgraph import PerfGraph
from perfseer.graphs.sequences import follow_batch, takes_sequence_first
from perfseer.graphs.vocabulary import OPERATOR_INDEX
from perfseer.predictors.memory.setup import MemorySetup
from perfseer.zoo import operators
from perfseer.zoo.detection import fixed_if_detector
from perfseer.zoo.model_files import ModelFile
from perfseer.zoo.references import build, parse

FP32 = "fp32"
# Precisions of automatic mixed precision, in which a model is captured under autocast; in those of
# `casting.NARROW` it is cast before. In all others it is captured as it is.
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
        shapes: of every input with its batch dimension; empty for a graph.
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
            precision: of a platform: one of `AUTOCAST`, one of `casting.NARROW`, or `FP32` and the like.
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
        positional: arguments.
        keywords: keyword arguments.
        notices: what was assumed.
        batch_dims: which dimension of the arguments is the batch, see `perfseer.forecast.batches.batched`.
        is_sampled: whether a batch was put before samples that a person gave.
        is_image: whether the inputs are images, whose batch comes first.
    """

    name: str
    module: nn.Module
    positional: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    batch_dims: BatchDims = field(default_factory=dict)
    is_sampled: bool = False
    is_image: bool = False

    def captured(
        self, batch_size: int | None, *, backward: bool, precision: str = FP32, thaw: bool = False
    ) -> Captured:
        """As `OpenModel.captured`."""
        positional, keywords, batch = self._inputs(batch_size)
        graph, doubts = self._graph(positional, keywords, backward=backward, precision=precision, thaw=thaw)
        inputs = tensors((positional, keywords))
        return Captured(
            self.name,
            replace(graph, batch_size=batch),
            tuple(tuple(value.shape) for value in inputs),
            tuple(str(value.dtype).removeprefix("torch.") for value in inputs),
            (
                *self.notices,
                *_precision_notices(self.module, precision),
                *doubts,
                *_partial_notices(self.module),
                *self._batch_notices(graph, batch, batch_size),
            ),
            thawed=thaw and backward and has_frozen(self.module),
        )

    def _graph(
        self,
        positional: tuple[Any, ...],
        keywords: dict[str, Any],
        *,
        backward: bool,
        precision: str,
        thaw: bool,
    ) -> tuple[PerfGraph, tuple[Notice, ...]]:
        """The graph in a precision, and a warning where the model had to be captured in another one."""

        def run(module: nn.Module, values: tuple[tuple[Any, ...], dict[str, Any]]) -> PerfGraph:
            autocast = AUTOCAST.get(precision)
            return capture(
                module, values[0], keywords=values[1], backward=backward, autocast=autocast, thaw=thaw
            )

        dtype, given = NARROW.get(precision), (positional, keywords)
        if dtype is None:
            return run(self.module, given), ()
        why = "TorchScript cannot be cast for a capture"
        if can_be_cast(self.module):
            try:
                module = initialised(self.module, *on_meta_device(given))
                with in_precision(module, dtype):
                    return run(module, narrow_inputs(given, dtype)), ()
            except PerfseerError as error:
                why = str(error)
        text = (
            "the model was captured in single precision and its bytes halved, since it does not run in "
            f"{precision} as it is: {why}"
        )
        return in_16_bits(run(self.module, given)), (Notice("warning", "precision_estimated", text),)

    def _inputs(self, batch_size: int | None) -> tuple[tuple[Any, ...], dict[str, Any], int]:
        """Positional and keyword arguments at a batch size, and the number of samples in them."""
        given = named(self.module, self.positional, self.keywords)
        values, batch = batched(given, batch_size, self.batch_dims)
        n_positional = len(self.positional)
        return (
            tuple(values[:n_positional]),
            dict(zip(self.keywords, values[n_positional:], strict=True)),
            batch,
        )

    def _batch_notices(self, graph: PerfGraph, batch: int, asked: int | None) -> tuple[Notice, ...]:
        """Nothing where the first dimension can be the batch.

        Raises:
            PerfseerError: it is the sequence, and the batch was put or asked for there.
        """
        if self.batch_dims or self.is_image:
            return ()
        is_placed = self.is_sampled or asked is not None
        suspicious = takes_sequence_first(self.module) or (is_placed and _works_along(graph, batch))
        if not suspicious or not self._first_is_sequence:
            return ()
        name = next(iter(named(self.module, self.positional, self.keywords)))[0]
        text = (
            f"{type(self.module).__name__} takes the sequence first, and which dimension is the batch is not "
            f"plain; name it, with --batch-dim 1 or by input, such as --batch-dim {name}=1 (batch_dims in "
            "Python); --batch-dim 0 says that it is the first all the same"
        )
        require(not is_placed, text)
        return (Notice("warning", "batch_unclear", text),)

    @cached_property
    def _first_is_sequence(self) -> bool:
        """Whether what the model works along grows with the first dimension."""
        first = replace(self, batch_dims={ALL_INPUTS: 0})

        def run(batch_size: int) -> None:
            positional, keywords, _ = first._inputs(batch_size)
            capture(self.module, positional, keywords=keywords, backward=False)

        *_, own = first._inputs(None)
        return follow_batch(run, own)


def _works_along(graph: PerfGraph, batch: int) -> bool:
    """Whether attention or softmax see a dimension as long as the batch behind their first."""
    chosen = np.isin(graph.operators, [OPERATOR_INDEX["attention"], OPERATOR_INDEX["softmax"]])
    sizes = graph.output_shapes[chosen][:, 1:]
    return bool(((sizes >= batch) & (sizes <= batch + 2)).any())  # a token or two may have been added


@dataclass(frozen=True, eq=False)
class FileModel:
    """A model in a file, and what is said of its inputs."""

    name: str
    file: ModelFile
    feed: Feed
    notices: tuple[Notice, ...] = ()

    def captured(
        self, batch_size: int | None, *, backward: bool, precision: str = FP32, thaw: bool = False
    ) -> Captured:
        """As `OpenModel.captured`."""
        del thaw
        found = self.file.captured(self.feed.given(batch_size), backward=backward)
        notes = (Notice("note", "file_note", note) for note in found.notes)
        training = (_ESTIMATED,) if self.file.kind == "onnx" else ()
        graph = found.graph if found.quantised else _mixed(found.graph, precision)
        notices = (*self.notices, *notes, *_types_notices(found.weight_types))
        return Captured(self.name, graph, found.shapes, found.types, notices, training)


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
    if precision in NARROW:
        return in_16_bits(graph)
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
    shape = next(iter(feed.shapes or (named[1:] for named in feed.named_shapes.values())), None)
    module = build(name, space=feed.space, input_shape=shape)
    if reference.kind == "operator" and feed.shapes is None and not feed.named_shapes:
        return with_example(name, module, operators.parse(reference.target).inputs(), feed)
    return fed(name, module, feed, default=default_shape(reference.kind, reference.target, module))


def fed(name: str, module: nn.Module, feed: Feed, default: Shape | None = None) -> ModuleModel:
    """A module with the inputs that were asked for, those it declares, or those most image models take.

    Args:
        name: what people call it.
        module: the model.
        feed: what was asked for.
        default: shape of one sample that the model's library names for it.
    """
    module = fixed_if_detector(module)
    require(
        not feed.dims,
        f"{', '.join(feed.dims)}: dimensions have names in files alone; {takes(module)}: give --input-shape, "
        "whole shapes by these names or one sample of each",
    )
    example = _example(module)
    if feed.named_shapes:
        own = dict(named(module, *arguments(example[1]))) if example else {}
        return ModuleModel(name, module, (), by_name(module, feed, own), batch_dims=feed.batch_dims)
    if feed.shapes is not None:
        made = sampled(module, feed, feed.shapes)
        return ModuleModel(name, module, made, batch_dims=feed.batch_dims, is_sampled=True)
    if default is None and example is not None:
        text = f"the model's own {example[0]} were taken as its inputs"
        return with_example(name, module, example[1], feed, (Notice("note", "input_assumed", text),))
    text = f"the model's own input shape was taken: {'x'.join(map(str, default or ()))}"
    notice = _ASSUMED if default is None else Notice("note", "input_assumed", text)
    made = sampled(module, feed, [default or ASSUMED_SHAPE])
    return ModuleModel(name, module, made, notices=(notice,), batch_dims=feed.batch_dims, is_image=True)


def with_example(
    name: str, module: nn.Module, example: Any, feed: Feed, notices: tuple[Notice, ...] = ()
) -> ModuleModel:
    """A module fed with an example: a tensor, a tuple of arguments, or a mapping of keyword arguments."""
    positional, keywords = arguments(example)
    if feed.named_types:
        values = retyped(module, named(module, positional, keywords), feed.named_types)
        count = len(positional)
        positional, keywords = tuple(values[:count]), dict(zip(keywords, values[count:], strict=True))
    return ModuleModel(name, module, positional, keywords, notices, feed.batch_dims)


def _file(name: str, file: ModelFile, feed: Feed) -> FileModel:
    bare = file.kind == "architecture"  # the only kind that declares no shape
    if bare and feed.shapes is None and not feed.named_shapes and not feed.dims:
        return FileModel(name, file, replace(feed, shapes=(ASSUMED_SHAPE,)), (_ASSUMED,))
    return FileModel(name, file, feed)


def _example(module: nn.Module) -> tuple[str, Any] | None:
    """What a module carries along: Lightning's example_input_array, Transformers' dummy_inputs."""
    for attribute in ("example_input_array", "dummy_inputs"):
        example = getattr(module, attribute, None)
        if example is not None and tensors(example):
            return attribute, example
    return None


def _partial_notices(module: nn.Module) -> tuple[Notice, ...]:
    notes = getattr(module, "capture_notes", ())
    return tuple(Notice("warning", "partly_counted", note) for note in notes)


def _precision_notices(module: nn.Module, precision: str) -> tuple[Notice, ...]:
    """A warning where parameters are neither in float32 nor in what the model is asked about in."""
    expected = {torch.float32, NARROW.get(precision, torch.float32)}
    types = {p.dtype for p in module.parameters() if p.is_floating_point()} - expected
    return _types_notices(sorted(str(kind).removeprefix("torch.") for kind in types))


def _types_notices(types: Sequence[str]) -> tuple[Notice, ...]:
    """A warning where parameters have other types than float32."""
    if not types:
        return ()
    text = (
        f"the model's parameters are {', '.join(types)}: predictors learn from models in float32, of which a "
        "target's precision says how they run; capture it in float32"
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
    if example_inputs is None:
        return open_any(model, feed)
    require(
        not feed.shapes and not feed.named_shapes,
        "example inputs were given, and input shapes too: leave one of both away",
    )
    opened = open_any(model, Feed(space=feed.space))
    if not isinstance(opened, ModuleModel):
        raise PerfseerError(
            f"{opened.name} came with example inputs, which only modules take; leave them away"
        )
    return with_example(opened.name, opened.module, example_inputs, feed)


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
