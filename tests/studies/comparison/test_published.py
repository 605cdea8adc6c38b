"""Published figures: every row of the table can stand beside one of ours."""

import pytest

from perfseer.predictors.registry import PREDICTOR_NAMES
from perfseer.studies.accuracy import metric_columns
from perfseer.studies.experiment import load_experiment
from perfseer.studies.published import OTHERS, SEERNET
from perfseer.targets import TARGET_NAMES


@pytest.fixture(scope="module")
def experiment(part):
    return load_experiment(*part)


@pytest.mark.parametrize("entry", [*SEERNET, *OTHERS], ids=lambda entry: f"{entry.system}-{entry.target}")
def test_a_figure_corresponds_to_one_of_ours(entry, experiment):
    assert entry.predictor in PREDICTOR_NAMES
    assert entry.target in (*TARGET_NAMES, "mean")
    assert entry.metric in metric_columns(experiment)
    assert entry.split in experiment.splits
    assert entry.value is None or entry.value > 0
    assert entry.differs
    assert entry.source


def test_the_papers_own_figures():
    means = [(entry.predictor, entry.value) for entry in SEERNET if entry.target == "mean"]
    assert means == [("seernet", 5.14), ("seernet_multi", 7.75), ("seernet", 3.898), ("seernet_multi", 3.923)]
