"""Result files of timm's benchmark for tests, and networks with a known number of parameters."""

from pathlib import Path

import torch
from torch import nn

from perfseer.data.sources.timm_results.names import MERGED

STEM = "infer-amp-nchw-pt240-cu124-rtx3090"
HEADER = "model,infer_step_time,infer_samples_per_sec,infer_batch_size,infer_img_size,param_count,infer_gmacs"
WIDTHS = {"plain": 20_000, "branchy": 40_000, f"branchy{MERGED}": 30_000, "branchy2": 42_000}
WIDTHS |= {f"branchy2{MERGED}": 41_999}  # tells nothing: the same count after rounding


class Net(nn.Module):
    """A linear network with a known number of parameters."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(3, width, bias=False)
        self.head = nn.Linear(width, 10, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, 10] of n images."""
        return self.head(torch.relu(self.hidden(x.mean(dim=(2, 3)))))


def millions(width: int) -> float:
    """Parameters of a `Net`, 10^6."""
    return 13 * width / 1e6


def write(folder: Path, *rows: str, header: str = HEADER, stem: str = STEM) -> Path:
    """A result file of these rows."""
    path = folder / f"benchmark-{stem}.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def row(model: str, batch_size: int = 64, published: float | None = None) -> str:
    """A row of 10 ms; ``published`` parameters [10^6], those of the network if None."""
    count = millions(WIDTHS[model]) if published is None else published
    return f"{model.partition('@')[0]},10,{100 * batch_size},{batch_size},224,{count:.2f},1"
