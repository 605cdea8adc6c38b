"""The sequence of networks: seeded, distinct, valid, independent of how many are asked for."""

from collections import Counter
from dataclasses import replace

import pytest

from perfseer.errors import PerfseerError
from perfseer.zoo.sampler import Draws, find, sample, stream
from perfseer.zoo.space import SearchSpace, n_parameters
from tests.helpers.search_space import SPACE

PAPER_COUNT = 7_202

space = SearchSpace.from_mapping(SPACE)


@pytest.fixture(scope="module")
def many():
    return sample(space, PAPER_COUNT)


def test_as_many_distinct_networks_as_in_the_paper(many):
    assert len(many) == PAPER_COUNT
    assert len({spec.id for spec in many}) == PAPER_COUNT
    assert len(set(many)) == PAPER_COUNT


def test_all_five_to_the_fourth_families_occur(many):
    assert len({spec.family for spec in many}) == 5**4


def test_styles_and_depths_are_drawn_evenly(many):
    for index in range(4):
        styles = Counter(spec.stages[index].style for spec in many)
        depths = Counter(spec.stages[index].depth for spec in many)
        assert set(styles) == set(SPACE["styles"])
        assert set(depths) == {1, 2, 3, 4}
        # Five standard deviations of a fair draw: deduplication hardly bends it.
        assert all(abs(n - PAPER_COUNT / 5) < 5 * (PAPER_COUNT * 0.2 * 0.8) ** 0.5 for n in styles.values())
        assert all(abs(n - PAPER_COUNT / 4) < 5 * (PAPER_COUNT * 0.25 * 0.75) ** 0.5 for n in depths.values())


def test_widths_fill_the_range_of_their_stage(many):
    for index in range(4):
        low, high = space.stage_width(index)
        widths = {spec.stages[index].width for spec in many}
        assert widths == set(range(low, high + 1, 8))


def test_widths_are_log_uniform(many):
    narrow = sum(spec.stages[3].width < 96 for spec in many)
    assert narrow / len(many) == pytest.approx(0.514, abs=0.03)  # ln(96 / 16) / ln(520 / 16)


def test_a_longer_sample_starts_with_a_shorter_one(many):
    for count in (0, 1, 17, 500):
        assert sample(space, count) == many[:count]


def test_the_first_networks_never_change():
    # Only random.random is used, whose sequence Python keeps across versions and machines.
    assert [spec.id for spec in sample(space, 3)] == ["8b8bff563a98", "c7957d28f21b", "455b19786b16"]


def test_seeds_give_other_sequences():
    other = {spec.id for spec in sample(replace(space, seed=1), 200)}
    assert not other & {spec.id for spec in sample(space, 200)}


def test_no_network_is_larger_than_allowed():
    small = replace(space, max_parameters=100_000)
    specs = sample(small, 200)
    assert max(n_parameters(spec) for spec in specs) <= 100_000
    unlimited = sample(space, 2_000)
    assert specs[:5] == [spec for spec in unlimited if n_parameters(spec) <= 100_000][:5]


def test_one_style_gives_networks_of_that_style_only():
    specs = sample(replace(space, styles=("densenet",)), 20)
    assert {spec.family for spec in specs} == {"densenet+densenet+densenet+densenet"}


def test_a_space_that_is_too_small_says_how_many_it_has():
    tiny = replace(space, styles=("vgg",), depth=(1, 1), width=(8, 8))
    assert len(sample(tiny, 16)) == 16  # two kernels in each of four stages
    with pytest.raises(PerfseerError, match=r"16 distinct .* 17"):
        sample(tiny, 17)


def test_an_empty_space_says_so():
    with pytest.raises(PerfseerError, match="gave 0 distinct"):
        sample(replace(space, max_parameters=1), 1)


def test_a_negative_count_is_refused():
    with pytest.raises(PerfseerError, match="-1"):
        sample(space, -1)


def test_find_looks_as_far_as_the_limit():
    wanted = sample(space, 50)[-1]
    assert find(space, wanted.id, 50) == wanted
    assert find(space, wanted.id, 49) is None


def test_the_stream_is_lazy():
    first = next(stream(space))
    assert first == sample(space, 1)[0]


def test_draws_stay_inside_their_bounds():
    draws = Draws(3)
    assert {draws.integer(2, 4) for _ in range(200)} == {2, 3, 4}
    assert {draws.choice("abc") for _ in range(200)} == {"a", "b", "c"}
    assert {draws.log_uniform(16, 40, 8) for _ in range(500)} == {16, 24, 32, 40}
    assert {draws.log_uniform(16, 16, 8) for _ in range(20)} == {16}
