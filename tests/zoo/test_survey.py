"""The survey of the search space: exact at every batch size, and near the paper's table."""

import numpy as np
import pytest
import torch

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.graphs.vocabulary import OPERATORS
from perfseer.studies.published import DISTRIBUTION
from perfseer.zoo.builder import build
from perfseer.zoo.sampler import sample
from perfseer.zoo.space import SearchSpace, n_parameters
from perfseer.zoo.survey import COLUMNS, SurveySettings, forward_totals, survey
from tests.helpers.places import PARAMS
from tests.helpers.search_space import LITERAL, SPACE, SURVEY

PAPER = {entry.column: entry for entry in DISTRIBUTION}

zoo = SearchSpace.from_mapping(SPACE)
settings = SurveySettings.from_mapping(SURVEY)


@pytest.fixture(scope="module")
def table():
    return survey(zoo, settings)


def test_one_row_per_network_and_batch_size(table):
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 12
    specs = sample(settings.space(zoo), 3)
    assert table["architecture"].tolist() == [spec.id for spec in specs for _ in range(4)]
    assert table["batch_size"].tolist() == [1, 2, 5, 16] * 3
    assert table["family"].tolist() == [spec.family for spec in specs for _ in range(4)]
    assert (
        table[["style_1", "style_2", "style_3", "style_4"]].agg("+".join, axis=1) == table["family"]
    ).all()
    assert table["n_parameters"].tolist() == [n_parameters(spec) for spec in specs for _ in range(4)]


def test_batch_sizes_never_captured_are_exact(table):
    specs = {spec.id: spec for spec in sample(settings.space(zoo), 3)}
    for row in table[table["batch_size"].isin([5, 16])].itertuples():
        with torch.device("meta"):
            module = build(specs[row.architecture])
            x = torch.empty(row.batch_size, 3, 64, 64)
        graph = capture(module, (x,), backward=False)
        assert (row.flops, row.bytes) == (graph.total_flops, graph.total_bytes)


def test_graphs_hold_the_operators_of_the_papers_data_and_no_other():
    seen = set()
    for spec in sample(zoo, 8):
        with torch.device("meta"):
            graph = capture(build(spec), (torch.empty(2, 3, 64, 64),), backward=True)
        assert not graph.unknown
        assert graph.n_parameters == n_parameters(spec)
        seen |= {OPERATORS[index] for index in graph.operators}
    # METHODS 1.1 lists ten; Flatten is a view and so no node.
    nine = {
        "conv",
        "relu",
        "batch_norm",
        "concat",
        "avg_pool",
        "global_avg_pool",
        "linear",
        "max_pool",
        "add",
    }
    assert seen - {"loss"} == nine


def test_flops_are_proportional_to_the_batch_size(table):
    per_sample = table["flops"] / table["batch_size"]
    assert (per_sample.groupby(table["architecture"]).nunique() == 1).all()


def test_flops_of_a_literal_network_by_hand():
    # 64 pixels; sizes 32, 16, 8, 4, 2. Multiply-accumulates of the convolutions and of the head.
    stem = 3 * 9 * 8 * 32**2
    vgg = 8 * 9 * 8 * 16**2
    googlenet = (8 * 2 + 8 * 4 + 4 * 9 * 4 + 8 * 1 + 1 * 25 * 1 + 8 * 1) * 8**2
    resnet = 8 * 4 * 8**2 + (2 * 9 * 4 + 4 * 8 + 8 * 8) * 4**2
    mobilenet = 8 * 16 * 4**2 + (9 * 16 + 16 * 8) * 2**2
    macs = stem + vgg + googlenet + resnet + mobilenet + 8 * 10
    assert [flops for flops, _ in forward_totals(LITERAL, 64)] == [2 * macs, 4 * macs]


def test_the_number_of_processes_does_not_matter(table):
    assert survey(zoo, settings, workers=2).equals(table)


def test_progress_is_reported_for_each_network():
    calls = []
    survey(zoo, settings, advance=lambda: calls.append(None))
    assert len(calls) == 3


def test_no_workers_are_refused():
    with pytest.raises(PerfseerError, match="workers is 0"):
        survey(zoo, settings, workers=0)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"architectures": 0}, "architectures is 0"),
        ({"batch_sizes": []}, "batch_sizes is empty"),
        ({"batch_sizes": [1, 0]}, "batch_sizes is 0"),
        ({"batch_sizes": [1, "2"]}, r"batch_sizes\[1\]"),
        ({"resolution": 16}, "resolution is 16"),
        ({"depth": [2, 1]}, r"depth\[1\] is 1, expected 2"),
        ({"width": [8, 60]}, r"width\[1\] is 60"),
        ({"seed": 0}, "unknown keys"),
    ],
)
def test_hostile_settings_are_refused_by_name(change, named):
    with pytest.raises(PerfseerError, match=named):
        SurveySettings.from_mapping(SURVEY | change)


@pytest.fixture(scope="module")
def shipped():
    return SearchSpace.from_mapping(PARAMS["zoo"]), SurveySettings.from_mapping(PARAMS["survey"])


def test_shipped_settings_give_the_papers_parameters(shipped):
    base, own = shipped
    counts = np.array([n_parameters(spec) for spec in sample(own.space(base), 3_000)])
    assert np.mean(counts) == pytest.approx(PAPER["n_parameters"].mean, rel=0.3)
    assert np.median(counts) == pytest.approx(PAPER["n_parameters"].median, rel=0.3)
    assert counts.min() < 3 * PAPER["n_parameters"].minimum
    assert counts.max() <= base.max_parameters


def test_shipped_settings_give_the_papers_order_of_flops_and_bytes(shipped):
    base, own = shipped
    table = survey(base, SurveySettings(**{**own.__dict__, "architectures": 24}))
    for column in ("flops", "bytes"):
        # Two dozen networks: a factor of two is what a wrong range or a wrong unit would break.
        assert 0.5 < table[column].median() / PAPER[column].median < 2
        assert 0.5 < table[column].mean() / PAPER[column].mean < 2
