"""The JSON that ``perfseer predict --format json`` writes: versioned, described by a schema, free of NaN."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from perfseer.forecast.parts import Part, Provenance
from perfseer.forecast.prediction import Answer, Failure, Prediction

# Raised when a key changes its meaning or goes; new keys leave it as it is.
SCHEMA_VERSION: Literal[1] = 1


@dataclass(frozen=True)
class Document(Part):
    """All answers of one call.

    Attributes:
        results: one per model, batch size, phase and target that was asked about, in that order.
        provenance: what answered.
        complete: whether every question was answered or refused; false after Ctrl-C.
        schema_version: of this document.
    """

    results: tuple[Annotated[Prediction | Failure, Field(discriminator="status")], ...]
    provenance: Provenance
    complete: bool = True
    schema_version: Literal[1] = SCHEMA_VERSION


_ADAPTER = TypeAdapter(Document)


def to_json(answers: Sequence[Answer], provenance: Provenance, *, complete: bool = True) -> str:
    """The document as indented JSON with a final newline.

    Args:
        answers: in the order in which they were asked for.
        provenance: what answered.
        complete: whether nothing is left to ask.
    """
    document = Document(tuple(answers), provenance, complete)
    return _ADAPTER.dump_json(document, indent=1, by_alias=True).decode() + "\n"


def from_json(text: str) -> Document:
    """Read what `to_json` wrote.

    Raises:
        pydantic.ValidationError: it is not such a document, or of another version.
    """
    return _ADAPTER.validate_json(text)


def json_schema() -> dict[str, Any]:
    """JSON Schema of the document, as ``schemas/prediction.schema.json`` keeps it."""
    schema = _ADAPTER.json_schema(mode="serialization", by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
