"""Reading params.yaml: the raw mapping every verb starts from."""

import json
from pathlib import Path
from typing import Any

import yaml

from perfseer.errors import PerfseerError


def load_mapping(source: str) -> dict[str, Any]:
    """Read parameters from a YAML file, or from inline JSON when ``source`` starts with ``{``.

    Args:
        source: path to a file such as ``params.yaml``, or a JSON object (how Snakemake's rules pass the
            sections a job depends on).

    Returns:
        The mapping of sections, not yet validated.

    Raises:
        PerfseerError: the file is missing or is not a mapping.
    """
    text = source if source.lstrip().startswith("{") else _read(Path(source))
    try:
        mapping = json.loads(text) if text is source else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise PerfseerError(f"cannot read parameters from {source[:80]!r}: {error}") from error
    if not isinstance(mapping, dict):
        raise PerfseerError(f"parameters in {source[:80]!r} are {type(mapping).__name__}, expected a mapping")
    return mapping


def _read(path: Path) -> str:
    if not path.is_file():
        raise PerfseerError(
            f"no parameters at {path}: run from the repository root or name the file with --params"
        )
    return path.read_text(encoding="utf-8")
