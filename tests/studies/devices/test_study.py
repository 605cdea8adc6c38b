"""The study on unseen devices: what it learns from whom, by hand; its report and verbs on a small table."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.errors import PerfseerError
from perfseer.forecast.shelf import checkpoint_digest, shipped
from perfseer.studies.devices.errors import COLUMNS, read_errors, write_errors
from perfseer.studies.devices.goals import GOALS, goals_table
from perfseer.studies.devices.render import render
from perfseer.studies.devices.settings import DevicesSettings
from perfseer.studies.devices.study import (
    Study,
    answers,
    error_pct,
    inside,
    lessons,
    transfer_of,
    with_one_factor,
)
from perfseer.validation import section
from tests.helpers.places import PARAMS, ROOT

KEYS = ("v100-pcie-32gb", "t4", "p4", "a100-pcie-40gb", "h100-sxm")


def table(factors, *, rows=12, host_ms=0.0, checkpoint="abc"):
    """Devices that take so many times what is predicted, 10 to 21 ms."""
    parts = []
    for device, factor in factors.items():
        predicted = 10.0 + np.arange(rows)
        parts.append(
            pd.DataFrame(
                {
                    **{"source": "made_up", "device": device, "platform": f"{device}-fp32"},
                    **{"device_kind": "cuda", "precision": "fp32", "mode": "eager", "phase": "infer"},
                    "architecture": [f"net{number}" for number in range(rows)],
                    **{"batch_size": 8, "measured_ms": factor * predicted, "predicted_ms": predicted},
                    **{"low_ms": 0.9 * predicted, "high_ms": 1.1 * predicted},
                    **{"roofline_ms": 2 * predicted, "launches": 1, "host_ms": host_ms},
                    **{"winograd_share": 0.0, "half": 0.0},
                }
            )
        )
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)].assign(checkpoint=checkpoint)


def answered(errors):
    return answers(errors, lessons(errors), 0.9)


def test_a_device_is_answered_from_the_others_alone():
    """Four devices take 2 x, one 8 x: it is answered with 2 x."""
    factors = dict.fromkeys(KEYS, 2.0) | {KEYS[0]: 8.0}
    rows = answered(table(factors))
    assert list(rows.index) == list(range(len(rows)))
    odd = rows[rows["device"] == KEYS[0]]
    assert (odd["answer_ms"] / odd["predicted_ms"]).to_numpy() == pytest.approx(2.0, rel=0.01)
    assert not inside(odd).any()
    assert error_pct(odd, "answer_ms") == pytest.approx(75.0, abs=0.5)


def test_rows_that_wait_for_their_host_teach_nothing():
    slow = table({**dict.fromkeys(KEYS, 2.0)}, host_ms=1e3)
    assert transfer_of(slow).regimes == {}
    rows = answered(slow)
    assert (rows["decides"] == "host").all()
    assert rows["answer_ms"].to_numpy() == pytest.approx(rows["predicted_ms"].to_numpy(), rel=0.01)


def test_few_devices_keep_the_predictors_own_interval():
    rows = answered(table(dict.fromkeys(KEYS[:3], 2.0)))
    assert rows["answer_low_ms"].to_numpy() == pytest.approx(rows["low_ms"].to_numpy(), rel=0.01)


def test_one_factor_is_of_the_other_architectures():
    rows = table({KEYS[0]: 3.0}, rows=4)
    rows.loc[0, "measured_ms"] = 1e6
    moved = with_one_factor(rows, "predicted_ms")
    assert moved[0] == pytest.approx(3.0 * rows["predicted_ms"][0])
    assert np.isnan(with_one_factor(table({KEYS[0]: 3.0}, rows=1), "predicted_ms")).all()


def test_the_report_holds_every_device_and_is_the_same_twice(tmp_path):
    factors = {key: 1.0 + 0.1 * number for number, key in enumerate(KEYS)}
    write_errors(tmp_path / "devices/errors.parquet", table(factors))
    texts = []
    for name in ("one", "two"):
        render(PARAMS, tmp_path, tmp_path / name)
        texts.append((tmp_path / name / "devices.md").read_text(encoding="utf-8"))
        assert len(list((tmp_path / name / "figures").glob("devices_*.svg"))) == 3
    assert texts[0] == texts[1]
    assert all(f"| {key} |" in texts[0] for key in KEYS)
    listed = pd.read_csv(tmp_path / "one/plots/devices_errors.csv")
    assert len(listed) == 12 * len(KEYS)


def test_what_was_measured_of_another_predictor_is_not_shipped(tmp_path):
    errors = tmp_path / "errors.parquet"
    write_errors(errors, table(dict.fromkeys(KEYS, 2.0)))
    result = CliRunner().invoke(app, ["devices", "ship", "--errors", str(errors)])
    assert isinstance(result.exception, PerfseerError)
    assert "abc" in str(result.exception)  # whose errors they are


def test_it_is_shipped_beside_a_predictor(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "predictor.json").write_text(json.dumps({"name": "seernet_x"}), encoding="utf-8")
    errors = tmp_path / "errors.parquet"
    write_errors(errors, table(dict.fromkeys(KEYS, 2.0), checkpoint=checkpoint_digest(folder)))
    arguments = ["devices", "ship", "--errors", str(errors), "--predictor", str(folder)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    before = checkpoint_digest(folder)
    kept = json.loads((folder / "transfer.json").read_text(encoding="utf-8"))
    assert kept["checkpoint"] == before
    assert kept["regimes"]["cuda-infer"]["correction"]["offset"] == pytest.approx(np.log(2.0), abs=0.01)


WRONG = (
    *(("measured_ms", wrong) for wrong in (float("nan"), float("inf"), -1.0, 0.0)),
    *(("predicted_ms", -1.0), ("low_ms", float("nan")), ("low_ms", 1e9), ("high_ms", 0.0)),
    *(("launches", float("nan")), ("host_ms", -1.0), ("winograd_share", 2.0), ("half", float("nan"))),
    *(("phase", "dance"), ("device_kind", "tpu"), ("mode", "dance"), ("device", None), ("checkpoint", "x")),
)


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_table_that_was_never_written_so_is_refused_by_its_row(tmp_path, name, value):
    path = tmp_path / "errors.parquet"
    errors = table(dict.fromkeys(KEYS, 2.0))
    errors[name] = errors[name].astype(object)
    errors.loc[3, name] = value
    write_errors(path, errors.infer_objects())
    with pytest.raises(PerfseerError, match=rf"{name} = .* in row 3\b"):
        read_errors(path)


def test_times_without_intervals_are_read_and_a_table_without_rows_is_not(tmp_path):
    path = tmp_path / "errors.parquet"
    errors = table(dict.fromkeys(KEYS, 2.0))
    write_errors(path, errors.assign(low_ms=np.nan, high_ms=np.nan))
    assert len(read_errors(path)) == len(errors)
    write_errors(path, errors.head(0))
    with pytest.raises(PerfseerError, match="empty"):
        read_errors(path)


def test_the_section_names_sources_that_there_are():
    assert set(section(DevicesSettings, PARAMS, "devices").sources) == {
        *("timm_results", "pytorch_gpu_benchmark", "once_for_all", "neusight_models")
    }
    unknown = {**PARAMS["devices"], "sources": {"nobody": {}}}
    with pytest.raises(PerfseerError, match="nobody"):
        section(DevicesSettings, {"devices": unknown}, "devices")


def test_the_shipped_transfer_is_of_the_shipped_predictor():
    folder = shipped()["default"]
    kept = json.loads((folder / "transfer.json").read_text(encoding="utf-8"))
    assert kept["checkpoint"] == checkpoint_digest(folder)


def test_goals_are_judged_by_device():
    """Five cards, four as predicted and one in half the time: answered from the four, it is off by 100 %."""
    factors = dict.fromkeys(KEYS, 1.0) | {KEYS[0]: 0.5}
    study = Study(section(DevicesSettings, PARAMS, "devices"), table(factors))
    reached = {goal.title: goal.value(study) for goal in GOALS}
    small = next(goal for goal in GOALS if goal.title.startswith("images"))
    off = (study.rows["answer_ms"] / study.rows["measured_ms"] - 1).abs().groupby(study.rows["device"]).mean()
    assert small.value(study) == pytest.approx(100 * sorted(off)[2])
    assert small.value(study) < 20
    assert np.isnan(reached["… worst device [%]"])  # nothing was measured at batch 32
    large = Study(study.settings, table(factors).assign(batch_size=64))
    worst = next(goal for goal in GOALS if goal.title == "… worst device [%]")
    assert worst.value(large) == pytest.approx(100.0, rel=0.02)
    assert "missed by 82" in goals_table(large)


def test_readme_says_of_unseen_cards_what_the_report_says():
    """Median card, worst card, coverage and width of inference, as the committed report has them."""
    report = (ROOT / "reports/devices.md").read_text(encoding="utf-8")
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    said = {}
    for who in ("device", "host"):
        line = next(line for line in report.splitlines() if f"inference, bound by the {who}:" in line)
        said[who] = [float(text) for text in re.findall(r"([\d.]+) %", line)] + [float(line.split()[-1])]
    (median, worst, held, width), (slower, slowest, held_too, wider) = said["device"], said["host"]
    assert f"{median:.0f} % on the median card and {worst:.0f} % on the worst" in readme
    assert f"{slower:.0f} and {slowest:.0f} % where the host does" in readme
    assert (
        f"a factor {width:.1f} and {wider:.1f} from end to end, held {held:.0f} and {held_too:.0f} %"
        in readme
    )
