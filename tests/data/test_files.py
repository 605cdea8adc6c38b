import os
from pathlib import Path

import pandas as pd
import pytest

from perfseer.console.places import require_apart
from perfseer.data.files import read_parquet, write_parquet
from perfseer.errors import PerfseerError
from perfseer.measure.table import read_table, write_table
from perfseer.outputs import require_writable
from tests.helpers.sound_table import sound_table


def test_tables_lie_under_names_that_are_not_utf8(tmp_path):
    path, table = tmp_path / os.fsdecode(b"\xff.parquet"), pd.DataFrame({"a": [1, 2]})
    write_parquet(path, table)
    pd.testing.assert_frame_equal(read_parquet(path, ("a",), "perfseer"), table)
    write_table(sound_table(), path)
    pd.testing.assert_frame_equal(read_table(path), sound_table())


def test_a_name_that_is_too_long_is_a_fault_of_who_gave_it():
    path = Path("n" * 300)
    require_apart([path], ["x" * 5000, None])
    with pytest.raises(PerfseerError) as fault:
        require_writable(path)
    assert fault.value.exit_code == 2
