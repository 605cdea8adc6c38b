"""Which record of the GPU database a benchmark's or a paper's name means, and which architecture a name tells."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from perfseer.hardware.architectures import architecture_by_name
from perfseer.hardware.modifiers import lowered

EXACT = "exact name"
RULE = "rule"
MEMORY = "memory in the name"
SAME = "duplicates with the same figures"
NONE = "no record"
AMBIGUOUS = "ambiguous"

_MAKERS = {"nvidia": {"NVIDIA"}, "amd": {"AMD", "ATI"}, "ati": {"AMD", "ATI"}, "intel": {"Intel"}}
_VENDOR_WORDS = re.compile(r"\b(?:nvidia|amd|ati|intel|corporation|inc)\b\.?")
_LEFT = re.compile(r"[^a-z0-9+]")
_TRAILING = re.compile(r"\s*(?:\[[^\]]*\]|\((?:[^)]*\bgt\d\w*|[^)]*\d+x\d+[^)]*|[a-z]{3} \d)\))\s*$")
_SIZE = re.compile(r"[ -]*\(?(\d+(?:\.\d+)?) ?(gb|mb)\)?")
_DUAL = re.compile(r"\+|\bdual\b(?! graphics)|\bn hd\b")
_PROFILE = re.compile(r"-\d{1,3}[qabc]\b|^grid .*-\d{1,2}$|\bmxgpu\b|\bmig\b")
_SOFTWARE = re.compile(
    r"\bradv\b|\bllvm|llvmpipe|swiftshader|virtual device|paravirtual|\bmirr|indirect display|basicdisplay"
    r"|display (?:port )?driver|\bqxl\b|^mxgpu$|prototype|unknown"
)
_PHONE = re.compile(r"\b(?:adreno|mali|powervr|xclipse|videocore|v3d|verisilicon|tegra)\b|^a\d+[xz]? gpu$|^a\d+z$")
# What a record's name may have more than the name that means it: what it is built into, never what it computes with.
_SUFFIXES = ("igp", "mobile", "oem", "pcie", "graphics", "graphicsmobile", "mobilegraphics", "rebrand")
_MORE = re.compile(
    r"(?:igp|mobile|oem|pcie|agp|pci|graphics|rebrand|embedded|maxq|refresh|rev\d|gddr\d\w?|ddr\d?|\d+eu|\d+sp"
    r"|g\d|\d+gb|\d+mb|\d+bit|x2|sff|dgxs|sxm\d|macedition|gp\d+|gk\d+|gf\d+|gm\d+|tu\d+|ga\d+|ad\d+)*"
)


@dataclass(frozen=True)
class GpuRecord:
    """What of a record of the GPU database its names are told apart by.

    Attributes:
        tpu_id: its key.
        manufacturer: as the database writes it.
        name: as the database writes it; several records may share one.
        memory_gb: size of its memory, GB; None: unknown.
        architecture: as the database writes it; empty: unknown.
        figures: its other figures that anything is computed from, in any order that is the same for all records;
            records of one name that agree in these and in memory are the same card to us.
    """

    tpu_id: str
    manufacturer: str
    name: str
    memory_gb: float | None = None
    architecture: str = ""
    figures: tuple[object, ...] = ()


@dataclass(frozen=True)
class Match:
    """What a name was found to mean.

    Attributes:
        tpu_id: key of the record; None where none is meant, or several could be.
        how: exact name, memory in the name, duplicates with the same figures, rule, ambiguous or no record.
        reason: why there is none, or which rule was followed.
        candidates: keys of the records that could be meant.
    """

    tpu_id: str | None
    how: str
    reason: str = ""
    candidates: tuple[str, ...] = ()


def plain_gpu_name(name: str) -> str:
    """A GPU's name without vendor, marks, blanks and case: ``geforcertx3080mobile`` of its laptop form.

    ``Laptop GPU`` and ``(Mobile)`` are Mobile, ``with Max-Q Design`` is Max-Q, as the GPU database writes them.
    """
    text = re.sub(r"\bradeont\b|\bradeon\.", "radeon", lowered(name))
    text = re.sub(r"\(mobile\)|\blaptop gpu\b", "mobile", text)
    text = re.sub(r"\bwith max-q design\b", "max-q", text)
    return _LEFT.sub("", _VENDOR_WORDS.sub(" ", text))


@dataclass
class GpuNames:
    """The names of all records of the GPU database, and how other sources' names reach them.

    Attributes:
        records: all of them.
    """

    records: tuple[GpuRecord, ...]
    _by_name: dict[str, list[GpuRecord]] = field(init=False, repr=False)
    _by_id: dict[str, GpuRecord] = field(init=False, repr=False)

    def __init__(self, records: Iterable[GpuRecord]) -> None:
        self.records = tuple(records)
        self._by_id = {record.tpu_id: record for record in self.records}
        self._by_name = {}
        for record in self.records:
            self._by_name.setdefault(plain_gpu_name(record.name), []).append(record)

    def match(self, spelling: str, brand: str = "") -> Match:
        """The record that ``spelling`` means, by its exact name or by a rule that holds.

        Args:
            spelling: as the source writes it.
            brand: maker as the source says; records of another are never taken. What is no maker of GPUs with
                records here ("Other") tells nothing.
        """
        exact = self._of(plain_gpu_name(spelling), brand)
        if exact:
            return _picked(exact, EXACT, "")
        refusal = _refusal(spelling)
        if refusal:
            return Match(None, NONE, refusal)
        by_memory = self._by_memory(spelling, brand)
        if by_memory:
            return by_memory
        for candidate, reason in _rewritten(spelling):
            found = self._of(candidate, brand)
            if found:
                return _picked(found, RULE, reason)
        return self._longer(spelling, brand)

    def architecture_of(self, spelling: str, brand: str = "") -> str | None:
        """The architecture a name tells, also where no single record is meant; None where it is not sure.

        Of the record; else what all records that could be meant agree in; of a pair that works as one, what both
        agree in; of a virtual GPU, that of its card; else what the name's own series says (``architectures.csv``).
        """
        found = self.match(spelling, brand)
        if found.tpu_id is not None:
            return self._by_id[found.tpu_id].architecture or None
        if found.candidates:
            return self._common(self._by_id[key] for key in found.candidates)
        text = lowered(spelling)
        if _SOFTWARE.search(text) and not _PROFILE.search(text):
            return None
        pieces = _pair(text)
        if len(pieces) > 1:
            told = {self.architecture_of(piece, brand) for piece in pieces}
            return told.pop() if len(told) == 1 else None
        card = _card_of_profile(text)
        if card is not None:
            return self.architecture_of(card, brand)
        return architecture_by_name(spelling)

    def _of(self, plain: str, brand: str) -> list[GpuRecord]:
        makers = _MAKERS.get(brand.strip().lower())
        named = self._by_name.get(plain, [])
        return [record for record in named if makers is None or record.manufacturer in makers]

    def _by_memory(self, spelling: str, brand: str) -> Match | None:
        """Among records of the name without its memory, the one of that memory."""
        text = lowered(spelling)
        size = _SIZE.search(text)
        if not size or not _SIZE.sub(" ", text).strip():
            return None
        gb = float(size[1]) / (1024 if size[2] == "mb" else 1)
        named = self._of(plain_gpu_name(_SIZE.sub(" ", text)), brand)
        fitting = [record for record in named if record.memory_gb is not None and abs(record.memory_gb - gb) < 0.02]
        return _picked(fitting, MEMORY, "") if fitting else None

    def _longer(self, spelling: str, brand: str) -> Match:
        """Records whose name is this one and how they are built in or sold: one is taken, several are ambiguous."""
        plain = plain_gpu_name(_stripped(spelling))
        for suffix in _SUFFIXES:
            found = self._of(plain + suffix, brand)
            if found:
                return _picked(found, RULE, f"the only record of that name is {found[0].name!r}")
        if len(plain) < 4 or not re.search(r"\d", plain):
            return Match(None, NONE, "no record of that name")
        longer = [
            record
            for name in self._by_name
            if name.startswith(plain) and _MORE.fullmatch(name[len(plain) :])
            for record in self._of(name, brand)
        ]
        if len(longer) == 1:
            return _picked(longer, RULE, f"the only record of that name is {longer[0].name!r}")
        return _picked(longer, RULE, "") if longer else Match(None, NONE, "no record of that name")

    @staticmethod
    def _common(records: Iterable[GpuRecord]) -> str | None:
        told = {record.architecture for record in records}
        return told.pop() or None if len(told) == 1 else None


def _picked(records: list[GpuRecord], how: str, reason: str) -> Match:
    """The record of several of one name: any where they are the same to us, none where they are not."""
    keys = tuple(sorted((record.tpu_id for record in records), key=lambda key: (len(key), key)))
    if len(records) == 1:
        return Match(keys[0], how, reason, keys)
    figures = {(record.memory_gb, record.architecture, record.figures) for record in records}
    told_apart = any(record.figures for record in records)
    if len(figures) == 1 and told_apart:
        return Match(keys[0], SAME, reason or f"{len(keys)} records agree in every figure", keys)
    return Match(None, AMBIGUOUS, f"{len(keys)} records of that name with other figures", keys)


def _refusal(spelling: str) -> str:
    """Why a spelling means no single GPU; empty where it may."""
    text = lowered(spelling)
    if _PROFILE.search(text):
        return "a share of a GPU, not a whole one"
    if _SOFTWARE.search(text):
        return "a driver or software, not a GPU"
    if len(_pair(text)) > 1:
        return "two GPUs together, not one"
    if _PHONE.search(text):
        return "a GPU of a phone or a small computer"
    if re.search(r"\w /|/ ?\w", text) and len(re.split(r" ?/ ?", text)) > 1:
        return "one name for several GPUs"
    return ""


def _pair(text: str) -> list[str]:
    """The two GPUs of a name such as ``Radeon HD 6520G + HD 6470M Dual``."""
    if not _DUAL.search(text):
        return [text]
    text = re.sub(r"\bdual\b.*$|\bn hd.*?(?=\+)", "", text).strip()
    series = re.match(r"(radeon)\b", text)
    pieces = [piece.strip() for piece in text.split("+") if piece.strip()]
    prefix = f"{series[1]} " if series else ""
    hd = "hd " if re.search(r"\bhd\b", text) else ""
    named = [pieces[0]] if pieces else []
    for piece in pieces[1:]:
        bare = re.fullmatch(r"\d{4}[a-z]?", piece)
        named.append(piece if piece.startswith("radeon") else f"{prefix}{hd if bare else ''}{piece}")
    return named


def _card_of_profile(text: str) -> str | None:
    """The card that a virtual GPU is a share of."""
    found = re.search(r"(?:grid )?(?:gtx )?(\w[\w ]*?)(?:-\d)?-\d{1,3}[qabc]?\b", text)
    if not found or not _PROFILE.search(text):
        return None
    model = found[1].removeprefix("grid ").strip()
    model = re.sub(r"^rtx ?(\d{4})p?$", r"quadro rtx \1", model)
    model = re.sub(r"^v100[ds]$", "v100", model)
    return {"v100": "tesla v100 sxm2 16 gb"}.get(model, f"tesla {model}" if re.match(r"[pmtk]\d", model) else model)


def _stripped(spelling: str) -> str:
    """The spelling without the chip that some drivers write behind the name."""
    text = _TRAILING.sub("", lowered(spelling))
    text = re.sub(r"\bgraphics\b\s*$", "graphics", text)
    return re.sub(r"\b(u?hd|iris(?: (?:pro|plus))?) (?=p?\d)", r"\1 graphics ", text)


def _rewritten(spelling: str) -> list[tuple[str, str]]:
    """Other ways of writing the same name, each with the rule it follows."""
    text = _stripped(spelling)
    ways = [
        (text, "without the chip behind the name, and with the word Graphics"),
        (re.sub(r"\bgpu\b|\bgraphics?\b$", " ", text), "without the word GPU"),
        (re.sub(r"^firepro 3d\b", "firepro", text), "FirePro 3D is FirePro"),
        (re.sub(r"\bfiregl v$|\bmobility pro$", "", text), "without what follows the model"),
        (re.sub(r"\bprocessor$|\bprd$", "", text), "without what follows the model"),
        (re.sub(r"\bradeon (?:pro )?(?:radeon )?rx ?(?=\d)", "radeon rx ", text), "Radeon RX"),
        (re.sub(r"\brx vega ?(?=\d+\b)", "vega ", text), "Vega, integrated, without RX"),
        (re.sub(r"\bradeon vega ?(?=\d+\b)", "radeon rx vega ", text), "Vega with RX"),
        (re.sub(r"\bradeon (hd )?hd ?(?=\d)", "radeon hd ", text), "Radeon HD"),
        (f"tesla {text.replace('nvidia', '')}", "Tesla, which NVIDIA wrote before such names until 2020"),
        (f"geforce {text}", "GeForce"),
        (re.sub(r"\s*\(\d+-bit\)", "", text), "without the width of the bus"),
        (re.sub(r"(\d+) ?gb (pcie|sxm\d?)", r"\2 \1gb", text), "form before memory"),
        (text.replace("pcle", "pcie"), "PCIe misspelt"),
        (re.sub(r"\bpcie\b", " ", text.replace("pcle", "pcie")), "without the form, of which there is one"),
        (re.sub(r"\bradeon instinct\b", "instinct", text), "Instinct"),
        (re.sub(r"(?<!radeon )\binstinct\b", "radeon instinct", text), "Radeon Instinct"),
        (re.sub(r"\b(?:collectors|ceo) edition$", "", text), "without the edition"),
        (re.sub(r"^(?:hgx|geforce) ", "", text.replace("nvidia ", "")), "without the series"),
    ]
    plain = plain_gpu_name(spelling)
    named = ((plain_gpu_name(way), reason) for way, reason in ways)
    return [(way, reason) for way, reason in named if way != plain]
