"""What errors on unseen devices make of the next answer: by hand, and as it is kept."""

import json
from dataclasses import replace

import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.forecast.card import TRANSFER_FILE
from perfseer.forecast.predictor import Predictor
from perfseer.forecast.strangeness import STRANGE_COLUMNS
from perfseer.forecast.transfer import (
    Regime,
    Transfer,
    read_transfer,
    regime_name,
    write_transfer,
)
from tests.helpers.forecasts import CPU, R3090

T4 = replace(R3090, device="Tesla T4")
FP32, FP16 = replace(T4, precision="fp32"), replace(T4, precision="fp16")
N = len(STRANGE_COLUMNS)
STRANGE = np.array([0.2, 0.0, 1.0, -0.5, 0.0])


def regime_of(by_device, rows=20):
    """Devices that are off by a constant each, nothing strange about any row."""
    errors = np.repeat(list(by_device.values()), rows)
    owners = np.repeat(list(by_device), rows)
    return Regime.of(errors, np.zeros((len(errors), N)), owners)


def test_what_is_strange_moves_the_answer_and_nothing_else_does():
    """Twenty cards of little power that take 1.5 times as long, as every card does in half precision."""
    n = 20
    strange = np.zeros((2 * n, N))
    strange[:n, STRANGE_COLUMNS.index("power")] = -1.0
    strange[n:, STRANGE_COLUMNS.index("half")] = 1.0
    owners = np.tile([f"d{number}" for number in range(n)], 2)
    regime = Regime.of(np.full(2 * n, np.log(1.5)), strange, owners)
    for row in (0, n):
        value, low, high = regime.moved(10.0, strange[row], 0.9)
        assert value == pytest.approx(15.0, rel=0.01)
        assert high / low < 1.02
    assert regime.moved(10.0, np.zeros(N), 0.9)[0] == 10.0
    assert regime.mape_pct < 1
    assert regime.coverage_pct == pytest.approx(100.0)


def test_with_few_devices_little_is_moved():
    """Three cards that take 1.5 times as long: a third might, for no reason that is known."""
    strange = np.zeros((3, N))
    strange[:, STRANGE_COLUMNS.index("power")] = -0.1
    regime = Regime.of(np.full(3, np.log(1.5)), strange, ["a", "b", "c"])
    value, low, high = regime.moved(10.0, strange[0], 0.9)
    assert 11 < value < 13
    assert low < 15 < high


def test_the_interval_reaches_as_far_as_the_devices_differ():
    """Eleven devices, off by -0.5 to 0.5: 90 % of them lie within 0.45 of the middle, or nearly."""
    regime = regime_of({f"d{number}": 0.1 * (number - 5) for number in range(11)})
    value, low, high = regime.moved(1.0, np.zeros(N), 0.9)
    assert np.log(value) == pytest.approx(0.0, abs=0.02)
    assert np.log(high / value) == pytest.approx(np.log(value / low))
    assert 0.4 <= np.log(high / value) <= 0.6
    half = regime.moved(1.0, np.zeros(N), 0.5)
    assert half[2] < high


def test_devices_count_not_rows():
    """A thousand rows of one card that is right do not hide that two others are off by 30 %."""
    errors = np.concatenate([np.zeros(1000), np.full(5, 0.3), np.full(5, -0.3)])
    owners = np.repeat(["many", "few", "fewer"], [1000, 5, 5])
    regime = Regime.of(errors, np.zeros((1010, N)), owners)
    value, low, high = regime.moved(1.0, np.zeros(N), 0.9)
    assert high / value > np.exp(0.29)
    assert value / low > np.exp(0.29)
    assert regime.worst_mape_pct > 25


def test_intervals_hold_for_a_device_to_come():
    """Devices drawn from one distribution: nine in ten times of the next one lie inside, on average."""
    drawing = np.random.default_rng(0)
    shares = []
    for _ in range(30):
        levels = drawing.normal(0, 0.2, 11)
        errors = np.concatenate([level + drawing.normal(0, 0.1, 10) for level in levels])
        owners = np.repeat(np.arange(11).astype(str), 10)
        seen = owners != "10"
        regime = Regime.of(errors[seen], np.zeros((seen.sum(), N)), owners[seen], judged=False)
        _, low, high = regime.moved(1.0, np.zeros(N), 0.9)
        left = errors[~seen]
        shares.append(np.mean((left >= np.log(low)) & (left <= np.log(high))))
    assert 0.8 <= np.mean(shares) <= 0.97


def test_too_few_devices_say_nothing():
    with pytest.raises(PerfseerError, match="2 devices"):
        regime_of({"a": 0.1, "b": 0.2})


def test_what_is_written_is_read_again(tmp_path):
    regime = regime_of({f"d{number}": 0.05 * number for number in range(5)})
    write_transfer(tmp_path, Transfer("abc", {regime_name("cuda", "infer"): regime}))
    again = read_transfer(tmp_path, "abc").of(T4, "infer")
    assert again is not None
    assert again.moved(3.0, STRANGE, 0.8) == regime.moved(3.0, STRANGE, 0.8)
    assert again.devices == regime.devices
    assert read_transfer(tmp_path, "abc").of(CPU, "infer") is None


def test_a_file_of_another_predictor_or_a_damaged_one_is_refused(tmp_path):
    regime = regime_of({f"d{number}": 0.05 * number for number in range(5)})
    path = write_transfer(tmp_path, Transfer("abc", {"cuda-infer": regime}))
    with pytest.raises(PerfseerError, match="abc"):
        read_transfer(tmp_path, "other")
    for damaged in ({}, {"checkpoint": "abc"}, {"checkpoint": "abc", "regimes": {"cuda-infer": {}}}):
        path.write_text(json.dumps(damaged))
        with pytest.raises(PerfseerError, match=TRANSFER_FILE):
            read_transfer(tmp_path, "abc")


# Where a field of a regime lies, and what no regime can have there.
WRONG = (
    (("reach", 89), "nan"),
    (("reach", 0), -0.1),
    (("reach", 0), 9.0),  # more than for any greater confidence
    (("reach",), [1.0]),
    (("reach",), [1e6] * 100),
    (("devices",), [1, 2, 3]),
    (("devices",), "abc"),
    (("devices",), ["t4", "t4", "p4"]),
    (("devices",), []),
    (("rows",), -1),
    (("rows",), "12"),
    (("mape_pct",), -1),
    (("mape_pct",), "inf"),
    (("worst_mape_pct",), 0.0),
    (("coverage_pct",), 300),
    (("correction", "offset"), 1e5),
    (("correction", "exponents"), [1.0]),
    (("correction", "exponents"), [None, 0.0, 0.0, 0.0]),
    (("correction", "highest"), [-1.0] * N),
    (("correction", "strength"), -1),
    (("more",), 1),
)


@pytest.mark.parametrize(("where", "value"), WRONG)
def test_what_no_regime_can_say_is_refused_by_the_name_of_its_place(tmp_path, where, value):
    regime = regime_of({f"d{number}": 0.05 * number for number in range(5)})
    path = write_transfer(tmp_path, Transfer("abc", {"cuda-infer": regime}))
    whole = json.loads(path.read_text())
    place = whole["regimes"]["cuda-infer"]
    for name in where[:-1]:
        place = place[name]
    place[where[-1]] = value
    path.write_text(json.dumps(whole))
    with pytest.raises(PerfseerError, match=r"regimes\.cuda-infer.*perfseer devices ship"):
        read_transfer(tmp_path, "abc")


def test_regimes_of_no_kind_a_folder_and_an_endless_file_are_refused(tmp_path):
    path = tmp_path / TRANSFER_FILE
    path.write_text(json.dumps({"checkpoint": "abc", "regimes": {"tpu-dance": {}}}))
    with pytest.raises(PerfseerError, match="tpu-dance"):
        read_transfer(tmp_path, "abc")
    path.write_text(" " * (1 << 21))
    with pytest.raises(PerfseerError, match="2,097,152 bytes"):
        read_transfer(tmp_path, "abc")
    path.unlink()
    path.mkdir()
    with pytest.raises(PerfseerError, match=TRANSFER_FILE):
        read_transfer(tmp_path, "abc")


def test_nothing_is_written_that_nobody_could_read_again(tmp_path):
    """Times in another unit: twenty e-folds off."""
    half = np.zeros((3, N))
    half[:, STRANGE_COLUMNS.index("half")] = 1.0
    wrong = Regime.of(np.full(3, 20.0), half, ["a", "b", "c"])
    with pytest.raises(PerfseerError, match="exponents"):
        write_transfer(tmp_path, Transfer("abc", {"cuda-infer": wrong}))
    assert not (tmp_path / TRANSFER_FILE).exists()
    assert max(regime_of({"a": 0.0, "b": 0.0, "c": 40.0}).reach) == pytest.approx(np.log(1e6))


def test_nothing_is_known_of_a_predictor_without_the_file(tmp_path):
    assert read_transfer(tmp_path, "abc").regimes == {}


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load()


class TestTheShippedPredictor:
    """What comes with the package."""

    def test_it_knows_devices_it_never_saw(self, predictor):
        regime = predictor.transfer.of(T4, "infer")
        assert regime is not None
        assert len(regime.devices) >= 8
        assert 80 <= regime.coverage_pct <= 96
        assert {"rtx4090", "t4"} < set(regime.devices)  # by fits without them

    def test_its_answers_for_them_carry_that(self, predictor):
        """At batch 64 the device decides: the interval is the regime's, and so is the error."""
        regime = predictor.transfer.of(FP32, "infer")
        answer = predictor.predict(
            "torchvision:resnet50", batch_size=64, target="t4", precision="fp32", software="torch2.4"
        )
        time = next(one for one in answer.estimates if one.metric == "time")
        assert time.held_out_mape_pct == pytest.approx(regime.mape_pct)
        factor = np.exp(regime.reach[89])
        assert time.interval.high / time.value == pytest.approx(factor, rel=0.02)
        assert time.value / time.interval.low == pytest.approx(factor, rel=0.02)

    def test_a_cpu_nobody_measured_is_no_surer_than_a_gpu_nobody_measured(self, predictor):
        factor = predictor.transfer.least_factor("infer", 0.9)
        assert factor == pytest.approx(np.exp(predictor.transfer.of(FP32, "infer").reach[89]))
        time = predictor.predict("torchvision:resnet50", batch_size=8, target="Core i9-12900K").time
        assert time.high / time.value >= factor * (1 - 1e-9)
        assert time.value / time.low >= factor * (1 - 1e-9)

    def test_devices_it_was_trained_on_are_left_alone(self, predictor):
        alone = Predictor(predictor.model, card=predictor.card)
        for phase in ("infer", "train"):
            asked = {"batch_size": 256, "target": "rtx3090", "phase": phase}
            both = [one.predict("torchvision:resnet50", **asked) for one in (predictor, alone)]
            assert both[0].estimates == both[1].estimates
