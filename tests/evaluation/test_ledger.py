"""The ledger: one table of all trials, which says what is missing and what is stale."""

import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.evaluation.ledger import COLUMNS, MISSING, STALE, VALID, Contender, Entry, Ledger, Trial

FIRST, SECOND = Contender("seernet", "", "architecture"), Contender("boosting", "", "architecture")


def trial(contender, seed, *values, status=VALID):
    """MAPE of both times."""
    labels = ("train_time_ms", "infer_time_ms")
    entries = tuple(
        Entry(label, "mape_pct", value, 10) for label, value in zip(labels, values, strict=bool(values))
    )
    return Trial(contender, seed, entries if values else (), status)


@pytest.fixture
def ledger():
    return Ledger.of(
        "comparison",
        [
            *(trial(FIRST, 0, 8.0, 10.0), trial(FIRST, 1, 9.0, None), trial(FIRST, 2, status=MISSING)),
            *(trial(SECOND, 0, 5.0, 6.0, status=STALE), trial(SECOND, 1, 7.0, 8.0)),
            trial(SECOND, 2, status=MISSING),
        ],
        0.95,
    )


def test_a_row_for_each_number_and_one_for_what_is_missing(ledger):
    assert tuple(ledger.table.columns) == COLUMNS
    assert len(ledger.table) == 2 * 4 + 2
    assert ledger.missing() == {FIRST: [2], SECOND: [2]}
    assert ledger.n_stale == 1
    assert ledger.table["value"].isna().sum() == 3


def test_means_leave_out_what_is_undefined(ledger):
    assert ledger.values(FIRST, "train_time_ms", "mape_pct") == {0: 8.0, 1: 9.0}
    assert ledger.mean(FIRST, "train_time_ms", "mape_pct").mean == 8.5
    assert ledger.mean(FIRST, "infer_time_ms", "mape_pct").half_width is None
    assert ledger.mean(FIRST, "infer_mem_mib", "mape_pct") is None


def test_a_mean_over_labels_needs_them_all(ledger):
    labels = ("train_time_ms", "infer_time_ms")
    assert ledger.mean_of(FIRST, labels, "mape_pct") == {0: 9.0}
    assert ledger.mean_of(SECOND, labels, "mape_pct") == {0: 5.5, 1: 7.5}


def test_differences_are_paired_by_seed(ledger):
    found = ledger.difference(FIRST, SECOND, "train_time_ms")
    assert (found.interval.mean, found.seeds) == (2.5, (0, 1))
    assert ledger.difference(FIRST, SECOND, "infer_time_ms").seeds == (0,)
    assert ledger.difference(FIRST, SECOND, "infer_mem_mib") is None


def test_a_file_gives_the_same_numbers(ledger, tmp_path):
    path = ledger.write(tmp_path / "ledger" / "comparison.parquet")
    again = Ledger.read(path, 0.95)
    pd.testing.assert_frame_equal(again.table, ledger.table)
    assert again.missing() == ledger.missing()
    assert again.mean(SECOND, "train_time_ms", "mape_pct") == ledger.mean(SECOND, "train_time_ms", "mape_pct")


def test_another_table_is_no_ledger(tmp_path):
    path = tmp_path / "other.parquet"
    pd.DataFrame({"study": ["comparison"]}).to_parquet(path)
    with pytest.raises(PerfseerError, match="predictor"):
        Ledger.read(path, 0.95)
