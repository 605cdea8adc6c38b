import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from perfseer.data.features import GLOBAL_COLUMNS, NODE_COLUMNS, graph_features
from perfseer.data.normalisation import CLIP, FeatureNormaliser, LabelNormaliser, Normaliser
from perfseer.data.packed import PackedGraphs
from perfseer.data.settings import LabelSettings
from perfseer.errors import PerfseerError
from perfseer.graphs.vocabulary import HYPERPARAMETERS
from perfseer.targets import TARGET_NAMES, TARGETS
from tests.helpers.synthetic import SETTINGS, make_graph

LABELS = np.array(
    [
        [1.0, 100.0, 20.0, 0.5, 50.0, 100.0],
        [np.e**2, 200.0, 50.0, 5.0, 60.0, 99.0],
        [np.e, 150.0, 80.0, 2.0, 70.0, 1.0],
    ]
)
MARGIN = 2.3
UTILISATION = [i for i, target in enumerate(TARGETS) if target.quantity == "util"]


def fit(labels=LABELS):
    return LabelNormaliser.fit(labels, SETTINGS.labels)


def test_encoding_by_hand():
    # ln of the first column is 0, 2, 1: mean 1, standard deviation sqrt(2/3).
    z = fit().encode(LABELS)
    np.testing.assert_allclose(z[:, 0], np.array([-1, 1, 0]) / np.sqrt(2 / 3))
    # ln(y / (101 − y)) of 20, 50, 80.
    logits = np.log([20 / 81, 50 / 51, 80 / 21])
    np.testing.assert_allclose(z[:, 2], (logits - logits.mean()) / logits.std())


def test_decoding_inverts_encoding_saturated_utilisation_included():
    np.testing.assert_allclose(fit().decode(fit().encode(LABELS)), LABELS, rtol=1e-12)


def test_decoding_stops_at_the_training_range_widened_by_the_margin():
    low, high = fit().decode(np.full((1, 6), -1e30))[0], fit().decode(np.full((1, 6), 1e30))[0]
    np.testing.assert_allclose(low[0], 1.0 * np.exp(-MARGIN))
    np.testing.assert_allclose(high[0], np.e**2 * np.exp(MARGIN))
    np.testing.assert_allclose(high[2], 101 / (1 + 21 / 80 * np.exp(-MARGIN)))
    assert high[5] == 100.0
    assert 0 < low[5] < 1.0


@settings(deadline=None)
@given(arrays(np.float64, (3, 6), elements=st.floats(-1e300, 1e300)))
def test_any_finite_output_decodes_into_the_physical_range(z):
    decoded = fit().decode(z)
    assert np.isfinite(decoded).all()
    assert (decoded > 0).all()
    assert (decoded[:, UTILISATION] <= 100).all()


@settings(deadline=None)
@given(arrays(np.float64, (4, 6), elements=st.floats(1e-9, 100)), st.floats(0, 20))
def test_invertible_whatever_the_training_labels(labels, margin):
    widened = SETTINGS.labels.model_copy(
        update={
            name: getattr(SETTINGS.labels, name).model_copy(update={"margin": margin})
            for name in ("time", "util")
        }
    )
    normaliser = LabelNormaliser.fit(labels, widened)
    np.testing.assert_allclose(normaliser.decode(normaliser.encode(labels)), labels, rtol=1e-9)


TRANSFORMS = [
    {"transform": transform, "standardise": standardise}
    for transform in ("log", "log1p", "identity")
    for standardise in (True, False)
]


def fit_with(changes, labels=LABELS):
    """Times and memory transformed by ``changes``; utilisation too, but log and log1p are logit there."""
    bounded = changes | {"transform": "identity" if changes["transform"] == "identity" else "logit"}
    settings = {name: {**getattr(SETTINGS.labels, name).model_dump(), **changes} for name in ("time", "mem")}
    settings["util"] = {**SETTINGS.labels.util.model_dump(), **bounded}
    return LabelNormaliser.fit(labels, LabelSettings.model_validate(settings))


def test_the_ablated_transforms_by_hand():
    raw = fit_with({"transform": "identity", "standardise": False})
    np.testing.assert_array_equal(raw.encode(LABELS), LABELS)
    plain = fit_with({"transform": "log", "standardise": False})
    np.testing.assert_allclose(plain.encode(LABELS)[:, 0], [0, 2, 1], atol=1e-15)
    scores = fit_with({"transform": "log1p", "standardise": True})
    values = np.log(1 + LABELS[:, 0])
    np.testing.assert_allclose(scores.encode(LABELS)[:, 0], (values - values.mean()) / values.std())


@pytest.mark.parametrize("changes", TRANSFORMS, ids=str)
def test_every_transform_is_invertible(changes):
    normaliser = fit_with(changes)
    np.testing.assert_allclose(normaliser.decode(normaliser.encode(LABELS)), LABELS, rtol=1e-12)
    restored = LabelNormaliser.from_json(json.loads(json.dumps(normaliser.to_json())))
    assert restored == normaliser


@pytest.mark.parametrize("changes", TRANSFORMS, ids=str)
def test_the_bounds_of_decoding_do_not_depend_on_the_transform(changes):
    """A factor of e^margin beyond the training range of times and memory; utilisation's log-odds alike."""
    for output in (-1e30, 1e30):
        expected = fit().decode(np.full((1, 6), output))
        np.testing.assert_allclose(fit_with(changes).decode(np.full((1, 6), output)), expected, rtol=1e-12)


@pytest.mark.parametrize("changes", TRANSFORMS, ids=str)
@pytest.mark.parametrize("extreme", [5e-324, 1.7e308])
def test_every_transform_survives_extreme_labels(changes, extreme):
    labels = LABELS.copy()
    labels[0, 0] = extreme
    normaliser = fit_with(changes, labels)
    assert np.isfinite(normaliser.encode(labels)).all()
    for output in (-1e300, 0.0, 1e300):
        decoded = normaliser.decode(np.full((1, 6), output))
        assert np.isfinite(decoded).all()
        assert (decoded > 0).all()
        assert (decoded[:, UTILISATION] <= 100).all()


@settings(deadline=None)
@given(arrays(np.float64, (3, 6), elements=st.floats(-1e300, 1e300)), st.sampled_from(TRANSFORMS))
def test_any_finite_output_decodes_into_the_physical_range_with_every_transform(z, changes):
    decoded = fit_with(changes).decode(z)
    assert np.isfinite(decoded).all()
    assert (decoded > 0).all()
    assert (decoded[:, UTILISATION] <= 100).all()


def test_without_a_z_score_the_labels_keep_their_scale():
    scale = fit_with({"transform": "log1p", "standardise": False}).scales["train_time_ms"]
    assert (scale.mean, scale.scale) == (0.0, 1.0)


@pytest.mark.parametrize("extreme", [5e-324, 1e-300, 1e300, 1.7e308])
def test_extreme_labels_still_decode_to_something_finite_and_positive(extreme):
    labels = LABELS.copy()
    labels[0, 0] = extreme
    for output in (-1e300, 0.0, 1e300):
        decoded = fit(labels).decode(np.full((1, 6), output))
        assert np.isfinite(decoded).all()
        assert (decoded > 0).all()


def test_equal_labels_encode_to_zero_and_decode_to_themselves():
    labels = np.repeat(LABELS[:1], 3, axis=0)
    assert np.abs(fit(labels).encode(labels)).max() < 1e-12
    np.testing.assert_allclose(fit(labels).decode(np.zeros((1, 6))), labels[:1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_finite_are_refused(bad):
    z = np.zeros((2, 6))
    z[1, 3] = bad
    with pytest.raises(PerfseerError, match=r"1 .*infer_time_ms"):
        fit().decode(z)


@pytest.mark.parametrize("bad", [-np.inf, np.inf, 0.0, -1.0, 100.5])
def test_bad_labels_are_refused(bad):
    labels = LABELS.copy()
    labels[1, 2] = bad
    with pytest.raises(PerfseerError, match=r"1 .*train_util_pct"):
        fit(labels)
    with pytest.raises(PerfseerError, match=r"1 .*train_util_pct"):
        fit().encode(labels)


def test_a_row_without_a_label_teaches_nothing_of_it_and_is_never_encoded():
    labels = LABELS.copy()
    labels[1, 2] = np.nan
    found = fit(labels)
    without = LABELS[np.arange(len(LABELS)) != 1]
    assert found.scales["train_util_pct"] == fit(without).scales["train_util_pct"]
    assert found.scales["infer_time_ms"] == fit().scales["infer_time_ms"]
    with pytest.raises(PerfseerError, match=r"1 .*train_util_pct"):
        fit().encode(labels)
    with pytest.raises(PerfseerError, match=r"no training .*train_util_pct"):
        fit(np.where(np.arange(6) == 2, np.nan, LABELS))


def test_nothing_to_fit_on():
    with pytest.raises(PerfseerError, match="no training"):
        fit(np.zeros((0, 6)))


def test_wrong_number_of_columns():
    with pytest.raises(PerfseerError, match=r"shape \(3, 2\), expected \[n, 6\]"):
        fit().encode(LABELS[:, :2])


def test_select_keeps_the_columns_asked_for_in_their_order():
    names = ("infer_util_pct", "train_time_ms")
    chosen = fit().select(names)
    assert chosen.targets == names
    np.testing.assert_array_equal(chosen.encode(LABELS[:, [5, 0]]), fit().encode(LABELS)[:, [5, 0]])


def test_json_round_trip_is_exact():
    features = raw_features()
    original = Normaliser(fit(), FeatureNormaliser.fit(features, np.arange(4)))
    text = json.dumps(original.to_json(), sort_keys=True, allow_nan=False)
    restored = Normaliser.from_json(json.loads(text))
    assert restored.labels == original.labels
    assert restored.labels.targets == TARGET_NAMES
    assert json.dumps(restored.to_json(), sort_keys=True) == text
    for block in ("nodes", "edges", "globals_"):
        expected = getattr(original.features.transform(features), block)
        np.testing.assert_array_equal(getattr(restored.features.transform(features), block), expected)


def raw_features():
    return graph_features(PackedGraphs.pack([make_graph(3 + seed, 2 * seed, seed) for seed in range(6)]))


def test_features_of_the_training_graphs_are_z_scores():
    features = raw_features()
    train = np.array([0, 2, 3, 3])
    normalised = FeatureNormaliser.fit(features, train).transform(features.take(np.array([0, 2, 3])))
    assert normalised.nodes.dtype == normalised.edges.dtype == normalised.globals_.dtype == np.float32
    column = NODE_COLUMNS.index("flops")
    raw = np.log1p(features.take(np.array([0, 2, 3])).nodes[:, column])
    np.testing.assert_allclose(
        normalised.nodes[:, column], (raw - raw.mean()) / raw.std(), rtol=1e-5, atol=1e-6
    )
    column = GLOBAL_COLUMNS.index("density")
    raw = features.take(np.array([0, 2, 3])).globals_[:, column]
    np.testing.assert_allclose(
        normalised.globals_[:, column], (raw - raw.mean()) / raw.std(), rtol=1e-5, atol=1e-6
    )


def test_statistics_come_from_the_training_graphs_only():
    features = raw_features()
    few = features.take(np.array([0, 1, 2]))
    assert (
        FeatureNormaliser.fit(features, np.array([2, 0, 1])).to_json()
        == FeatureNormaliser.fit(few, np.arange(3)).to_json()
    )


def test_constant_columns_become_zero_even_where_a_later_graph_differs():
    graphs = [make_graph(4, 3, seed, batch_size=8) for seed in range(3)] + [
        make_graph(4, 3, 9, batch_size=64)
    ]
    features = graph_features(PackedGraphs.pack(graphs))
    normalised = FeatureNormaliser.fit(features, np.arange(3)).transform(features)
    assert (normalised.globals_[:, GLOBAL_COLUMNS.index("batch_size")] == 0).all()


def test_blocks_left_out_become_constant():
    features = raw_features()
    normaliser = FeatureNormaliser.fit(features, np.arange(6))
    for block, others in (("nodes", ("edges", "globals_")), ("globals_", ("nodes", "edges"))):
        left_out, full = normaliser.without(block).transform(features), normaliser.transform(features)
        assert (getattr(left_out, block) == 0).all()
        for other in others:
            np.testing.assert_array_equal(getattr(left_out, other), getattr(full, other))


def test_an_unseen_extreme_is_clipped():
    small = [make_graph(4, 3, seed) for seed in range(3)]
    features = graph_features(PackedGraphs.pack([*small, make_graph(4000, 5000)]))
    normalised = FeatureNormaliser.fit(features, np.arange(3)).transform(features)
    assert all(np.abs(v).max() <= CLIP for v in (normalised.nodes, normalised.edges, normalised.globals_))
    column = GLOBAL_COLUMNS.index("total_flops")
    assert np.abs(normalised.globals_[:3, column]).max() < 2


def test_a_rare_operator_keeps_its_values():
    # One node in 201 has the column, so its z-score is the square root of 200, beyond CLIP.
    graph = make_graph(201, 200)
    graph.hyperparameters[:, :] = 0
    graph.hyperparameters[7, HYPERPARAMETERS.index("linear_in")] = 512
    features = graph_features(PackedGraphs.pack([graph]))
    normalised = FeatureNormaliser.fit(features, np.array([0])).transform(features)
    scores = normalised.nodes[:, NODE_COLUMNS.index("linear_in")]
    assert scores[7] == pytest.approx(np.sqrt(200))
    assert scores[0] == pytest.approx(-1 / np.sqrt(200))


def test_training_graphs_without_any_edge():
    features = graph_features(PackedGraphs.pack([make_graph(1, 0, 1), make_graph(4, 5, 2)]))
    normalised = FeatureNormaliser.fit(features, np.array([0])).transform(features)
    assert (normalised.edges == 0).all()


def test_a_normaliser_of_other_columns_is_refused():
    value = FeatureNormaliser.fit(raw_features(), np.arange(3)).to_json()
    value["nodes"].pop("flops")
    with pytest.raises(PerfseerError, match=r"\['flops'\]"):
        FeatureNormaliser.from_json(value)
