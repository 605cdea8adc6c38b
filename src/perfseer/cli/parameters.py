"""Where a verb's parameters come from: a YAML file, or inline JSON from a Snakemake rule.

Apart from `schema` because ``perfseer collect`` must run where pydantic does not exist.
"""

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
    inline = source.lstrip().startswith("{")
    try:
        mapping = json.loads(source) if inline else yaml.safe_load(_read(Path(source)))
    except (json.JSONDecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
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
