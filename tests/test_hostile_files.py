"""Whatever a file holds, there is an answer or a message: never another exception.

A bounded number of inputs of each kind, the same ones every time. ``PERFSEER_FUZZ=2000`` tries that many, and
``PERFSEER_FUZZ_SEED`` others.
"""

import json
import os
import random
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from perfseer.cli.schema import Parameters
from perfseer.data.building import build_graphs
from perfseer.data.quarantine import REQUIRED, screen
from perfseer.errors import PerfseerError
from perfseer.forecast.card import Card, read_card, write_card
from perfseer.forecast.measured import measured_rows
from perfseer.measure.merging import merge_tables
from perfseer.measure.settings import CollectSettings
from perfseer.measure.table import COLUMNS, SCHEMA, TABLE_VERSION, read_as_written, read_table
from perfseer.measure.trust.sanity import check_table
from perfseer.measure.trust.settings import SanitySettings
from perfseer.parameters import load_mapping, section
from perfseer.predictors.registry import PREDICTOR_NAMES, load
from perfseer.targets import TARGETS
from tests.helpers.fitting import fit, make, one_thread
from tests.helpers.mutation import damage_a_file, damaged_bytes, damaged_json, damaged_lines, damaged_table
from tests.helpers.places import ROOT
from tests.helpers.sound_table import sound_table
from tests.helpers.synthetic_graphs import make_dataset, make_normaliser

TRIES = int(os.environ.get("PERFSEER_FUZZ", "60"))
SEED = int(os.environ.get("PERFSEER_FUZZ_SEED", "0"))
SANITY = SanitySettings(0.1, 0.1)
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def answer(function, *arguments):
    """What a function returns; None where it refused in words."""
    try:
        return function(*arguments)
    except PerfseerError:
        return None


def draws(kind):
    for number in range(TRIES):
        yield random.Random(f"{kind} {SEED} {number}")


def read_parameters(source):
    mapping = load_mapping(source)
    answer(lambda: CollectSettings.from_mapping(section(mapping, "collect")))
    return Parameters.from_mapping(mapping)


def test_parameters_in_yaml(tmp_path):
    path = tmp_path / "params.yaml"
    for draw in draws("yaml"):
        path.write_bytes(damaged_lines(TEXT, draw))
        answer(read_parameters, str(path))


def test_parameters_in_json(tmp_path):
    whole = json.dumps(load_mapping(str(ROOT / "params.yaml")))
    for draw in draws("json"):
        answer(read_parameters, damaged_json(whole, draw).decode("utf-8", "surrogateescape"))


def written(table, path, draw):
    """The table as a file, in whatever types its cells have; sometimes with damaged bytes."""
    arrays = {}
    for name in table.columns:
        try:
            arrays[name] = pa.array(table[name].tolist(), SCHEMA.field(name).type, from_pandas=False)
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            try:
                arrays[name] = pa.array(table[name].tolist())
            except (pa.ArrowException, OverflowError, TypeError):
                arrays[name] = pa.array(table[name].map(str).tolist())
    metadata = {**SCHEMA.metadata, b"pandas": b"{" if draw.random() < 0.05 else b"{}"}
    pq.write_table(pa.table(arrays).replace_schema_metadata(metadata), path)
    if draw.random() < 0.1:
        path.write_bytes(damaged_bytes(path.read_bytes(), draw))


def test_measurement_tables(tmp_path):
    assert TABLE_VERSION == 2
    good, path = sound_table().head(4), tmp_path / "t.parquet"
    for draw in draws("tables"):
        table = damaged_table(good, draw)
        if draw.random() < 0.05:
            table = table.drop(columns=draw.choice(list(COLUMNS)))
        written(table, path, draw)
        plain = answer(read_as_written, path)
        if plain is None:
            continue
        check_table(plain, SANITY)
        answer(screen, plain[list(REQUIRED)])
        settled = read_table(path)
        merged = answer(lambda one: merge_tables({"a": one, "b": good}, allow_mixed=True), settled)
        for one in (settled, *([] if merged is None else [merged.table])):
            assert_measured(one)
        if draw.random() < 0.3:  # which takes longest
            answer(build_graphs, settled)
            answer(measured_rows, settled)


def assert_measured(table):
    ok = table[table["status"] == "ok"]
    for target in TARGETS:
        values = ok[target.name].dropna().to_numpy(dtype=float)
        assert np.isfinite(values).all()
        assert (values > 0).all()
        assert target.quantity != "util" or (values <= 100).all()
    for name in (name for name, column in COLUMNS.items() if column.kind == pa.float64()):
        assert not np.isinf(table[name].to_numpy(dtype=float, na_value=np.nan)).any()
    assert (ok["batch_size"] >= 1).all()
    assert (ok["device"] != "").all()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """One of every predictor, small, with its card; rows to predict."""
    data = make_dataset(64, seed=7)
    train, valid, test = (data.subset(np.arange(*span)) for span in ((0, 40), (40, 60), (60, 64)))
    folder = tmp_path_factory.mktemp("predictors")
    with one_thread():
        for name in PREDICTOR_NAMES:
            model = fit(make(name, training={"max_epochs": 1}), (train, valid, test, make_normaliser(train)))
            model.save(folder / name)
            write_card(folder / name, Card(description=name))
    return folder, test


def use(folder, rows):
    read_card(folder)
    model = load(folder)
    predictions = model.predict(rows)
    assert np.isfinite(predictions.to_numpy()).all()
    assert (predictions.to_numpy() > 0).all()
    answer(model.intervals, rows, 0.9)
    answer(model.coverage, rows.graphs.graph(0))


def test_folders_of_predictors(saved, tmp_path):
    folder, rows = saved
    for draw in draws("predictors"):
        name = draw.choice(PREDICTOR_NAMES)
        shutil.copytree(folder / name, tmp_path / "p")
        damage_a_file(tmp_path / "p", draw)
        answer(use, tmp_path / "p", rows)
        shutil.rmtree(tmp_path / "p")
