"""Where things are in the checkout under test."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/perfseer"
# params.yaml as it is in this checkout: the quick preset.
PARAMS: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
