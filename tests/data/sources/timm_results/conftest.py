"""Captures of the made-up networks."""

import pandas as pd
import pytest
import torch

from perfseer.data.captures import INDEX_COLUMNS, Captures
from perfseer.data.packed import PackedGraphs
from perfseer.graphs.capture import capture
from tests.helpers.timm_files import WIDTHS, Net


@pytest.fixture(scope="module")
def captures(tmp_path_factory):
    """Networks at 224 pixels in two precisions, at batch 1, 2 and 256."""
    rows, graphs = [], []
    for name, width in WIDTHS.items():
        for precision, dtype in (("fp32", None), ("amp-fp16", torch.float16)):
            for size in (1, 2, 256):
                rows.append(
                    (f"timm:{name}", "3x224x224", size, precision, len(graphs), "", "branchy" in name)
                )
                inputs = torch.empty(size, 3, 224, 224, device="meta")
                graphs.append(capture(Net(width), (inputs,), autocast=dtype))
    rows.append(("timm:gone", "3x224x224", 2, "fp32", -1, "building the model: Unknown model", False))
    index = pd.DataFrame(rows, columns=list(INDEX_COLUMNS))
    return Captures(tmp_path_factory.mktemp("captures"), PackedGraphs.pack(graphs), index)
