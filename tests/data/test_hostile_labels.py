"""Whatever the label table holds, what comes out can be learnt from and reported, or is refused in words."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from perfseer.data.assembly import Assembled, assemble
from perfseer.data.batches import BatchSource
from perfseer.data.quarantine import REQUIRED
from perfseer.errors import PerfseerError
from perfseer.targets import TARGET_NAMES, TARGETS
from tests.helpers.synthetic import SETTINGS, make_store, make_table, spoil

HOSTILE = st.one_of(
    st.sampled_from([0, 0.0, -0.0, -1, None, np.nan, pd.NA, np.inf, -np.inf, 10**400, 5e-324, 1e308]),
    st.sampled_from([100.0, 100.01, "", "12.5", "inf", b"1", True, [1.0], 2 + 1j, Decimal("NaN")]),
    st.floats(),
    st.integers(),
    st.text(max_size=5),
)
COLUMNS = st.sampled_from([*TARGET_NAMES, *TARGET_NAMES, "batch_size", "architecture", "family", "status"])
UTILISATION = [i for i, target in enumerate(TARGETS) if target.quantity == "util"]
PROFILE = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
GOOD = make_table(40, (1, 4))
STORE = make_store(GOOD)


@st.composite
def hostile_tables(draw):
    """A good table in which cells, rows and columns were tampered with."""
    n_architectures = draw(st.one_of(st.just(40), st.integers(0, 40)))
    table = GOOD.iloc[: 2 * n_architectures]
    if n_architectures:
        rows = st.integers(0, len(table) - 1)
        for row, column, value in draw(st.lists(st.tuples(rows, COLUMNS, HOSTILE), max_size=25)):
            table = spoil(table, row, column, value)
        table = pd.concat([table, table.iloc[draw(st.lists(rows, max_size=5))]], ignore_index=True)
    if draw(st.integers(0, 9)) == 9:  # hypothesis favours small numbers
        table = table.drop(columns=draw(st.sampled_from(REQUIRED)))
    return table


def assembled_or_message(table):
    """The dataset, or None where the table was refused in words."""
    try:
        assembled = assemble(table, *STORE, SETTINGS)
    except PerfseerError as error:
        event(f"refused: {str(error)[:25]}")
        return None
    event("a dataset")
    return assembled


@PROFILE
@given(hostile_tables(), st.floats(-1e30, 1e30))
def test_a_dataset_or_a_message(table, output):
    assembled = assembled_or_message(table)
    if assembled is not None:
        assert_fit_to_learn_from(assembled)
        assert_nothing_lost(table, assembled)
        assert_training_labels_survive_and_any_output_decodes_into_range(assembled, output)


def assert_fit_to_learn_from(assembled: Assembled) -> None:
    data = assembled.data
    assert np.isfinite(data.labels).all()
    assert (data.labels > 0).all()
    assert (data.labels[:, UTILISATION] <= 100).all()
    for by_seed in assembled.normalisers.values():
        for normaliser in by_seed.values():
            z = normaliser.labels.encode(data.labels)
            assert np.isfinite(z).all()
            batch = BatchSource(data, normaliser.features).batch(range(len(data)))
            assert all(values.isfinite().all() for values in (batch.nodes, batch.edges, batch.globals_))
    assert_no_leak(assembled)


def assert_no_leak(assembled: Assembled) -> None:
    rows = assembled.data.rows.set_index("configuration")["architecture"]
    table = assembled.splits[assembled.splits["split"] != "random"]
    sides = table.groupby([table["split"], table["seed"], table["configuration"].map(rows)])["fold"].agg(set)
    assert sides.map(len).max() == 1


def assert_nothing_lost(table: pd.DataFrame, assembled: Assembled) -> None:
    quarantined = set(assembled.quarantine["row"])
    assert len(assembled.data) + len(quarantined) == len(table)
    assert (assembled.quarantine["reason"].str.len() > 0).all()


def assert_training_labels_survive_and_any_output_decodes_into_range(
    assembled: Assembled, output: float
) -> None:
    draw = assembled.splits.query("split == 'architecture' and seed == 0")
    train = assembled.data.labels[(draw["fold"] == "train").to_numpy()]
    normaliser = assembled.normalisers["architecture"][0].labels
    np.testing.assert_allclose(normaliser.decode(normaliser.encode(train)), train, rtol=1e-9)
    decoded = normaliser.decode(np.full((1, 6), output))
    assert np.isfinite(decoded).all()
    assert (decoded > 0).all()
    assert (decoded[:, UTILISATION] <= 100).all()


def test_one_architecture_only_names_the_split_and_the_counts():
    table = make_table(1, (1, 2, 4, 8))
    with pytest.raises(PerfseerError, match=r"'architecture' .*0 .*1 architectures"):
        assemble(table, *make_store(table), SETTINGS)
