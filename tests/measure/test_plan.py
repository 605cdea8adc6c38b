from collections import Counter
from dataclasses import asdict, replace
from itertools import islice

import pytest

from perfseer.measure import fitting
from perfseer.measure.fitting import (
    device_memory_bytes,
    fitting_first,
    most_activation_bytes,
    training_peaks,
)
from perfseer.measure.plan import Configuration, batch_sizes_of, plan
from perfseer.measure.settings import CollectSettings
from perfseer.zoo.sampler import sample
from perfseer.zoo.space import ArchitectureSpec, SearchSpace, n_parameters
from tests.helpers.places import PARAMS

SPACE = SearchSpace.from_mapping(PARAMS["zoo"])
SETTINGS = CollectSettings.from_mapping(PARAMS["collect"])


def first(count, space=SPACE, settings=SETTINGS):
    return list(islice(plan(space, settings), count))


def test_plan_takes_architectures_in_the_samplers_order():
    per = SETTINGS.batches_per_architecture
    configurations = first(5 * per)
    assert [c.architecture for c in configurations[::per]] == [spec.id for spec in sample(SPACE, 5)]
    assert [c.order for c in configurations] == list(range(5 * per))


def test_each_architecture_has_its_own_batch_sizes_each_once():
    per = SETTINGS.batches_per_architecture
    configurations = first(50 * per)
    for start in range(0, 50 * per, per):
        sizes = [c.batch_size for c in configurations[start : start + per]]
        assert len(set(sizes)) == per
        assert set(sizes) <= set(SETTINGS.batch_sizes)


def test_batch_sizes_are_a_fair_draw_also_in_first_place():
    settings = replace(SETTINGS, batches_per_architecture=1)
    count = Counter(batch_sizes_of(f"architecture {i}", settings)[0] for i in range(6000))
    # Binomial(6000, 1/6): standard deviation 28.9; five of them.
    assert all(abs(count[size] - 1000) < 145 for size in SETTINGS.batch_sizes)


def test_batch_sizes_do_not_depend_on_the_order_in_params():
    turned = replace(SETTINGS, batch_sizes=SETTINGS.batch_sizes[::-1])
    assert batch_sizes_of("abc", turned) == batch_sizes_of("abc", SETTINGS)


def test_id_is_that_of_what_is_measured_and_not_of_its_position():
    one = first(1)[0]
    assert replace(one, order=7).id == one.id
    for change in (
        {"batch_size": 999},
        {"precision": "bf16"},
        {"memory_format": "nhwc"},
        {"input_shape": "1x2x2"},
    ):
        assert replace(one, **change).id != one.id


def test_configurations_survive_json_and_name_their_input():
    one = first(1)[0]
    assert Configuration.from_mapping(asdict(one)) == one
    assert one.input_dimensions == (SPACE.in_channels, SPACE.resolution, SPACE.resolution)
    assert one.model_ref == f"zoo:{one.architecture}"


def test_a_small_space_ends_the_plan():
    space = replace(SPACE, styles=("vgg",), depth=(1, 1), width=(16, 16))
    configurations = list(plan(space, SETTINGS))
    assert len({c.architecture for c in configurations}) == 16  # two kernels in each of four stages
    assert len(configurations) == 16 * SETTINGS.batches_per_architecture


@pytest.mark.parametrize("short", [1, 7, 40])
def test_any_prefix_is_the_beginning_of_any_longer_plan(short):
    assert first(short) == first(60)[:short]


def test_a_small_device_sees_the_same_configurations_with_the_large_ones_last():
    settings = replace(SETTINGS, batch_sizes=(1, 4, 16, 64, 256), batches_per_architecture=5)
    usual = first(30, settings=settings)
    memory_bytes = 100 * 2**20
    fitted = list(islice(plan(SPACE, settings, memory_bytes), 30))
    assert {one.id for one in fitted} == {one.id for one in usual}
    assert [one.order for one in fitted] == list(range(30))
    moved = 0
    for start in range(0, 30, 5):
        before = [one.batch_size for one in usual[start : start + 5]]
        after = [one.batch_size for one in fitted[start : start + 5]]
        assert fitted[start].architecture == usual[start].architecture
        spec = ArchitectureSpec.from_json(usual[start].model_spec)
        peaks = training_peaks(spec, SPACE.resolution, before, "fp32")
        large = sorted(size for size in before if peaks[size] > memory_bytes)
        assert after == [size for size in before if size not in large] + large
        moved += before != after
    assert moved > 0


def test_a_large_device_changes_nothing_and_needs_no_capture(monkeypatch):
    monkeypatch.setattr(fitting, "training_peaks", None)
    assert list(islice(plan(SPACE, SETTINGS, 2**40), 40)) == first(40)


@pytest.mark.parametrize("spec", sample(SPACE, 30), ids=lambda spec: spec.family)
def test_the_generous_bound_is_above_the_capture_and_not_far_above(spec):
    peak = training_peaks(spec, SPACE.resolution, [64], "fp32")[64]
    share = (peak - 12 * n_parameters(spec)) / (64 * most_activation_bytes(spec, SPACE.resolution))
    assert 0.1 < share < 0.9


@pytest.mark.parametrize("index", range(4))
def test_the_estimate_for_a_smaller_batch_is_near_its_own_capture(index):
    spec = sample(SPACE, 4)[index]
    peaks = training_peaks(spec, SPACE.resolution, [64, 32, 8], "fp32")
    for size in (64, 32):
        own = training_peaks(spec, SPACE.resolution, [size], "fp32")[size]
        assert peaks[size] == pytest.approx(own, rel=0.05)
    assert peaks[8] < peaks[32] < peaks[64]
    half = training_peaks(spec, SPACE.resolution, [64], "bf16")
    fixed = 12 * n_parameters(spec)
    assert half[64] == pytest.approx(fixed + (peaks[64] - fixed) / 2)


def test_what_does_not_fit_comes_last_and_smallest_first():
    peaks = {256: 9.0, 4: 1.0, 64: 5.0, 16: 2.0, 128: 7.0}
    assert fitting_first([256, 4, 64, 16, 128], peaks, 5) == [4, 64, 16, 128, 256]
    assert fitting_first([256, 4], peaks, 9) == [256, 4]


def test_a_devices_memory_is_that_of_its_fingerprint():
    assert device_memory_bytes({"device_memory_gib": 79, "memory_gib": 1007}) == 79 * 2**30
    assert device_memory_bytes({"device": "AMD EPYC", "memory_gib": 24}) is None
