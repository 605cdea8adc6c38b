import lightgbm
import numpy as np
import pytest

from perfseer.errors import PerfseerError
from perfseer.predictors.parts.learners.boosters import REPEATABLE, boosted, load_boosters, save_boosters


@pytest.fixture(scope="module")
def booster():
    rng = np.random.default_rng(0)
    rows = lightgbm.Dataset(rng.random((200, 3)), rng.random(200))
    return lightgbm.train({**REPEATABLE, "num_leaves": 4}, rows, num_boost_round=3)


@pytest.fixture
def text(booster):
    return booster.model_to_string()


def read(tmp_path, text):
    (tmp_path / "one.txt").write_text(text)
    return load_boosters(tmp_path, ["one"])["one"]


def test_what_was_written_is_read_and_asks_for_its_columns(booster, tmp_path):
    save_boosters(tmp_path, {"one": booster})
    rows = np.random.default_rng(1).random((5, 3))
    read_back = load_boosters(tmp_path, ["one"])["one"]
    np.testing.assert_array_equal(boosted(read_back, rows), booster.predict(rows))
    with pytest.raises(PerfseerError, match="3 columns of 2"):
        boosted(read_back, rows[:, :2])


def test_trees_of_a_single_leaf_are_whole_ones(tmp_path):
    rows = lightgbm.Dataset(np.zeros((30, 2)), np.arange(30.0))
    single = lightgbm.train(dict(REPEATABLE), rows, num_boost_round=2)
    np.testing.assert_allclose(boosted(read(tmp_path, single.model_to_string()), np.zeros((1, 2))), 14.5)


def changed_line(text, name, value):
    """The first line of a name with another value as long, so that the sizes of trees stay right."""
    line = next(line for line in text.splitlines() if line.startswith(f"{name}="))
    assert len(value) == len(line) - len(name) - 1, line
    return text.replace(line, f"{name}={value}", 1)


def old(text, name):
    return next(line for line in text.splitlines() if line.startswith(f"{name}=")).partition("=")[2]


@pytest.mark.parametrize("name", ["left_child", "right_child", "split_feature", "decision_type"])
@pytest.mark.parametrize("digit", ["0", "9"])
def test_children_that_point_back_and_indices_out_of_range_are_refused(text, tmp_path, name, digit):
    """Zeros for children are what is walked for ever."""
    value = "".join(digit if letter not in " " else " " for letter in old(text, name))
    if (name == "split_feature" and digit == "0") or (name == "decision_type" and digit == "0"):
        read(tmp_path, changed_line(text, name, value))  # the first feature, another way to treat NaN: whole
        return
    with pytest.raises(PerfseerError, match="no boosted trees"):
        read(tmp_path, changed_line(text, name, value))


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: text.replace("num_leaves=4", "num_leaves=9"),
        lambda text: text.replace("num_leaves=4", "num_leaves=-4"),
        lambda text: text.replace("num_cat=0", "num_cat=1"),
        lambda text: text.replace("max_feature_idx=2", "max_feature_idx=9"),
        lambda text: text.replace("num_class=1", "num_class=2"),
        lambda text: text.replace("tree_sizes=", "tree_sizes=9"),
        lambda text: text.replace("Tree=1", "Tree=7"),
        lambda text: text.replace("threshold=0", "threshold=x"),
        lambda text: text.replace("leaf_value=0", "leaf_value=nan", 1),
        lambda text: text + "\nTree=3\n",
        lambda text: "ä" + text,
    ],
)
def test_damaged_files_are_refused(text, tmp_path, damage):
    with pytest.raises(PerfseerError, match="no boosted trees"):
        read(tmp_path, damage(text))
