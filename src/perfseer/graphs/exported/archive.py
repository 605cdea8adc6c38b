"""Files in the archive of an exported program: JSON within bounds, and where its tensors lie."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from perfseer.errors import require

LARGEST_JSON_BYTES = 64 * 1024 * 1024
# Parsed, each takes some fifty bytes, whatever it holds; programs as PyTorch writes them have far fewer.
_MOST_JSON_VALUES = 3_000_000
# Where newer archives say which file holds which tensor.
_WEIGHTS, _CONSTANTS = "data/weights/", "data/constants/"
_CONFIGS = {_WEIGHTS: "model_weights_config.json", _CONSTANTS: "model_constants_config.json"}
_COUNTING = (torch.int64, torch.int32, torch.bool)
_MOST_NUMBERS = 1000
# Numbers of torch._export.serde.schema.ScalarType (schema version 8).
DTYPES: Mapping[int, str] = {
    **{1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64"},
    **{9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16"},
    **{29: "float8_e4m3fn", 30: "float8_e5m2", 31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz"},
    **{33: "float8_e8m0fnu", 34: "uint32", 35: "uint64"},
}


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of the module as the archive holds it.

    Attributes:
        place: which part of which file; tensors that are one lie in one place.
        number: what a constant of one element holds, None of other tensors.
    """

    place: str
    number: int | float | bool | None = None


def read_json(archive: zipfile.ZipFile, name: str) -> Any:
    """A JSON file of the archive, read no further than its bounds.

    Raises:
        PerfseerError: it is too large.
        Exception: whatever broken archives and broken JSON lead to.
    """
    with archive.open(name) as file:
        content = file.read(LARGEST_JSON_BYTES + 1)
    limit = LARGEST_JSON_BYTES // 2**20
    require(len(content) <= LARGEST_JSON_BYTES, f"the program is larger than {limit} MiB")
    n_values = sum(map(content.count, (b"[", b"{", b",")))
    require(n_values <= _MOST_JSON_VALUES, f"the program has more than {_MOST_JSON_VALUES:,} values")
    return json.loads(content)


def stored_tensors(archive: zipfile.ZipFile) -> dict[str, StoredTensor]:
    """The tensors of the module by their names there; none in older archives, which do not say.

    Raises:
        PerfseerError, Exception: as `read_json`.
    """
    names = frozenset(archive.namelist())
    stored: dict[str, StoredTensor] = {}
    for folder, config in _CONFIGS.items():
        name = next((name for name in sorted(names) if name.endswith(folder + config)), None)
        if name is None:
            continue
        for key, entry in read_json(archive, name)["config"].items():
            meta = entry["tensor_meta"]
            view = [meta[part] for part in ("dtype", "sizes", "strides", "storage_offset")]
            path = f"{name.removesuffix(config)}{entry['path_name']}"
            readable = folder == _CONSTANTS and not entry["use_pickle"] and path in names
            number = _number(archive, path, meta) if readable and len(stored) < _MOST_NUMBERS else None
            stored[str(key)] = StoredTensor(json.dumps([path, view]), number)
    return stored


def _number(archive: zipfile.ZipFile, path: str, meta: Mapping[str, Any]) -> int | float | bool | None:
    """What a tensor of one element holds, if it is of a type that counters have."""
    dtype = getattr(torch, DTYPES.get(meta["dtype"], ""), None)
    single = meta["sizes"] in ([], [{"as_int": 1}]) and meta["storage_offset"] == {"as_int": 0}
    if dtype not in _COUNTING or not single:
        return None
    with archive.open(path) as file:
        content = file.read(dtype.itemsize)
    whole = len(content) == dtype.itemsize
    return torch.frombuffer(bytearray(content), dtype=dtype).item() if whole else None
