"""Content digests: of parameters, files and source code."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any, length: int = 12) -> str:
    """First ``length`` hexadecimal digits of the SHA-256 of ``value`` as canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]


def file_digest(path: Path, length: int = 12) -> str:
    """First ``length`` hexadecimal digits of the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:length]


def code_digest(rooms: Iterable[str], length: int = 12) -> str:
    """Digest of the source of the named rooms (folders or modules of the package).

    Snakemake does not see edits inside an imported package; this digest as a rule parameter does.

    Args:
        rooms: names below ``perfseer``: folders with all that is in them (``graphs``), files
            (``targets.py``) or patterns (``data/*.py``).
        length: hexadecimal digits to keep.
    """
    root = Path(__file__).parent
    suffixes = {".py", ".j2", ".css"}
    patterns = [f"{room}/**/*" if (root / room).is_dir() else room for room in rooms]
    files = sorted({file for pattern in patterns for file in root.glob(pattern) if file.suffix in suffixes})
    return digest([[file.relative_to(root).as_posix(), file_digest(file, 64)] for file in files], length)
