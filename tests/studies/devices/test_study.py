"""The study on unseen devices: what it learns from whom, by hand; its report and verbs on a small table."""

import json
import re
from itertools import product

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from perfseer.cli.main import app
from perfseer.errors import PerfseerError
from perfseer.forecast.shelf import checkpoint_digest, shipped
from perfseer.forecast.strangeness import STRANGE_COLUMNS
from perfseer.predictors.parts.work_profile import PROFILE_COLUMNS
from perfseer.studies.devices.errors import COLUMNS, made_from, place, read_errors, write_errors
from perfseer.studies.devices.goals import GOALS, goals_table
from perfseer.studies.devices.render import render
from perfseer.studies.devices.rows import GRAPHS_FILE, ROWS_FILE
from perfseer.studies.devices.settings import DevicesSettings
from perfseer.studies.devices.study import (
    Study,
    answers,
    error_pct,
    inside,
    lessons,
    regimes_of,
    with_one_factor,
)
from perfseer.validation import section
from tests.helpers.places import PARAMS, ROOT

# Two seeds and two folds are enough to see that all are read.
SETTINGS = {"devices": {**PARAMS["devices"], "seeds": [0, 1], "folds": 2, "known": [5]}}
KEYS = ("v100-pcie-32gb", "t4", "p4", "a100-pcie-40gb", "h100-sxm")


def table(factors, *, rows=12, host_ms=0.0, seed=0, fold=0, made_from="abc"):
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
                    **{"roofline_ms": 2 * predicted, "launches": 1, "host_ms": host_ms},
                    **dict.fromkeys((*STRANGE_COLUMNS, *PROFILE_COLUMNS), 0.0),
                    "single": 1.0,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)].assign(
        seed=seed, fold=fold, made_from=made_from
    )


def answered(errors):
    return answers(errors, lessons(errors), 0.9)


def test_a_device_is_answered_from_the_others_alone():
    """Four devices take 2 x, one 8 x: it is answered with 2 x, or a little less, since four may be chance."""
    factors = dict.fromkeys(KEYS, 2.0) | {KEYS[0]: 8.0}
    rows = answered(table(factors))
    assert list(rows.index) == list(range(len(rows)))
    odd = rows[rows["device"] == KEYS[0]]
    assert (odd["answer_ms"] / odd["predicted_ms"]).to_numpy() == pytest.approx(2.0, rel=0.08)
    assert not inside(odd).any()
    assert error_pct(odd, "answer_ms") == pytest.approx(75.0, abs=2.5)


def test_rows_that_wait_for_their_host_teach_nothing():
    slow = table({**dict.fromkeys(KEYS, 2.0)}, host_ms=1e3)
    assert regimes_of(slow) == {}
    rows = answered(slow)
    assert (rows["decides"] == "host").all()
    assert rows["answer_ms"].to_numpy() == pytest.approx(rows["predicted_ms"].to_numpy(), rel=0.01)


def test_too_few_devices_teach_nothing():
    rows = answered(table(dict.fromkeys(KEYS[:3], 2.0)))
    assert rows["answer_ms"].tolist() == rows["predicted_ms"].tolist()
    assert rows["answer_low_ms"].isna().all()


def test_one_factor_is_of_the_other_architectures():
    rows = table({KEYS[0]: 3.0}, rows=4)
    rows.loc[0, "measured_ms"] = 1e6
    moved = with_one_factor(rows, "predicted_ms")
    assert moved[0] == pytest.approx(3.0 * rows["predicted_ms"][0])
    assert np.isnan(with_one_factor(table({KEYS[0]: 3.0}, rows=1), "predicted_ms")).all()


@pytest.fixture
def study(tmp_path):
    """A folder of fits: five cards a fold and seed, and one variant."""
    settings = section(DevicesSettings, SETTINGS, "devices")

    def write():
        folder = tmp_path / "devices"
        folder.mkdir(exist_ok=True)
        for name in (ROWS_FILE, GRAPHS_FILE):
            (folder / name).write_text("gathered", encoding="utf-8")
        fits = {None: settings.seeds, **dict.fromkeys(settings.variants, settings.seeds[:1])}
        for variant, seeds in fits.items():
            made = made_from(settings.variant(variant), folder)
            for seed, fold in product(seeds, range(settings.folds)):
                factors = {key: 1.0 + 0.1 * number for number, key in enumerate(KEYS)}
                errors = table(factors, seed=seed, fold=fold, made_from=made)
                write_errors(folder / place(variant, seed, fold), errors)
        return tmp_path

    return write


def test_the_report_holds_every_device_and_is_the_same_twice(study, tmp_path):
    folder = study()
    texts = []
    for name in ("one", "two"):
        render(SETTINGS, folder, tmp_path / name)
        texts.append((tmp_path / name / "devices.md").read_text(encoding="utf-8"))
        assert len(list((tmp_path / name / "figures").glob("devices_*.svg"))) == 3
    assert texts[0] == texts[1]
    assert all(f"| {key} |" in texts[0] for key in KEYS)
    listed = pd.read_csv(tmp_path / "one/plots/devices_errors.csv")
    assert len(listed) == 12 * len(KEYS) * 2 * 2


def test_what_is_learnt_is_shipped_beside_a_predictor_of_the_same_kind(study, tmp_path):
    folder = study()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "predictor.json").write_text(json.dumps({"name": "seernet_x"}), encoding="utf-8")
    changed = {"devices": {**SETTINGS["devices"], "predictor": str(mine)}}
    arguments = ["devices", "ship", "--params", json.dumps(changed), "--study", str(folder / "devices")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    kept = json.loads((mine / "transfer.json").read_text(encoding="utf-8"))
    assert kept["checkpoint"] == checkpoint_digest(mine)
    exponents = kept["regimes"]["cuda-infer"]["correction"]["exponents"]
    assert exponents[STRANGE_COLUMNS.index("single")] == pytest.approx(np.log(1.2), abs=0.03)
    (mine / "predictor.json").write_text(json.dumps({"name": "boosting"}), encoding="utf-8")
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, PerfseerError)
    assert "boosting" in str(result.exception)


def test_fits_of_different_settings_are_not_mixed(study):
    folder = study()
    settings = section(DevicesSettings, SETTINGS, "devices")
    other = table({KEYS[0]: 1.0}, seed=settings.seeds[0], fold=1, made_from="other")
    write_errors(folder / "devices" / place(None, settings.seeds[0], 1), other)
    with pytest.raises(PerfseerError, match="other, expected"):
        read_errors(folder / "devices", settings)


def test_fits_of_earlier_settings_are_not_shipped(study):
    folder = study()
    changed = section(DevicesSettings, {"devices": {**SETTINGS["devices"], "rows": 11}}, "devices")
    with pytest.raises(PerfseerError, match="other settings or rows"):
        read_errors(folder / "devices", changed)


WRONG = (
    *(("measured_ms", wrong) for wrong in (float("nan"), float("inf"), -1.0, 0.0)),
    *(("predicted_ms", -1.0), ("roofline_ms", 0.0), ("seed", -1.0)),
    *(("launches", float("nan")), ("host_ms", -1.0), ("winograd_share", 2.0), ("half", float("nan"))),
    *(("phase", "dance"), ("device_kind", "tpu"), ("mode", "dance"), ("device", None), ("made_from", "x")),
)


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_table_that_was_never_written_so_is_refused_by_its_row(study, name, value):
    settings = section(DevicesSettings, SETTINGS, "devices")
    folder = study() / "devices"
    errors = table(dict.fromkeys(KEYS, 2.0))
    errors[name] = errors[name].astype(object)
    errors.loc[3, name] = value
    write_errors(folder / place(None, settings.seeds[0], 0), errors.infer_objects())
    with pytest.raises(PerfseerError, match=rf"{name} = .* in row 3\b"):
        read_errors(folder, settings)


def test_a_table_without_rows_is_not_read(study):
    settings = section(DevicesSettings, SETTINGS, "devices")
    folder = study() / "devices"
    write_errors(folder / place(None, settings.seeds[0], 0), table(dict.fromkeys(KEYS, 2.0)).head(0))
    with pytest.raises(PerfseerError, match="empty"):
        read_errors(folder, settings)


def test_the_section_names_sources_that_there_are():
    settings = section(DevicesSettings, PARAMS, "devices")
    assert {*settings.sources, *settings.operators} == {
        *("timm_results", "pytorch_gpu_benchmark", "once_for_all", "neusight_models"),
        *("neusight_operators", "vidur_operators"),
    }
    unknown = {**PARAMS["devices"], "sources": {"nobody": {}}}
    with pytest.raises(PerfseerError, match="nobody"):
        section(DevicesSettings, {"devices": unknown}, "devices")


def test_the_shipped_transfer_is_of_the_shipped_predictor():
    folder = shipped()["default"]
    kept = json.loads((folder / "transfer.json").read_text(encoding="utf-8"))
    assert kept["checkpoint"] == checkpoint_digest(folder)


def test_goals_are_judged_by_device():
    """Five cards, four as predicted, one in half the time: answered from the four, it is off by 100 %."""
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
