"""Models of timm and torchvision, without weights, at any image size.

``<name>@reparam`` is a timm model with its training branches merged, as `timm.models.reparameterize_model`
does before inference (RepVGG, MobileOne, FastViT, ...): another network than the one that is trained.

torchvision's wheels are built for one torch each; with another one, such as a CPU-only torch, their operators
do not load and ``import torchvision`` fails for want of two operators' schemas. Classifiers need neither, so
the schemas are declared here and the import is tried again. Where the wheel fits, nothing is declared.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from inspect import signature
from types import ModuleType
from typing import Any

import torch
from torch import nn

from perfseer.errors import PerfseerError, require
from perfseer.zoo.detection import fixed_if_detector

REPARAMETERISED = "reparam"
_COLOURS = 3
# Of the clips that torchvision trained its video models on.
_FRAMES = 16
# The image that torchvision's optical flow is made for.
_FLOW = (_COLOURS, 520, 960)
_MARK = "torchvision::"
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
# What timm asks a module for when it merges branches.
_MERGERS = ("fuse", "reparameterize", "switch_to_deploy")
# A declaration lasts as long as its library object.
_declared: list[torch.library.Library] = []


def import_library(name: str) -> ModuleType:
    """Import timm, torchvision or a module of theirs, also where torchvision's operators do not load.

    Raises:
        Exception: whatever the module raises; `ImportError` where it is not installed.
    """
    if "torchvision" not in sys.modules and importlib.util.find_spec("torchvision") is not None:
        _import_torchvision()
    return importlib.import_module(name)


def import_module(name: str) -> ModuleType:
    """Import somebody's module, which may import torchvision where its operators do not load.

    Raises:
        Exception: whatever the module raises.
    """
    try:
        return importlib.import_module(name)
    except RuntimeError as error:
        if _MARK not in str(error) or _declared:
            raise
    import_library("torchvision")
    return importlib.import_module(name)


def _import_torchvision() -> None:
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if _MARK not in str(error) or _declared:
            raise
        for module in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[module]  # half of it was imported
        _declared.append(torch.library.Library("torchvision", "FRAGMENT"))
        for schema in _SCHEMAS:
            _declared[0].define(schema)
        importlib.import_module("torchvision")
        # what is declared is called, and a capture says that its result depends on the data
        importlib.import_module("torchvision.ops.boxes")._assert_has_ops = lambda: None  # type: ignore[attr-defined]


def timm_model(target: str, input_shape: Sequence[int] | None = None) -> nn.Module:
    """A model of timm on the current default device.

    Args:
        target: name as in timm's registry, with or without a tag of weights (which may set the number of
            classes), present or deprecated; then ``@reparam`` or nothing.
        input_shape: channels, height and width of one image; None for the model's own. Models whose weights
            depend on them (vision transformers) are made for them.

    Raises:
        PerfseerError: what follows the ``@`` is unknown, or the model has no branches to merge.
        Exception: whatever timm raises, for example for a name it does not know.
    """
    timm = import_library("timm")
    name, at, variant = target.partition("@")
    require(
        not at or variant == REPARAMETERISED,
        f"{target!r} asks for a variant {variant!r}; expected {name}@{REPARAMETERISED}, or {name}",
    )
    name = current_name(name)
    arguments = _input_arguments(timm.get_pretrained_cfg(name), input_shape)
    model = _create(lambda **given: timm.create_model(name, pretrained=False, **given), arguments, "img_size")
    return _merged(model, name) if at else model


def torchvision_model(name: str, input_shape: Sequence[int] | None = None) -> nn.Module:
    """A model of torchvision on the current default device.

    Args:
        name: as `torchvision.models.list_models` lists it.
        input_shape: channels, height and width of one image; None for the model's own.

    Raises:
        Exception: whatever torchvision raises, for example for a name it does not know.
    """
    models = import_library("torchvision.models")
    size = input_shape[-1] if input_shape is not None and len(input_shape) == 3 else None
    arguments: dict[str, Any] = {"image_size": size} if size and name.startswith("vit_") else {}
    builder = models.get_model_builder(name)
    # detectors and segmenters fetch the weights of their backbone unless they are told not to
    for argument in ("weights", "weights_backbone"):
        if argument in signature(builder).parameters:
            arguments[argument] = None
    model = fixed_if_detector(_create(builder, arguments, "image_size"))
    if builder.__module__.endswith(".raft"):  # which compares two images
        model.example_input_array = tuple(torch.empty(1, *_FLOW, device="meta") for _ in range(2))
    return model


def torchvision_shape(name: str) -> tuple[int, ...] | None:
    """The sample torchvision made a model for, as its weights say: (C, H, W), or (C, T, H, W) for videos.

    None where they name no size, as detectors, which scale their images themselves.

    Raises:
        Exception: whatever torchvision raises, for example for a name it does not know.
    """
    weights = next(iter(import_library("torchvision.models").get_model_weights(name)), None)
    given = getattr(getattr(weights, "transforms", None), "keywords", {})
    size = given.get("crop_size", given.get("resize_size"))
    if isinstance(size, int):
        return (_COLOURS, size, size)
    return None if size is None else (_COLOURS, _FRAMES, *size)


def current_name(name: str) -> str:
    """The present name of a model in timm, which renames them and keeps a map; one it does not know stays.

    The map sometimes names weights that are gone; the architecture alone is what counts then.

    Raises:
        Exception: timm cannot be imported.
    """
    timm = import_library("timm")
    current = import_library("timm.models").get_deprecated_models().get(name)
    if not current:
        return name
    try:
        timm.get_pretrained_cfg(current)
    except RuntimeError:
        return str(current).partition(".")[0]
    return str(current)


def reparameterisable(module: nn.Module) -> bool:
    """Whether timm would merge branches of a model before inference."""
    return any(hasattr(child, name) for child in module.modules() for name in _MERGERS)


def _input_arguments(config: Any, input_shape: Sequence[int] | None) -> dict[str, Any]:
    """What to tell timm about the input where it differs from the model's own."""
    if input_shape is None or len(input_shape) != 3 or config is None:
        return {}
    channels, height, width = input_shape
    arguments: dict[str, Any] = {} if channels == config.input_size[0] else {"in_chans": channels}
    if (height, width) != tuple(config.input_size[1:]):
        arguments["img_size"] = height if height == width else (height, width)
    return arguments


def _create(make: Callable[..., Any], arguments: dict[str, Any], size: str) -> nn.Module:
    """Make a model for an image size; networks that take any size take no such argument."""
    try:
        model: nn.Module = make(**arguments)
    except TypeError:
        if size not in arguments:
            raise
        model = make(**{name: value for name, value in arguments.items() if name != size})
    return model


def _merged(model: nn.Module, name: str) -> nn.Module:
    if not reparameterisable(model):
        raise PerfseerError(f"timm:{name} has no branches to merge; leave out @{REPARAMETERISED}")
    merged: nn.Module = import_library("timm.models").reparameterize_model(model, inplace=True)
    return merged.requires_grad_(True)  # some merged layers come detached
