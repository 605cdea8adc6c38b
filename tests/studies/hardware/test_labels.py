"""Names beside points: none on another, none on the line that joins them."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.text import Annotation

from perfseer.reporting.style import panels, styled
from perfseer.studies.hardware.labels import name_points

# Cards close together, and stairs from the dearest down: level and upright parts in turn.
X, Y = [6.0, 5.0, 4.8, 2.0], [6.0, 4.0, 3.9, 2.0]
STEPS = [(6.0, 6.0), (6.0, 4.0), (5.0, 4.0), (5.0, 3.9), (4.8, 3.9), (4.8, 2.0), (2.0, 2.0)]


def boxes(steps):
    """Left, bottom, right and top of every name, and the corners of the line, in pixels."""
    with styled():
        figure, (axis,) = panels(1, 1)
        axis.set_xlim(0, 10)
        axis.set_ylim(0, 10)
        written = name_points(axis, X, Y, ["a long name"] * len(X), 7.0, steps)
        figure.draw_without_rendering()
        texts = [text for text in axis.texts if isinstance(text, Annotation)]
        found = [tuple(text.get_tightbbox().extents) for text in texts if not text.arrowprops]
        return written, len(texts), found, axis.transData.transform(STEPS)


def crosses(box, line):
    (x0, y0), (x1, y1) = line
    return box[0] < max(x0, x1) and box[2] > min(x0, x1) and box[1] < max(y0, y1) and box[3] > min(y0, y1)


@pytest.fixture(scope="module")
def around():
    return boxes(STEPS)


def test_all_are_written_and_none_covers_another(around):
    written, texts, found, _ = around
    assert written == texts == len(X)
    for place, one in enumerate(found):
        for other in found[:place]:
            assert not crosses(one, ((other[0], other[1]), (other[2], other[3])))


def test_no_name_lies_on_the_line(around):
    _, _, found, corners = around
    assert found
    # A hair of width, since a level part has no height.
    lines = [((a[0] - 0.1, a[1] - 0.1), (b[0] + 0.1, b[1] + 0.1)) for a, b in pairwise(corners[::-1])]
    assert not any(crosses(box, line) for box in found for line in lines)


def test_without_the_line_a_name_would_lie_on_it():
    _, _, found, corners = boxes(())
    lines = [((a[0] - 0.1, a[1] - 0.1), (b[0] + 0.1, b[1] + 0.1)) for a, b in pairwise(corners[::-1])]
    assert any(crosses(box, line) for box in found for line in lines)


def test_a_name_without_room_is_left_out():
    with styled():
        _, (axis,) = panels(1, 1)
        assert name_points(axis, [0.5], [0.5], ["far too long a name " * 20], 7.0) == 0


def test_no_name_lies_on_a_point_that_has_none():
    others = np.array([(6.0 + 0.1 * step, 6.0) for step in range(1, 25)])
    with styled():
        figure, (axis,) = panels(1, 1)
        axis.set_xlim(0, 10)
        axis.set_ylim(0, 10)
        assert name_points(axis, [6.0], [6.0], ["a long name"], 7.0, others=others) == 1
        figure.draw_without_rendering()
        (text,) = axis.texts
        left, bottom, right, top = text.get_window_extent().extents
        places = axis.transData.transform(others)
    inside = (places[:, 0] > left) & (places[:, 0] < right) & (places[:, 1] > bottom) & (places[:, 1] < top)
    assert not inside.any()
