"""The catalogue's tables: what ships, and what a damaged one is told."""

import math
import re
from collections import Counter
from pathlib import Path

import pytest

from perfseer.data.catalogue.table import (
    ACCELERATORS,
    DOCUMENTS,
    FIGURES,
    PEAKS,
    PROPERTIES,
    catalogue,
    read_catalogue,
)
from perfseer.errors import PerfseerError
from tests.helpers.places import ROOT

# Who makes accelerators and publishes of its own, by the first word of its name.
VENDORS = frozenset(
    ["NVIDIA", "AMD", "AWS", "Amazon", "Google", "Intel", "Qualcomm", "FuriosaAI", "Rebellions"]
)
TABLES = {"accelerators": ACCELERATORS, "figures": FIGURES, "documents": DOCUMENTS}
ACCELERATOR = "toy,A Toy 1,toy one;t1,cuda,A,,,,,2,2,,,\n"
FIGURE = "toy,fp16_flops,tensor,0,fp32,2e12,sheet,\n"
DOCUMENT = "sheet,Sheet,A,https://a.example,2024,datasheet\n"


def header(path):
    return path.read_text(encoding="utf-8").splitlines()[0] + "\n"


def written(folder: Path, **rows: str):
    """A catalogue of a toy, with the tables given replaced."""
    given = {"accelerators": ACCELERATOR, "figures": FIGURE, "documents": DOCUMENT, **rows}
    for name, text in given.items():
        (folder / f"{name}.csv").write_text(header(TABLES[name]) + text, encoding="utf-8")
    return [folder / f"{name}.csv" for name in ("accelerators", "figures", "documents")]


def peak(key, name, engine="tensor", sparse=False):
    one = catalogue().peak(key, name, engine, sparse=sparse)
    return one and one.value


def published(key, name):
    one = catalogue().value(key, name)
    return one and one.value


@pytest.mark.parametrize(
    ("key", "fp16", "fp8", "int8", "fp4", "bandwidth", "memory_gib", "tdp"),
    [
        ("a100-sxm-80gb", 312e12, None, 624e12, None, 2.039e12, 80, 400),
        ("a100-pcie-80gb", 312e12, None, 624e12, None, 1.935e12, 80, 300),
        ("t4", 65e12, None, 130e12, None, 320e9, 16, 70),
        ("a30", 165e12, None, 330e12, None, 933e9, 24, 165),
        ("l4", 121e12, 242.5e12, 242e12, None, 300e9, 24, 72),
        ("l40", 181e12, 362e12, 362e12, None, 864e9, 48, 300),
        ("l40s", 366e12, 733e12, 733e12, None, 864e9, 48, 350),
        ("h100-sxm", 989.4e12, 1979e12, 1979e12, None, 3.35e12, 80, 700),
        ("h100-pcie", 756e12, 1513e12, 1513e12, None, 2.04e12, 80, 350),
        ("h100-nvl", 835.5e12, 1670.5e12, 1670.5e12, None, 3.938e12, 94, 400),
        ("h200", 989.4e12, 1979e12, 1979e12, None, 4.8e12, 141, 700),
        ("b200", 2.25e15, 4.5e15, 4.5e15, 9e15, 7.7e12, 180, 1000),
        ("b300", 2.25e15, 4.5e15, 153.5e12, 13.5e15, 7.7e12, 270, 1100),
        ("gb300", 2.5e15, 5e15, 165e12, 15e15, 8e12, 279, 1400),
        ("rtx4090", 165.2e12, 330.3e12, 660.6e12, None, 1008e9, 24, 450),
        ("rtx5090", 209.5e12, 419e12, 838e12, 1676e12, 1792e9, 32, 575),
        ("rtx-pro-6000-maxq", 438.9e12, 877.8e12, 877.8e12, 1755.6e12, 1792e9, 96, 300),
        ("mi300x", 1307.4e12, 2614.9e12, 2614.9e12, None, 5.3e12, 192, 750),
        ("mi325x", 1307.4e12, 2614.9e12, 2614.9e12, None, 6e12, 256, 1000),
        ("mi355x", 2.5166e15, 5.0332e15, 5.0332e15, 10.066e15, 8e12, 288, 1400),
        ("agx-orin", 42.6e12, None, 85.2e12, None, 204.8e9, 64, 60),
    ],
)
def test_dense_figures_are_those_of_the_vendors_sheets(key, fp16, fp8, int8, fp4, bandwidth, memory_gib, tdp):
    expected = {"fp16_flops": fp16, "fp8_flops": fp8, "int8_ops": int8, "fp4_flops": fp4}
    for name, value in expected.items():
        assert peak(key, name) == (value and pytest.approx(value, rel=0.005)), name
    assert published(key, "bandwidth_bytes_per_s") == pytest.approx(bandwidth, rel=0.005)
    assert published(key, "memory_bytes") == memory_gib * 2**30
    assert published(key, "tdp_w") == tdp


def test_a_geforce_accumulates_in_32_bits_at_half_speed():
    """NVIDIA's Ada whitepaper gives the RTX 4090 330.3 and 165.2 TFLOP/s, with sparsity twice that."""
    found = {
        (one.accumulate, one.sparse): one.value
        for one in catalogue().figures_of("rtx4090")
        if one.figure == "fp16_flops" and one.engine == "tensor"
    }
    assert found == {
        ("fp16", False): pytest.approx(330.3e12, rel=1e-3),
        ("fp32", False): pytest.approx(165.2e12, rel=1e-3),
        ("fp16", True): pytest.approx(660.6e12, rel=1e-3),
        ("fp32", True): pytest.approx(330.3e12, rel=1e-3),
    }


def test_a_card_has_the_figures_of_all_its_dies():
    book = catalogue()
    cards = {key: book.accelerator(key) for key in ("a16", "b200", "mi250x", "h100-sxm")}
    assert {key: (card.dies_per_card, card.devices_per_card) for key, card in cards.items()} == {
        "a16": (4, 4),
        "b200": (2, 1),
        "mi250x": (2, 2),
        "h100-sxm": (1, 1),
    }
    assert published("a16", "memory_bytes") == 64 * 2**30
    assert published("mi250x", "memory_bytes") == 128 * 2**30
    assert published("mi250x", "multiprocessors") == 220
    assert published("b200", "transistors") == 208e9


def test_every_figure_is_known_cited_and_finite():
    book = catalogue()
    assert len(book.accelerators) >= 120
    assert len(book.figures) > 2000
    documents = {one.key for one in book.documents}
    for one in book.figures:
        assert one.figure in {**PEAKS, **PROPERTIES}
        assert 0 < one.value < math.inf
        assert one.document in documents


def test_a_peak_is_dense_and_at_full_width_unless_asked(tmp_path):
    rows = "".join(
        f"toy,fp16_flops,tensor,{sparse},{accumulate},{value},sheet,\n"
        for sparse, accumulate, value in ((0, "fp16", "4e12"), (0, "fp32", "2e12"), (1, "fp32", "4.5e12"))
    )
    book = read_catalogue(*written(tmp_path, figures=rows + "toy,tdp_w,,,,70,sheet,\n"))
    assert book.peak("toy", "fp16_flops", "tensor").value == 2e12
    assert book.peak("toy", "fp16_flops", "tensor", sparse=True).value == 4.5e12
    assert book.peak("toy", "fp16_flops", "vector") is None
    assert book.peak("toy", "fp8_flops", "tensor") is None
    assert book.value("toy", "tdp_w").value == 70
    assert book.value("nobody", "tdp_w") is None
    assert [one.value for one in book.figures_of("toy")] == [4e12, 2e12, 4.5e12, 70]
    assert book.accelerator("toy").aliases == ("toy one", "t1")
    assert book.accelerator("nobody") is None


@pytest.mark.parametrize(
    ("table", "rows", "message"),
    [
        (
            "figures",
            "toy,fp16_flops,tensor,0,fp32,2e12,sheet\n",
            r"figures\.csv, line 2: 7 cells, expected 8",
        ),
        ("figures", FIGURE + FIGURE, r"figures\.csv, row 2: .*stands in row 1 already"),
        ("figures", FIGURE.replace("toy", "toi"), r"figures\.csv, row 1: no accelerator 'toi'"),
        ("figures", FIGURE.replace("sheet", "sheat"), r"figures\.csv, row 1: no document 'sheat'"),
        ("figures", FIGURE.replace("fp16_flops", "fp17_flops"), r"line 2: no figure 'fp17_flops'"),
        ("figures", FIGURE.replace("tensor", "matrix"), r"line 2: engine of fp16_flops 'matrix'"),
        ("figures", FIGURE.replace(",0,", ",2,"), r"line 2: sparse '2'"),
        ("figures", FIGURE.replace("fp32", "fp64"), r"line 2: accumulate 'fp64'"),
        ("figures", FIGURE.replace("tensor,0", "vector,1"), r"line 2: fp16_flops of vector units"),
        ("figures", "toy,tdp_w,tensor,,,70,sheet,\n", r"line 2: tdp_w is no peak"),
        *(
            ("figures", FIGURE.replace("2e12", text), rf"figures\.csv, line 2: value '{text}'")
            for text in ("", "0", "-1", "nan", "inf", "1_000", "2e999", "1,5".replace(",", ";"))
        ),
        ("accelerators", ACCELERATOR.replace("cuda", "gpu"), r"accelerators\.csv, line 2: kind 'gpu'"),
        ("accelerators", ACCELERATOR.replace("toy,", "Toy One,", 1), r"line 2: key 'Toy One'"),
        ("accelerators", ACCELERATOR + ACCELERATOR, r"row 2: 'toy' stands in row 1 already"),
        ("accelerators", ACCELERATOR.replace(",2,2,", ",2,3,"), r"line 2: 'toy' has 2 dies for 3 devices"),
        ("accelerators", ACCELERATOR.replace(",2,2,", ",0,1,"), r"line 2: dies_per_card '0'"),
        ("accelerators", ACCELERATOR.replace("A Toy 1", ""), r"line 2: accelerator 'toy' lacks a name"),
        ("documents", DOCUMENT.replace("datasheet", "rumour"), r"documents\.csv, line 2: kind 'rumour'"),
        ("documents", DOCUMENT.replace("https://a.example", ""), r"line 2: document 'sheet' has the url ''"),
        ("documents", DOCUMENT.replace("2024", "March"), r"line 2: date 'March'"),
        ("documents", DOCUMENT.replace("Sheet", '"Sheet'), r"documents\.csv, line 2: "),
    ],
)
def test_a_damaged_row_is_refused_with_its_file_and_line(tmp_path, table, rows, message):
    paths = written(tmp_path, **{table: rows})
    with pytest.raises(PerfseerError, match=message):
        read_catalogue(*paths)


def test_a_line_break_within_a_cell_does_not_shift_the_line_told(tmp_path):
    rows = ACCELERATOR.replace("A Toy 1", '"A\nToy"') + ACCELERATOR.replace("toy,", "TOY,", 1)
    with pytest.raises(PerfseerError, match="line 4: key 'TOY'"):
        read_catalogue(*written(tmp_path, accelerators=rows))


def test_another_header_encoding_or_a_missing_file_is_refused(tmp_path):
    accelerators, figures, documents = written(tmp_path)
    figures.write_text("accelerator,figure,value\n", encoding="utf-8")
    with pytest.raises(PerfseerError, match=r"figures\.csv, line 1: columns 'accelerator,figure,value'"):
        read_catalogue(accelerators, figures, documents)
    figures.write_bytes(header(FIGURES).encode() + FIGURE.replace("sheet,", "sheet,\xe9").encode("latin-1"))
    with pytest.raises(PerfseerError, match=r"figures\.csv is not UTF-8"):
        read_catalogue(accelerators, figures, documents)
    figures.unlink()
    with pytest.raises(PerfseerError, match=r"figures\.csv cannot be read"):
        read_catalogue(accelerators, figures, documents)


def test_the_documentation_counts_what_figures_rest_on():
    """docs/hardware.md: all figures of accelerators, then by vendor, report, arithmetic and database."""
    book = catalogue()
    accelerators = {card.key for card in book.accelerators if card.kind != "cpu"}
    documents = [
        book.document(figure.document) for figure in book.figures if figure.accelerator in accelerators
    ]
    counts = Counter(
        document.kind
        if document.kind in ("derivation", "database")
        else ("vendor" if document.publisher.split()[0] in VENDORS else "report")
        for document in documents
    )
    text = " ".join((ROOT / "docs/hardware.md").read_text(encoding="utf-8").split())
    passage = text.partition("each with the document it rests on. ")[2].partition("record of the card")[0]
    said = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d", passage)]
    kinds = ("vendor", "report", "derivation", "database")
    assert said == [len(documents), *(counts[kind] for kind in kinds)]
