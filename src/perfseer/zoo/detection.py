"""Detectors of torchvision on tensors without values: what has fixed shapes runs, the rest is left out.

A detector's backbone, neck and dense heads have the shapes of its input; how many boxes go on from there
depends on the data. `Detector` runs the second stage on as many as its configuration lets through
(``post_nms_top_n`` proposals and ``detections_per_img`` boxes an image) and leaves out what only chooses
among them: thresholds, non-maximum suppression, pasting of masks, peaks of keypoints.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from perfseer.errors import require
from perfseer.graphs.foreign import foreign

_PACKAGE = "torchvision.models.detection"
_CLASSES = {
    "generalized_rcnn": "GeneralizedRCNN",
    **{"retinanet": "RetinaNet", "fcos": "FCOS", "ssd": "SSD"},
}
_LEFT_OUT = (
    "of a detector what has fixed shapes is counted{}; the choice among boxes (thresholds, non-maximum "
    "suppression, pasting of masks) is left out"
)
_Shapes = Sequence[tuple[int, int]]


class Detector(nn.Module):
    """A model that holds a detector of torchvision; tensors with values go through it unchanged.

    Args:
        model: in which all such detectors are found.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.train(model.training)

    @property
    def capture_notes(self) -> tuple[str, ...]:
        """What a capture assumes and leaves out, in whole sentences."""
        counts = [_second_stage(part) for part in self.model.modules() if hasattr(part, "roi_heads")]
        return (_LEFT_OUT.format(f", its second stage on {counts[0]}" if counts else ""),)

    def __getattr__(self, name: str) -> Any:
        """What the model itself has, such as an example of its inputs."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("model"), name)

    def forward(self, *inputs: Any, **keywords: Any) -> Any:
        """The model's results; on the meta device those with fixed shapes."""
        if not _on_meta(inputs):
            return self.model(*inputs, **keywords)
        require(
            not self.training,
            "training a detector depends on the boxes in its images, which no shape tells: only inference "
            "(--phase infer) can be answered",
        )
        with _fixed_shapes(self.model):
            return self.model(*inputs, **keywords)


def fixed_if_detector(model: nn.Module) -> nn.Module:
    """The model itself, or as a `Detector` if torchvision's are in it."""
    if isinstance(model, Detector):
        return model
    loaded = [(sys.modules.get(f"{_PACKAGE}.{name}"), kind) for name, kind in _CLASSES.items()]
    kinds = tuple(getattr(module, kind) for module, kind in loaded if module is not None)
    return Detector(model) if any(isinstance(part, kinds) for part in model.modules()) else model


def _on_meta(values: Any) -> bool:
    if isinstance(values, Mapping):
        return _on_meta(tuple(values.values()))
    if isinstance(values, list | tuple):
        return any(map(_on_meta, values))
    return isinstance(values, Tensor) and values.is_meta


def _second_stage(rcnn: Any) -> str:
    kept, found = rcnn.rpn._post_nms_top_n["testing"], rcnn.roi_heads.detections_per_img
    further = rcnn.roi_heads.has_mask() or rcnn.roi_heads.has_keypoint()
    return f"{kept} proposals an image" + (f" and {found} boxes found" if further else "")


@contextmanager
def _fixed_shapes(model: nn.Module) -> Iterator[None]:
    """While active, detectors choose as many boxes as they may, whatever the data."""
    heads = sys.modules.get(f"{_PACKAGE}.roi_heads")
    with ExitStack() as stack:
        if heads is not None:
            stack.enter_context(_replaced(heads, "keypointrcnn_inference", _keypoints))
        for part in model.modules():
            for kind in type(part).__mro__:
                for name, function in _REPLACED.get(kind.__name__, {}).items():
                    stack.enter_context(_replaced(part, name, partial(function, part)))
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is None:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def _filter_proposals(
    rpn: Any, proposals: Tensor, objectness: Tensor, shapes: _Shapes, per_level: list[int]
) -> tuple[list[Tensor], list[Tensor]]:
    """The proposals with most objectness of every level, cut to as many as suppression leaves at most."""
    n_images = proposals.shape[0]
    objectness = objectness.detach().reshape(n_images, -1)
    best = rpn._get_top_n_idx(objectness, per_level)
    rows = torch.arange(n_images, device=proposals.device)[:, None]
    scores, boxes = objectness[rows, best].sigmoid(), proposals[rows, best]
    most = rpn.post_nms_top_n()
    return [_clipped(b, s)[:most] for b, s in zip(boxes, shapes, strict=True)], [s[:most] for s in scores]


def _box_detections(
    heads: Any, logits: Tensor, regression: Tensor, proposals: list[Tensor], shapes: _Shapes
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """As many boxes an image as are kept at most, each of a class of its own."""
    counts = [len(boxes) for boxes in proposals]
    boxes = heads.box_coder.decode(regression, proposals).split(counts)
    scores = logits.softmax(-1).split(counts)
    found = [
        _best(_clipped(b, shape)[:, 1:].reshape(-1, 4), s[:, 1:].reshape(-1), heads.detections_per_img)
        for b, s, shape in zip(boxes, scores, shapes, strict=True)
    ]
    return (
        [each["boxes"] for each in found],
        [each["scores"] for each in found],
        [each["labels"] for each in found],
    )


def _dense_detections(
    model: Any, outputs: Mapping[str, Sequence[Tensor]], anchors: Sequence[Sequence[Tensor]], shapes: _Shapes
) -> list[dict[str, Tensor]]:
    """Of every level the candidates with the highest scores, decoded, and of all as many as are kept."""
    found = []
    for image, shape in enumerate(shapes):
        boxes, scores = [], []
        for level, logits in enumerate(outputs["cls_logits"]):
            score = logits[image].sigmoid()
            if "bbox_ctrness" in outputs:
                score = (score * outputs["bbox_ctrness"][level][image].sigmoid()).sqrt()
            best, index = score.flatten().topk(min(model.topk_candidates, score.numel()))
            index = index.div(score.shape[-1], rounding_mode="floor")
            regression, anchor = outputs["bbox_regression"][level][image], anchors[image][level]
            decode = getattr(model.box_coder, "decode_single", None) or model.box_coder.decode
            boxes.append(_clipped(decode(regression[index], anchor[index]), shape))
            scores.append(best)
        found.append(_best(torch.cat(boxes), torch.cat(scores), model.detections_per_img))
    return found


def _ssd_detections(
    model: Any, outputs: Mapping[str, Tensor], anchors: Sequence[Tensor], shapes: _Shapes
) -> list[dict[str, Tensor]]:
    """Of every class the boxes with the highest scores, and of all as many as are kept."""
    scores = outputs["cls_logits"].softmax(-1)
    found = []
    for regression, score, anchor, shape in zip(
        outputs["bbox_regression"], scores, anchors, shapes, strict=True
    ):
        boxes = _clipped(model.box_coder.decode_single(regression, anchor), shape)
        best, index = score[:, 1:].t().topk(min(model.topk_candidates, len(boxes)))
        found.append(_best(boxes[index.flatten()], best.flatten(), model.detections_per_img))
    return found


def _best(boxes: Tensor, scores: Tensor, most: int) -> dict[str, Tensor]:
    labels = torch.ones(scores.shape, dtype=torch.int64, device=scores.device)
    return {"boxes": boxes[:most], "scores": scores[:most], "labels": labels[:most]}


def _clipped(boxes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Boxes [..., 4] inside the image."""
    x, y = boxes[..., 0::2].clamp(0, shape[1]), boxes[..., 1::2].clamp(0, shape[0])
    return torch.stack((x, y), dim=boxes.dim()).reshape(boxes.shape)


def _pooled(pooler: Any, features: Mapping[str, Tensor], boxes: list[Tensor], _: Any) -> Tensor:
    """A patch of features for every box; torchvision's operator takes it from the level that fits the box."""
    maps = [value for name, value in features.items() if name in pooler.featmap_names]
    joined = torch.cat(boxes)
    size = (joined.shape[0], maps[0].shape[1], *pooler.output_size)
    return foreign("torchvision.roi_align", [*maps, joined], [(size, maps[0].dtype)])[0]


def _keypoints(logits: Tensor, boxes: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Heat maps instead of the peaks in them."""
    parts = list(logits.split([len(each) for each in boxes]))
    return parts, parts


def _results(_: Any, results: list[dict[str, Tensor]], *__: Any) -> list[dict[str, Tensor]]:
    """Results as they are, in the size the network sees."""
    return results


# What of which class is replaced by what.
_REPLACED: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "RegionProposalNetwork": {"filter_proposals": _filter_proposals},
    "RoIHeads": {"postprocess_detections": _box_detections},
    "RetinaNet": {"postprocess_detections": _dense_detections},
    "FCOS": {"postprocess_detections": _dense_detections},
    "SSD": {"postprocess_detections": _ssd_detections},
    "MultiScaleRoIAlign": {"forward": _pooled},
    "GeneralizedRCNNTransform": {"postprocess": _results},
}
