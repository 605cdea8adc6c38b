"""Where a verb's parameters come from: a YAML file, or inline JSON from a Snakemake rule.

Apart from `schema` because ``perfseer collect`` must run where pydantic does not exist.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perfseer.errors import PerfseerError, require
from perfseer.plain_data import MAX_YAML_BYTES, PlainDataError, parse_json, parse_yaml, require_plain

_LISTS = ("predictors", "ensembles")
_OF_STUDIES = ("predictors", "entrants", "means", "variants")


def load_mapping(source: str) -> dict[str, Any]:
    """Read parameters from a YAML file, or from inline JSON when ``source`` starts with ``{``.

    Args:
        source: path to a file such as ``params.yaml``, or a JSON object (how Snakemake's rules pass the
            sections a job depends on).

    Returns:
        The mapping of sections, not yet validated; without what takes no part (`taking_part`).

    Raises:
        PerfseerError: the file is missing, is not a mapping of plain data, or holds a number that is not
            finite.
    """
    inline = source.lstrip().startswith("{")
    try:
        mapping = parse_json(source) if inline else parse_yaml(_read(Path(source)))
    except (PlainDataError, UnicodeDecodeError) as error:
        raise PerfseerError(f"cannot read parameters from {source[:80]!r}: {error}") from error
    if not isinstance(mapping, dict):
        raise PerfseerError(f"parameters in {source[:80]!r} are {type(mapping).__name__}, expected a mapping")
    require_plain(mapping)
    return taking_part(mapping)


def taking_part(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters without what is null in a list of things to fit: it is left out everywhere.

    Such lists are ``predictors`` and ``ensembles``, and those of a study (`_OF_STUDIES`). A study that is
    null stays, since it is that which leaves it out.
    """
    found = dict(mapping)
    for name, section in mapping.items():
        if name in _LISTS and (section is None or isinstance(section, Mapping)):
            found[name] = _there(section or {})
        elif isinstance(section, Mapping):
            lists = {key: section[key] for key in _OF_STUDIES if isinstance(section.get(key), Mapping)}
            found[name] = {**section, **{key: _there(listed) for key, listed in lists.items()}}
    return found


def _there(sections: Mapping[str, Any]) -> dict[str, Any]:
    return {name: section for name, section in sections.items() if section is not None}


def section(mapping: Mapping[str, Any], name: str) -> Any:
    """One section of the parameters, not yet validated.

    Raises:
        PerfseerError: there is none of that name.
    """
    require(name in mapping, f"the parameters have no section {name!r}; see params.yaml for a complete set")
    return mapping[name]


def overridden(section: Any, overrides: Mapping[str, Any]) -> Any:
    """The section with the options that were given; what is no mapping is left for the settings to refuse."""
    given = {name: value for name, value in overrides.items() if value is not None}
    return {**section, **given} if isinstance(section, Mapping) else section


def _read(path: Path) -> str:
    try:
        require(
            path.is_file(),
            f"no parameters at {path}: run from the repository root or name the file with --params",
        )
        with path.open("rb") as stream:
            return stream.read(MAX_YAML_BYTES + 1).decode("utf-8")
    except OSError as error:
        raise PerfseerError(f"cannot read parameters from {path.name[:80]!r}: {error.strerror}") from error
