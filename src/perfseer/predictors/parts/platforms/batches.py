"""Examples of any platform as mini-batches of the network of node times."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perfseer.data.platforms import Platform
from perfseer.nn.node_times import UNKNOWN, Examples, Work
from perfseer.predictors.parts.platforms.examples import PlatformExamples, Scales

# Bytes of inputs, weights and outputs, the two times of the roofline, elements for each multiprocessor, and
# bytes in terms of the last cache.
N_SIZES = 7


class Shown:
    """Examples as `perfseer.nn.node_times` sees them, to train on or to predict.

    Args:
        examples: the rows.
        scales: of the training rows.
        known: platforms that have a code.
        hide: replaces some of the codes in training.
    """

    def __init__(
        self,
        examples: PlatformExamples,
        scales: Scales,
        known: Sequence[Platform],
        hide: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self._examples = examples
        self._described = torch.from_numpy(scales.kinds(examples.work.described)).float()
        self._told = torch.from_numpy(scales.platforms(examples.rates.told)).float()
        codes = {platform.key: code for code, platform in enumerate(known, start=1)}
        self._codes = torch.tensor([codes.get(platform.key, UNKNOWN) for platform in examples.platforms])
        self._hide = hide
        self._ln_ms = torch.from_numpy(examples.ln_ms).float().unsqueeze(1)

    def __len__(self) -> int:
        """Number of examples."""
        return len(self._examples)

    def batch(self, rows: Any) -> tuple[Examples, Tensor]:
        """Examples and logarithms of their times [B, 1]."""
        examples, chosen = self._examples, np.asarray(rows)
        pairs = examples.pairs(chosen)
        platform = examples.platform[chosen]
        computing, moving = examples.ln_times(pairs, chosen)
        kind, compiled = pairs.kind, examples.rates.compiled[platform][pairs.example]
        moved = examples.work.ln_moved[compiled, kind]
        # Work of nothing takes e^-14 ms, a nanosecond: no infinity reaches the network.
        times = np.column_stack([np.maximum(part, -14.0) for part in (computing, moving)])
        rates, asked = examples.rates, platform[pairs.example]
        shared = examples.work.ln_elements[kind] - rates.ln_units[asked]
        cached = np.log1p(np.expm1(moved).sum(axis=1)) - rates.ln_cache[asked]
        parts = [(moved - 8.0) / 5.0, (times + 4.0) / 5.0, (shared - 8.0) / 4.0, (cached + 2.0) / 4.0]
        sizes = torch.from_numpy(np.column_stack(parts)).float()
        codes = self._codes[torch.from_numpy(platform)]
        work = Work(
            features=torch.cat([self._described[torch.from_numpy(kind)], sizes], dim=1),
            codes=torch.from_numpy(examples.work.codes[kind]),
            roofline_ms=torch.from_numpy(np.exp(np.maximum(computing, moving))).float(),
            launches=torch.from_numpy(examples.work.launches[compiled, kind]).float(),
            counts=torch.from_numpy(pairs.count).float(),
            backward=torch.from_numpy(pairs.backward),
            example=torch.from_numpy(pairs.example),
        )
        shown = Examples(
            work=work,
            platform=codes if self._hide is None else self._hide(codes),
            platform_features=self._told[torch.from_numpy(platform)],
            extra_ms=torch.from_numpy(examples.extra_ms(chosen)).float(),
        )
        return shown, self._ln_ms[torch.from_numpy(chosen)]
