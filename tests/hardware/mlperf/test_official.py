"""Official tables: a round that is not here, labels that are wrong, rows and files that are refused."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.hardware import own_files
from perfseer.hardware.source import AbsentError
from perfseer.hardware.sources.mlperf_results import MlperfResults
from tests.hardware.mlperf.published import official_row, read_official


def test_absent_without_a_file(tmp_path):
    with pytest.raises(AbsentError):
        MlperfResults(folder=tmp_path / "nowhere").read()


def test_a_row_as_it_is_read(tmp_path):
    row = read_official(tmp_path, [official_row(Power_Result=4000.5, Power_Units="Watts")]).rows.iloc[0]
    texts = {
        "round": "v5.1", "division": "closed", "suite": "datacenter", "submitter": "Acme",
        "system_id": "one_h100", "system_name": "Acme One", "availability": "available",
        "accelerator": "NVIDIA H100-SXM-80GB", "benchmark": "resnet50", "network": "resnet",
        "benchmark_version": "1", "family": "classification", "scenario": "Offline",
        "metric": "samples_per_s", "unit": "1/s", "weight_data_types": "fp8", "corrected": "",
        "location": "closed/Acme/results/one_h100/resnet/Offline", "duplicate_of": "", "path": "",
    }  # fmt: skip
    assert {name: row[name] for name in texts} == texts
    assert (row["value"], row["power_w"], row["nodes"], row["accelerators_per_node"]) == (
        1000.0,
        4000.5,
        1,
        8,
    )
    assert np.isnan(row["total_accelerators"])
    assert np.isnan(row["ttft_s"])
    assert row["valid"]
    assert not row["inferred"]


def test_declared_columns_are_those_that_are_read(tmp_path):
    rows = read_official(tmp_path, [official_row()]).rows
    assert list(rows.columns) == list(MlperfResults.columns)
    assert all(MlperfResults.columns.values())


def test_latencies_and_energies_in_si(tmp_path):
    reading = read_official(
        tmp_path,
        [
            official_row(scenario="SingleStream", Performance_Result=1.5, Power_Result=250.0,
                         Power_Units="millijoules"),
            official_row(scenario="MultiStream", Performance_Result=12.0),
        ],
    )  # fmt: skip
    single, multi = reading.rows.iloc[0], reading.rows.iloc[1]
    assert (single["metric"], single["value"], single["unit"]) == ("latency_p90_s", 0.0015, "s")
    assert single["energy_per_query_j"] == 0.25
    assert np.isnan(single["power_w"])
    assert (multi["metric"], multi["value"]) == ("latency_p99_s", pytest.approx(0.012))


def test_metric_follows_from_the_benchmark_where_the_label_is_wrong(tmp_path):
    reading = read_official(
        tmp_path,
        [
            official_row("whisper"),  # says Samples/s
            official_row("llama3.1-8b", "Interactive", Performance_Units="Queries/s"),
            official_row("llama2-70b-99.9", "Server", Performance_Units="Tokens/s"),
            official_row("resnet", "Server", Performance_Units="Queries/s"),
        ],
    )
    assert reading.rows["metric"].tolist() == [
        "tokens_per_s",
        "tokens_per_s",
        "tokens_per_s",
        "samples_per_s",
    ]
    assert reading.rows["value"].tolist() == [1000.0] * 4
    assert (reading.rows["corrected"] != "").tolist() == [True, True, False, False]
    assert reading.findings["labelled with another unit than they hold"] == 2


def test_gptj_was_counted_in_queries_before_tokens(tmp_path):
    row = official_row("gptj-99", version="v3.1", ID="3.1-0001")
    assert read_official(tmp_path, [row]).rows["metric"].tolist() == ["samples_per_s"]


def test_of_an_unknown_benchmark_most_labels_decide(tmp_path):
    names = [("Offline", "Tokens/s"), ("Server", "Tokens/s"), ("Interactive", "Queries/s")]
    rows = [official_row("gpt-oss-120b", scenario, Performance_Units=unit) for scenario, unit in names]
    rows.append(official_row("something-new"))
    reading = read_official(tmp_path, rows)
    assert reading.rows["metric"].tolist() == ["tokens_per_s"] * 3 + ["samples_per_s"]
    assert reading.rows["family"].tolist() == ["generation"] * 3 + ["other"]
    assert reading.findings["labelled with another unit than they hold"] == 1


@pytest.fixture
def next_round():
    """520 rows of v6.0: other columns in another order, benchmarks nobody knows, 102 inferred."""
    rows = []
    for number in range(520):
        row = official_row(
            f"new-{number % 13}-99.9", "Server", version="v6.0", ID=f"6.0-{number:04d}",
            Platform=f"system_{number}", Nodes=11, **{"a#": 8, "Total Accelerators": 87},
            inferred=int(number < 102), Performance_Units="Tokens/s", Performance_Result=1.0 + number,
        )  # fmt: skip
        for name in ("host_processors_per_node", "has_power", "Accuracy"):
            del row[name]
        rows.append({"Brand new": "x", **dict(reversed(row.items()))})
    return rows


@pytest.mark.parametrize("name", ["inference_v6.0_summary_results.json", "results.csv", "v6.0.csv.gz"])
def test_a_round_that_is_not_here_loads(tmp_path, next_round, name):
    if name.endswith(".json"):
        (tmp_path / name).write_text(json.dumps(next_round))
    else:
        pd.DataFrame(next_round).to_csv(tmp_path / name, index=False)
    reading = MlperfResults(folder=tmp_path).read()
    assert (reading.n_read, len(reading.rows), len(reading.refused)) == (520, 520, 0)
    assert reading.rows["round"].unique().tolist() == ["v6.0"]
    assert reading.rows["inferred"].sum() == 102
    assert reading.rows["benchmark"].nunique() == 13
    assert reading.rows["accuracy_target"].unique().tolist() == ["99.9"]
    assert (reading.rows["total_accelerators"] == 87).all()
    assert reading.rows["value"].tolist() == [1.0 + number for number in range(520)]
    assert reading.rows["host_processors"].isna().all()


def test_round_from_the_row_else_its_id_else_the_file(tmp_path):
    rows = [
        official_row(version="6.0", ID="x"),
        official_row(version="", ID="v6.1-0007"),
        official_row(version="", ID=""),
    ]
    assert read_official(tmp_path, rows, "v6.2.json").rows["round"].tolist() == ["v6.0", "v6.1", "v6.2"]


BAD_ROWS = [
    ("version", {"version": "", "ID": ""}),
    ("version", {"version": "latest"}),
    ("ID", {"ID": "4.1-0001"}),
    ("Performance_Result", {"Performance_Result": 0}),
    ("Performance_Result", {"Performance_Result": -3.5}),
    ("Performance_Result", {"Performance_Result": "1,234.5"}),
    ("Performance_Result", {"Performance_Result": float("nan")}),
    ("Performance_Result", {"Performance_Result": float("inf")}),
    ("Performance_Result", {"Performance_Result": None}),
    ("Performance_Result", {"Performance_Result": {"a": 1}}),
    ("Performance_Units", {"Performance_Units": "Furlongs"}),
    ("Performance_Units", {"Performance_Units": ""}),
    ("Performance_Units", {"Performance_Units": "Latency (ms)"}),
    ("Performance_Units", {"Performance_Units": "Tokens/s"}),
    ("Power_Units", {"Power_Result": 5.0, "Power_Units": "horses"}),
    ("Power_Result", {"Power_Result": -5.0, "Power_Units": "Watts"}),
    ("Scenario", {"Scenario": "Sideline"}),
    ("Category", {"Category": "ajar"}),
    ("Submitter", {"Submitter": "Ac\x00me"}),
    ("Submitter", {"Submitter": ""}),
    ("System", {"System": "\ud800"}),
    ("Nodes", {"Nodes": 0}),
    ("Nodes", {"Nodes": 1.5}),
    ("a#", {"a#": "eight"}),
    ("inferred", {"inferred": 2}),
    ("Model", {"Model": "", "UsedModel": ""}),
]


def test_bad_rows_are_set_aside_with_their_places_and_the_others_stay(tmp_path):
    bad = [
        official_row(**{"Platform": f"bad_{number}", **changes})
        for number, (_, changes) in enumerate(BAD_ROWS)
    ]
    reading = read_official(tmp_path, [official_row(), *bad, official_row(scenario="Server")])
    assert reading.rows["scenario"].tolist() == ["Offline", "Server"]
    assert reading.n_read == len(BAD_ROWS) + 2
    faults = reading.refused.groupby("row")["column"].agg(set)
    assert set(faults.index) == set(range(2, len(BAD_ROWS) + 2))
    for number, (column, _) in enumerate(BAD_ROWS, start=2):
        assert column in faults[number], (number, column)
    assert reading.refused["reason"].iloc[0].startswith("round.json, row 2: ")


def test_the_same_location_again_is_set_aside(tmp_path):
    read_official(tmp_path, [official_row()], "a.json")
    reading = read_official(tmp_path, [official_row(Performance_Result=7.0)], "b.json")
    assert reading.rows["value"].tolist() == [1000.0]
    assert reading.refused["row"].tolist() == [2]
    assert reading.refused["reason"].iloc[0].startswith("b.json, row 1: ")
    assert "a.json, row 1" in reading.refused["reason"].iloc[0]


def test_sql_in_a_name_is_a_name(tmp_path):
    name = "Robert'); DROP TABLE results;--"
    assert read_official(tmp_path, [official_row(Submitter=name)]).rows["submitter"].tolist() == [name]


def test_what_is_not_compliant_is_kept_as_invalid(tmp_path):
    rows = [official_row(compliance=0), official_row(scenario="Server", errors=2)]
    assert read_official(tmp_path, rows).rows["valid"].tolist() == [False, False]


def test_copies_within_a_system_are_marked_and_kept(tmp_path):
    strict = official_row("bert-99.9")
    lax = official_row("bert-99")
    other = official_row("bert-99", Platform="another")
    server = official_row("bert-99", "Server")
    reading = read_official(tmp_path, [lax, strict, other, server])
    assert reading.rows["duplicate_of"].tolist() == [strict["Location"], "", "", ""]


GOOD = json.dumps([official_row()])


BAD_FILES = [
    ("empty.json", b""),
    ("blank.json", b" \n"),
    ("none.json", b"[]"),
    ("object.json", b'{"a": 1}'),
    ("numbers.json", b"[1, 2]"),
    ("cut.json", GOOD[:-20].encode()),
    ("twice.json", GOOD.replace('"Nodes": 1', '"Nodes": 1, "Nodes": 2').encode()),
    ("latin.json", GOOD.replace("Acme", "Akm\u00e9").encode("latin-1")),
    ("utf16.json", GOOD.encode("utf-16")),
    ("deep.json", b"[" * 100_000),
    ("huge.json", b"[{" + b'"a": ' + b"9" * 5000 + b"}]"),
    ("header.json", json.dumps([{"a": 1, "b": 2}]).encode()),
    ("header.csv", b"name,score\nx,1\n"),
    ("semicolons.csv", b"Submitter;Category\nx;1\n"),
    ("only.csv", ",".join(official_row()).encode() + b"\n"),
    ("uneven.csv", b"Submitter,Category,Scenario,Performance_Result,Performance_Units\nx,closed\n"),
    ("no.csv.gz", b"this is not gzip"),
    ("cut.csv.gz", gzip.compress(b"a,b\n1,2\n" * 100)[:-12]),
    ("case.json", GOOD.replace('"Nodes": 1', '"Nodes": 1, "NODES": 2').encode()),
]


@pytest.mark.parametrize(("name", "content"), BAD_FILES, ids=[name for name, _ in BAD_FILES])
def test_a_bad_file_is_refused_by_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PerfseerError, match=name.removesuffix(".gz")):
        MlperfResults(folder=tmp_path).read()


def test_more_rows_than_any_round_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(own_files, "MOST_ROWS", 3)
    with pytest.raises(PerfseerError, match="4 rows, at most 3"):
        read_official(tmp_path, [official_row()] * 4)
    monkeypatch.setattr(own_files, "MOST_BYTES", 100)
    with pytest.raises(PerfseerError, match="at most 100"):
        MlperfResults(folder=tmp_path).read()
    (tmp_path / "round.json").unlink()
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"0" * 10_000))
    with pytest.raises(PerfseerError, match="unpacks to more than 100"):
        MlperfResults(folder=tmp_path).read()
