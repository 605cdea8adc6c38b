"""FLOPs of captured library models against a count by hand, forward and backward.

nice -n 10 python -m benchmarks.hand_counted 200 20

The numbers are models to count and the worst to show: half of them classifiers of torchvision, the others of
timm, whose modules give theirs in turn. Takes about a second a model. Prints the spread of captured / by hand
and the models where it is not 1.
"""

import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain, zip_longest

import pandas as pd
import torch
from tests.helpers.hand_count import count_by_hand

from perfseer.graphs.capture import capture
from perfseer.zoo.libraries import import_library
from perfseer.zoo.references import build

BATCH_SIZE = 2
# Sizes in the name, beyond which a model says nothing more about its family.
_LARGE = ("huge", "giant", "gigantic", "enormous", "large", "xlarge", "7b", "so400m", "base_patch14_clip")


def names(count: int) -> list[str]:
    """Models, half of them of timm at least: one of each of its modules, then a second of each, and so on."""
    vision = [
        f"torchvision:{name}"
        for name in import_library("torchvision.models").list_models(
            module=import_library("torchvision.models")
        )
    ]
    by_module: dict[str, list[str]] = defaultdict(list)
    timm = import_library("timm")
    for module in timm.list_modules():
        for name in timm.list_models(module=module):
            if not any(word in name for word in _LARGE):
                by_module[module].append(f"timm:{name}")
    in_turn = [name for name in chain(*zip_longest(*by_module.values())) if name is not None]
    vision = vision[: count // 2]
    return [*vision, *in_turn[: count - len(vision)]]


def compared(name: str) -> dict[str, object]:
    """Ratios of one model, or why there are none."""
    library, _, target = name.partition(":")
    try:
        model = build(name).to("meta")
        size = model.pretrained_cfg["input_size"] if library == "timm" else _vision_size(target)
        images = torch.empty(BATCH_SIZE, *size, device="meta")
        graph = capture(model, (images,))
        forward, backward = count_by_hand(model, (images,))
    except Exception as error:  # the next model may do
        return {"model": name, "fault": f"{type(error).__name__}: {error}"[:100]}
    return {
        "model": name,
        "forward": graph.total_flops / forward,
        "backward": int(graph.backward_flops.sum()) / backward,
        "flops": forward,
        "unknown": sum(graph.unknown.values()),
    }


def _vision_size(target: str) -> tuple[int, int, int]:
    side = 299 if target.startswith("inception") else 224
    return (3, side, side)


def results(count: int) -> Iterator[dict[str, object]]:
    """One row per model, as they are done."""
    for number, name in enumerate(names(count), 1):
        row = compared(name)
        print(f"\r{number}/{count} {name:60}", end="", file=sys.stderr)
        yield row


def main() -> None:
    count, shown = (int(text) for text in (*sys.argv[1:], *("200", "20")[len(sys.argv) - 1 :]))
    warnings.simplefilter("ignore")
    table = pd.DataFrame(results(count))
    counted = table.dropna(subset=["forward"]) if "fault" in table else table
    away = counted[["forward", "backward"]].sub(1).abs().max(axis=1)
    print(f"\n{len(counted)} of {len(table)} models counted; {int((away == 0).sum())} equal in both passes")
    print(counted[["forward", "backward"]].describe().loc[["min", "50%", "max"]].to_string())
    worst = counted.assign(away=away).nlargest(shown, "away")
    print(worst[worst["away"] > 0].drop(columns=["away", "fault"], errors="ignore").to_string(index=False))
    if "fault" in table:
        print(table[table["fault"].notna()][["model", "fault"]].to_string(index=False))


if __name__ == "__main__":
    main()
