"""The machine's speed, with products whose times the tests choose."""

import itertools

import pytest

from perfseer.errors import PerfseerError
from perfseer.measure import pace as module
from perfseer.measure.forked import run_forked
from perfseer.measure.pace import Pace, Watch


class Scripted(Pace):
    """A product that takes what it is told, in ms; every reading is three of them."""

    def __init__(self, readings_ms=()):
        super().__init__()
        self.readings_ms = readings_ms

    @property
    def readings_ms(self):
        raise NotImplementedError

    @readings_ms.setter
    def readings_ms(self, values):
        # An interrupt in two of three products.
        self._times = itertools.chain.from_iterable((ms / 1e3, ms / 1e2, ms / 1e2) for ms in values)

    def warm(self):
        """The product runs without being timed."""

    def _once(self):
        return next(self._times)


def test_a_reading_is_the_fastest_of_three_products():
    pace = Scripted([2.0, 1.5])
    assert [pace.read(), pace.read()] == pytest.approx([2.0, 1.5])


def test_full_speed_is_the_lower_quartile_so_neither_a_fluke_nor_slow_stretches_set_it():
    pace = Scripted([0.5, *[1.0] * 40, *[2.0] * 60])
    for _ in range(101):
        pace.read()
    assert pace.full_speed_ms() == pytest.approx(1.0)


def test_full_speed_without_a_reading_is_refused():
    with pytest.raises(ValueError, match="any reading"):
        Scripted().full_speed_ms()


def test_readings_too_long_ago_are_forgotten(monkeypatch):
    monkeypatch.setattr(module, "_REMEMBERED", 10)
    pace = Scripted([*[1.0] * 10, *[3.0] * 10])
    for _ in range(10):
        pace.read()
    assert pace.full_speed_ms() == pytest.approx(1.0)
    for _ in range(10):
        pace.read()
    assert pace.full_speed_ms() == pytest.approx(3.0)


def test_what_a_forked_process_read_its_parent_and_its_siblings_know():
    pace = Scripted([1.0, 7.0])
    pace.read()

    def child():
        pace.read()
        return {}

    assert run_forked(child, 30).status == "ok"
    assert sorted(pace._ring[1:3]) == pytest.approx([1.0, 7.0])
    assert run_forked(lambda: {"seen": float(pace._ring[0])}, 30).result == {"seen": 2.0}


def test_calibration_reads_in_a_process_of_its_own_and_says_when_that_fails(monkeypatch):
    monkeypatch.setattr(module, "_CALIBRATION_S", 0.02)
    pace = Pace()
    pace.calibrate()
    assert 0 < pace.full_speed_ms() < 100
    assert not pace._product.any()  # nothing was multiplied here, where BLAS must not make threads
    monkeypatch.setattr(pace, "_left", "no matrix")
    with pytest.raises(PerfseerError, match="UFuncTypeError"):
        pace.calibrate()


def test_iterations_between_two_fast_readings_are_steady():
    pace = Scripted([1.0, 1.0])
    pace.read()
    watch = Watch(pace, slack=0.03)
    pace.readings_ms = [1.02, 1.04, 1.0, 1.03, 1.01]
    # 1.04 is too slow, before and after it; 1.03 is just within the slack.
    assert [watch.steady() for _ in range(5)] == [True, False, False, True, True]
    assert watch.median_ms(everything=False) == pytest.approx(1.02)
    assert watch.median_ms(everything=True) == pytest.approx(1.02)


def test_a_phase_slow_from_end_to_end_is_not_its_own_full_speed():
    pace = Scripted([*[1.0] * 20, 1.3])
    for _ in range(20):
        pace.read()
    watch = Watch(pace, slack=0.03)
    pace.readings_ms = [1.3] * 4
    assert [watch.steady() for _ in range(4)] == [False] * 4
    assert watch.median_ms(everything=True) == pytest.approx(1.3)
