"""The predictor that comes with the package: fitted on every file, with the study's errors on its card."""

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.forecast.card import read_card
from perfseer.forecast.predictor import Predictor
from perfseer.studies.public.fitting import Case, draw_folds, run
from perfseer.studies.public.records import FoldRecord
from perfseer.studies.public.shipping import ship
from tests.helpers.public_results import CPU, FILES, GPU_NEW, results, settings, silent, stand_in

SMALL = {"hidden": 8, "epochs": 2, "batch_size": 32, "trees": 10}
ENTRANTS = {"seernet_x": {"predictor": "seernet_x", "fit": "joint", "settings": SMALL}}
ALONE = {
    "means": {},
    "variants": {},
    "subject": "seernet_x",
    "entrants": ENTRANTS,
    "seeds": (0,),
    "folds": 2,
    "groupings": ("architecture",),
}


@pytest.fixture(scope="module")
def many():
    """Enough architectures for a network to learn from."""
    return results(60)


def test_it_carries_what_the_study_found(monkeypatch, many, tmp_path):
    stand_in(monkeypatch, many)
    section = settings(**ALONE)
    study, out = tmp_path / "study", tmp_path / "shipped"
    with pytest.raises(PerfseerError, match="seernet_x/architecture/0/0"):
        ship(section, study, out, silent)
    paths = run(Case(section, "seernet_x", "architecture", 0), study, 1, silent)
    ship(section, study, out, silent)
    card = read_card(out)
    assert card.sources == FILES
    assert card.default_target == "rtx3090-amp-fp16-nchw-eager-torch2.4"
    assert {entry.label for entry in card.held_out} == {"train_time_ms", "infer_time_ms"}
    tables = [FoldRecord.read(path).read_table(path) for path in paths]
    errors = [
        (rows["predicted_ms"] / rows["actual_ms"] - 1).abs()
        for rows in (table[table["source"] == CPU] for table in tables)
    ]
    expected = 100 * float(np.concatenate(errors).mean())
    (cpu,) = [entry for entry in card.held_out if entry.target and entry.target.startswith("i9")]
    assert cpu.mape_pct == pytest.approx(expected, abs=1e-3)
    assert cpu.rows == int((many.rows["source"] == CPU).sum())
    assert 0 <= (cpu.interval_coverage_pct or -1) <= 100
    of_cpu = many.rows[many.rows["source"] == CPU]["batch_size"]
    assert cpu.batch_sizes == (of_cpu.min(), of_cpu.max())
    gpus = [entry for entry in card.held_out if entry.target and not entry.target.startswith("i9")]
    assert {bound.target for bound in card.hosts} == {entry.target for entry in gpus}
    assert all(bound.us_per_launch > 0 for bound in card.hosts)
    shipped = Predictor.load(out)
    assert card.default_target in {platform.key for platform in shipped.platforms}


def test_some_architectures_are_kept_aside_to_calibrate_on(monkeypatch, many):
    stand_in(monkeypatch, many)
    section = settings(**ALONE)
    aside = draw_folds(section, "architecture", 0).kept_aside(many.rows)
    names = many.rows["architecture"]
    inside = set(names.iloc[aside])
    assert len(inside) == round(section.valid_share * names.nunique())
    assert not inside & set(names.drop(index=aside))
    assert GPU_NEW in set(many.rows["source"].iloc[aside])
