import numpy as np
import pytest

from perfseer.data.files import read_parquet
from perfseer.errors import PerfseerError
from perfseer.measure.kernels.table import COLUMNS, NUMBERS, good_kernels
from tests.helpers.synthetic_kernels import kernels_file


@pytest.fixture
def table():
    return read_parquet(kernels_file(), COLUMNS, "perfseer kernels", NUMBERS)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 0.0, -1.0])
def test_a_time_nobody_measured_is_no_good_kernel(table, value):
    good = good_kernels(table, "here")
    table.loc[good_kernels(table, "here").index[0], "train_time_ms"] = value
    assert len(good_kernels(table, "here")) == len(good) - 1


def test_text_in_a_column_of_numbers_is_refused(table, tmp_path):
    table.astype({"flops": str}).to_parquet(tmp_path / "k.parquet", index=False)
    with pytest.raises(PerfseerError, match="flops"):
        read_parquet(tmp_path / "k.parquet", COLUMNS, "perfseer kernels", NUMBERS)
