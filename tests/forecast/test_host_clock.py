"""A prediction meets the host: points, intervals and warnings where either of both clocks decides."""

import math
from dataclasses import replace
from itertools import islice, pairwise, product

import numpy as np
import pytest
import torch
from torch import nn

from perfseer.data.families import PackedFamilies
from perfseer.data.packed import PackedGraphs
from perfseer.forecast.ask import Ask
from perfseer.forecast.card import Card, HostBound
from perfseer.forecast.host_clock import FASTEST_US, Host, host_of, two_clocks
from perfseer.forecast.platform_choice import Wanted
from perfseer.forecast.predictor import Predictor
from perfseer.graphs.batch_family import LARGE, SMALL
from perfseer.graphs.capture import capture
from perfseer.predictors.parts.platforms.host import HostClock, host_prior, launches
from perfseer.targets import Phase
from perfseer.zoo.builder import build
from perfseer.zoo.sampler import stream
from perfseer.zoo.space import SearchSpace
from tests.helpers.forecasts import CPU, R3090
from tests.helpers.search_space import SPACE

LABEL = "infer_time_ms"
ANY = Host(HostClock(math.log(30.0), 0.3))
STEP = capture(
    nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(50))), (torch.empty(2, 4),)
)
STARTED = launches(STEP, "infer", R3090)
HOST_MS = 100 * 30e-3


def met(device_ms, host=ANY, low=0.5, high=2.0):
    values = {LABEL: device_ms, f"{LABEL}_low": low * device_ms, f"{LABEL}_high": high * device_ms}
    timed = two_clocks(values, STARTED, "infer", host, 0.9)
    ends = [timed.labels[name] for name in (LABEL, f"{LABEL}_low", f"{LABEL}_high")]
    return (*ends, [notice.code for notice in timed.notices])


def test_a_busy_device_is_left_alone():
    *numbers, codes = met(1e3)
    assert (numbers, codes) == (pytest.approx([1e3, 500.0, 2e3]), [])


def test_a_step_that_waits_for_its_host_takes_the_hosts_time():
    """However little is known of the device."""
    for device_ms, wide in ((1e-3, 1.0), (0.01, 25.0), (1e-4, 1e6)):
        value, low, high, codes = met(device_ms, low=1 / wide, high=wide)
        assert value == pytest.approx(HOST_MS, rel=0.01)
        assert low == pytest.approx(ANY.clock.ms(100, 0.05), rel=0.01)
        assert high == pytest.approx(ANY.clock.ms(100, 0.95), rel=0.01)
        assert codes == ["launch_bound"]


def test_it_is_said_where_the_host_decides_and_only_there():
    assert met(HOST_MS * 0.99)[3] == ["launch_bound"]
    assert met(HOST_MS * 1.01)[3] == []


def test_nothing_jumps_between_the_clocks():
    found = np.array([met(device_ms, low=0.2, high=5.0)[:3] for device_ms in np.geomspace(0.01, 1e3, 500)])
    assert (np.diff(found[:, 0]) >= 0).all()
    assert (np.abs(np.diff(np.log(found), axis=0)) < 0.1).all()
    assert (found[:, 1] <= found[:, 0]).all()
    assert (found[:, 0] <= found[:, 2]).all()


def test_intervals_hold_what_both_clocks_say():
    """Device and host drawn as they are said to be: 90 % of the later of both lie inside, or more."""
    random = np.random.default_rng(0)
    for device_ms in (0.3, 1.0, 2.5, 3.0, 4.0, 8.0, 30.0):
        spread = math.log(2.0) / 1.645
        device = device_ms * np.exp(random.normal(0, spread, 50_000))
        host = np.exp(random.normal(ANY.clock.ln_us, ANY.clock.spread, 50_000)) * 0.1
        _, low, high, _ = met(device_ms)
        later = np.maximum(device, host)
        assert ((low <= later) & (later <= high)).mean() > 0.87


def test_what_was_measured_contains_its_host():
    learnt = replace(ANY, learnt=True)
    least = 100 * FASTEST_US / 1e3
    *numbers, codes = met(2 * least, learnt)
    assert (numbers, codes) == (pytest.approx([2 * least, least, 4 * least]), [])
    value, low, high, codes = met(least / 2, learnt)
    assert (value, low, codes) == (least, least, ["launch_bound"])
    assert high == pytest.approx(ANY.clock.ms(100, 0.95))


def test_which_host_it_is_depends_on_what_is_known():
    prior = host_prior("eager", "infer")
    assert host_of(R3090, "infer", trained=False, least_us=12.0) == Host(prior)
    assert host_of(R3090, "infer", trained=True, least_us=None) == Host(prior, learnt=True)
    assert host_of(R3090, "infer", trained=True, least_us=12.0) == Host(prior.at_most(12.0))
    assert host_of(CPU, "infer", trained=False, least_us=None) is None
    assert host_of(None, "infer", trained=True, least_us=None) is None


def test_without_an_interval_the_point_moves_alone():
    timed = two_clocks({LABEL: 1e-3}, STARTED, "infer", ANY, 0.9)
    assert set(timed.labels) == {LABEL}
    assert timed.labels[LABEL] == pytest.approx(HOST_MS, rel=0.01)
    nothing = two_clocks({"train_time_ms": 1e-3}, STARTED, "infer", ANY, 0.9)
    assert nothing.labels == {"train_time_ms": 1e-3}


def test_a_card_knows_hosts_by_platform_and_phase():
    card = Card(hosts=(HostBound(target="a", phase="infer", us_per_launch=12.0),))
    assert card.least_us("a", "infer") == 12.0
    assert card.least_us("a", "train") is None
    assert card.least_us("b", "infer") is None


# -- the shipped predictor --------------------------------------------------------------------------------

SIZES = (1, 2, 8, 64, 512)
NEW, COMPILED = Wanted(), Wanted(mode="compiled")
BOTH: tuple[Phase, ...] = ("infer", "train")
ASKS = (
    Ask(phases=BOTH, targets=(None, "h100"), wanted=NEW),
    Ask(phases=("infer",), targets=("rtx4090",), wanted=COMPILED),
)


@pytest.fixture(scope="module")
def answers():
    """Of 30 networks, by network, phase and device: answers by rising batch size."""
    predictor = Predictor.load()
    space = SearchSpace.from_mapping(SPACE | {"depth": [1, 2], "width": [16, 128]})
    found = {}
    for spec in islice(stream(space), 30):
        with torch.device("meta"):
            module = build(spec)
        first, small, large = (
            capture(module, (torch.empty(size, 3, 64, 64, device="meta"),)) for size in (1, SMALL, LARGE)
        )
        for size in SIZES:
            graph = first if size == 1 else at_batch(small, large, size)
            for ask in ASKS:
                asked = product(ask.phases, ask.targets)
                for key, answer in zip(asked, predictor.predict_many([graph], ask), strict=True):
                    found.setdefault((spec.id, *key), []).append(answer)
    return found


def at_batch(small, large, size):
    """A graph at another batch size, from two (`perfseer.data.families`)."""
    both = [PackedGraphs.pack([graph]) for graph in (small, large)]
    families = PackedFamilies.of(*both)
    assert families.whole[0]
    return families.at(np.array([0]), np.array([size])).graph(0)


def test_more_samples_never_take_less(answers):
    assert len(answers) == 30 * 5
    drops = [
        (key, one.batch_size)
        for key, curve in answers.items()
        for one, other in pairwise(curve)
        if other.time.value < one.time.value
    ]
    assert drops == []


def test_no_point_is_below_its_own_host(answers):
    for (_, phase, target), curve in answers.items():
        if target == "h100":
            least_us = 1e3 * host_prior("eager", phase).ms(1, 0.05)
            assert all(answer.time.value >= answer.input.nodes * least_us / 1e3 for answer in curve)


def test_intervals_are_no_wider_than_what_is_unknown_of_hosts(answers):
    for (_, phase, target), curve in answers.items():
        first = curve[0]
        prior = host_prior(first.target.mode, phase)
        if target == "h100":
            assert "launch_bound" in {notice.code for notice in first.warnings}
            wide = prior.ms(1, 0.95) / prior.ms(1, 0.05)
            assert first.time.high / first.time.low < 1.2 * wide


def test_a_replayed_step_does_not_wait_for_its_host():
    """A hundred kernels of next to nothing: 3 ms for an eager host, a tenth of one replayed."""
    predictor = Predictor.load()
    for target in (None, "h100"):
        eager, replayed = (
            next(iter(predictor.predict_many([STEP], Ask(targets=(target,), wanted=Wanted(mode=mode)))))
            for mode in ("eager", "cuda-graphs")
        )
        assert replayed.target.mode == "cuda-graphs"
        assert replayed.time.value < eager.time.value / (5 if target else 1)
        assert replayed.time.value >= 0.1 * STARTED * 1e-3
