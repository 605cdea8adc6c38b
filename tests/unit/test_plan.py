from collections import Counter
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import pytest
import yaml

from perfseer.measure.plan import Configuration, batch_sizes_of, plan
from perfseer.measure.settings import CollectSettings
from perfseer.zoo.sampler import sample
from perfseer.zoo.space import SearchSpace

PARAMS = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())
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
