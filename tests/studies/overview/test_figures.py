"""Figures: byte-stable, complete, and honest about what is missing."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from perfseer.reporting.document import publish
from perfseer.reporting.style import save, styled
from perfseer.studies.experiment import load_experiment
from perfseer.studies.overview.about import DOCUMENT
from perfseer.studies.overview.figures import figure_makers, mape_by_predictor, scatter
from perfseer.studies.overview.graph_figure import graph_figure, layers, positions
from tests.helpers.experiment_files import write_experiment
from tests.helpers.synthetic import make_graph

SEEDS = (0, 1)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    missing = tuple(("seernet_multi", "architecture", seed) for seed in SEEDS)
    return load_experiment(*write_experiment(tmp_path_factory.mktemp("experiment"), missing))


def texts(figure):
    return {text.get_text() for axes in figure.axes for text in axes.texts}


def test_detailed_predictors_have_their_figures_and_no_others(experiment):
    scatters = {name for name in figure_makers(experiment) if name.startswith("predicted_vs_measured_")}
    assert scatters == {f"predicted_vs_measured_{name}" for name in ("boosting", "seernet", "seernet_multi")}


def test_equal_data_give_equal_bytes(experiment, tmp_path):
    for name in ("a.svg", "b.svg"):
        with styled():
            save(mape_by_predictor(experiment), tmp_path / name)
    first = (tmp_path / "a.svg").read_bytes()
    assert first == (tmp_path / "b.svg").read_bytes()
    assert b"<dc:date>" not in first


def test_stale_figures_of_the_same_document_are_removed(tmp_path):
    folder = tmp_path / "figures"
    folder.mkdir()
    for name in ("graph_old", "comparison_old", "ablation_old"):
        (folder / f"{name}.svg").write_text("<svg/>")
    publish(DOCUMENT, "text", tmp_path, figures={"graph": Figure}, tables={})
    assert {path.stem for path in folder.iterdir()} == {"graph", "comparison_old", "ablation_old"}


def test_bars_stand_for_the_recorded_mape(experiment):
    axes = mape_by_predictor(experiment).axes[0]
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == pytest.approx([8.1, 5.1])
    assert "missing" in {text.get_text() for text in axes.texts}


def test_the_floor_is_a_line_across_the_bars(experiment):
    axes = mape_by_predictor(experiment).axes[0]
    (line,) = (line for line in axes.lines if line.get_linestyle() == "--")
    assert line.get_ydata() == pytest.approx([2.2986] * 2, abs=1e-4)


def test_without_repeats_there_is_no_line(experiment):
    figure = mape_by_predictor(replace(experiment, floors={}))
    assert not [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert "floor" not in figure.get_suptitle()


def test_missing_and_unsupported_panels_say_so(experiment):
    assert texts(scatter(experiment, "seernet_multi")) == {"missing"}
    assert "n/a" in texts(scatter(experiment, "roofline"))


def test_scatter_shows_every_test_row(experiment):
    axes = scatter(experiment, "seernet").axes[0]
    (points,) = [c for c in axes.collections if len(c.get_offsets()) > 1]
    rows = sum(run.record.n.test for run in experiment.runs_of("seernet", "architecture"))
    assert len(points.get_offsets()) == rows


def test_layers_follow_the_longest_path():
    graph = make_graph(30, 60)
    depth = layers(graph)
    senders, receivers = graph.edge_index
    assert (depth[receivers] > depth[senders]).all()
    # Each layer but the first is reached from the one before.
    for node in np.flatnonzero(depth):
        assert (depth[senders[receivers == node]] == depth[node] - 1).any()


def test_nodes_do_not_overlap():
    graph = make_graph(60, 90)
    x, y = positions(graph, layers(graph))
    assert len({(round(a, 6), round(b, 6)) for a, b in zip(x, y, strict=True)}) == graph.n_nodes


def test_graph_figure_names_the_network(experiment):
    (axes,) = graph_figure(experiment).axes
    number, graph = experiment.example
    assert experiment.rows.iloc[number]["architecture"] in axes.get_title()
    assert f"{graph.n_nodes} operators" in axes.get_title()
