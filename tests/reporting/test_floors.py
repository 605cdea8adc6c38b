"""The noise floor in reports: cells, multiples, the note and the line, with and without repeats."""

import pytest

from perfseer.evaluation.noise import NoiseFloor
from perfseer.reporting.floors import (
    draw_floor,
    floor_cell,
    floor_note,
    in_floors,
    load_floors,
    mean_floor,
    mean_floor_cell,
    multiple,
)
from perfseer.reporting.style import panels
from perfseer.targets import TARGET_NAMES
from tests.helpers.measurement_files import run
from tests.helpers.reading import numbers


def floor(target, mape_pct):
    return NoiseFloor(
        target, mape_pct, mape_pct / 2, 2 * mape_pct, 1.0, 3.0, configurations=40, measurements=120
    )


FLOORS = {
    name: floor(name, size) for name, size in zip(TARGET_NAMES, (4.0, 0.5, 0.0, 2.0, 1.5, 1.0), strict=True)
}
TWO = {name: FLOORS[name] for name in ("train_time_ms", "train_util_pct")}


def test_a_cell_has_the_floor_and_its_interval():
    assert floor_cell(FLOORS, "train_time_ms") == "4.00 (2.00 to 8.00)"
    assert floor_cell(TWO, "infer_time_ms") == "not measured"


def test_the_mean_needs_every_label():
    assert mean_floor(FLOORS, TARGET_NAMES) == pytest.approx(1.5)
    assert mean_floor_cell(FLOORS) == "1.50"
    assert mean_floor(TWO, TARGET_NAMES) is None
    assert mean_floor_cell(TWO) == "not measured"
    assert mean_floor_cell(TWO, ["train_time_ms"]) == "4.00 (2.00 to 8.00)"
    assert mean_floor({}, []) is None


def test_multiples_of_a_floor():
    assert multiple(13.6, FLOORS, "train_time_ms") == "3.4 ×"
    assert multiple(13.6, FLOORS, "train_util_pct") == "–"
    assert multiple(13.6, TWO, "infer_time_ms") == "not measured"
    assert in_floors(13.6, FLOORS, "train_time_ms").startswith("3.4 × ")
    assert in_floors(13.6, FLOORS, "train_util_pct") == in_floors(13.6, {}, "train_time_ms") == ""


def test_the_note_says_from_how_many_measurements():
    assert numbers(floor_note(FLOORS))[:2] == [40, 120]
    assert floor_note({}).partition(".")[0].endswith("not measured")


@pytest.mark.parametrize(("upright", "place"), [(True, ([4.0, 4.0], [0, 1])), (False, ([0, 1], [4.0, 4.0]))])
def test_the_line_stands_at_the_floor(upright, place):
    _, (axis,) = panels(1, 1)
    axis.barh(0, 10.0)
    draw_floor(axis, FLOORS, ["train_time_ms"], upright=upright)
    (line,) = axis.lines
    assert [list(line.get_xdata()), list(line.get_ydata())] == list(place)


def test_no_line_without_a_floor_or_without_bars():
    _, (empty, bars) = panels(1, 2)
    draw_floor(empty, FLOORS, ["train_time_ms"], upright=True)
    bars.barh(0, 10.0)
    for target in ("train_util_pct", "unknown"):
        draw_floor(bars, FLOORS, [target], upright=True)
    assert not empty.lines
    assert not bars.lines


def test_a_missing_table_of_repeats_is_no_fault(tmp_path):
    assert load_floors(tmp_path / "repeats.parquet", run(3), 0.95) == {}
