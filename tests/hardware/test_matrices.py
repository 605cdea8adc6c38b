"""The six matrices: full, and of published figures alone."""

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.hardware.derivation import derive
from perfseer.hardware.matrices import MATRICES, matrix, matrix_counts
from perfseer.hardware.specs import Specs
from tests.helpers.specifications import A100, RTX4090, specs

FULL = {
    **{**RTX4090, "vulkan": 2e5, "fp16_flops": 1.65e14, "int8_ops": 6.6e14, "year": 2022.75},
}


def test_there_are_the_six_of_the_seed_with_its_counts():
    counts = {name: (one.seed_count, one.reference_count) for name, one in MATRICES.items()}
    assert counts == {
        **{"complete": (35, 90), "compute": (132, 825), "memory-bandwidth": (131, 2415)},
        **{"graphics": (171, 516), "price-performance": (119, 432), "unified-ai": (128, 52)},
    }


@pytest.mark.parametrize("name", MATRICES)
def test_a_row_with_every_figure_is_in_and_one_without_any_of_them_is_not(name):
    needed = MATRICES[name].columns
    real = {"ops8": "int8_ops", "geekbench": "vulkan"}
    rows = {"full": FULL | {"opencl": 3e5}}
    for column in needed:
        empty = "" if column == "memory_type" else np.nan
        lacking = rows["full"] | {real.get(column, column): empty}
        rows[f"no {column}"] = lacking | ({"opencl": np.nan} if column == "geekbench" else {})
    found = matrix(specs(rows), name)
    assert found.index.tolist() == ["full"]
    assert found.columns.tolist() == ["name", "vendor", *needed]
    assert found.notna().all(axis=None)


@pytest.mark.parametrize("way", ["imputed", "derived"])
@pytest.mark.parametrize("name", MATRICES)
def test_no_guess_and_no_rule_enters(name, way):
    given = specs({"full": FULL})
    status = given.status.where(given.status != "observed", way)
    assert matrix(Specs(given.table, status), name).empty


def test_conditions():
    old = FULL | {"year": 2015.9}
    given = specs({"new": FULL, "old": old, "fp8": FULL | {"int8_ops": np.nan, "fp8_flops": 7e14}})
    found = matrix(given, "unified-ai")
    assert found["ops8"].to_dict() == {"new": 6.6e14, "fp8": 7e14}
    scores = matrix(specs({"a": FULL | {"cuda": 1.0}, "b": FULL, "c": A100}), "graphics")["geekbench"]
    assert scores.to_dict() == {"a": 1.0, "b": 320000.0}


def test_counts_and_unknown_names():
    counts = matrix_counts(derive(specs({"a": FULL, "b": A100}))).set_index("matrix")
    assert counts["accelerators"].to_dict() == {
        **{"complete": 1, "compute": 2, "memory-bandwidth": 2},
        **{"graphics": 1, "price-performance": 1, "unified-ai": 1},
    }
    with pytest.raises(PerfseerError, match="unified-ai"):
        matrix(specs({"a": FULL}), "everything")
