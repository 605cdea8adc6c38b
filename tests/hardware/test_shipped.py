import hashlib
import shutil

import pandas as pd
import pytest

from perfseer.errors import PerfseerError
from perfseer.hardware import shipped
from perfseer.hardware.shipped import (
    NotPulledError,
    ShippedOrigin,
    read_shipped,
    shipped_path,
    write_shipped,
)

CELLS = pd.DataFrame(
    {"name": ["RTX, 3090", "", "'; DROP TABLE x"], "a": ["007", "NaN", " 1\n"], "b": [None, "", "x"]}
)
ORIGIN = ShippedOrigin("a table", "https://example.org/t.csv", "ab" * 32, "CC BY 4.0", 3)


@pytest.fixture
def clone(tmp_path):
    """A repository as after cloning: the pointer and the object of table ``t``, not the table."""
    path = shipped_path("t", tmp_path)
    write_shipped(CELLS, path, original=ORIGIN)
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    stored = tmp_path / "data/remote/files/md5" / md5[:2] / md5[2:]
    stored.parent.mkdir(parents=True)
    shutil.move(path, stored)
    pointer = path.with_name("t.parquet.dvc")
    pointer.write_text(f"outs:\n- md5: {md5}\n  size: 1\n  hash: md5\n  path: t.parquet\n  remote: shipped\n")
    return tmp_path, path, pointer, stored


def test_a_fresh_clone_has_every_cell_without_dvc_and_writes_nothing(clone):
    root, path, *_ = clone
    before = sorted(root.rglob("*"))
    cells, origin = read_shipped("t", root)
    assert origin == ORIGIN
    assert list(cells.columns) == ["name", "a", "b"]
    assert cells["name"].tolist() == CELLS["name"].tolist()
    assert cells["a"].tolist() == ["007", "NaN", " 1\n"]
    assert cells["b"].isna().tolist() == [True, False, False]
    assert cells["b"].tolist()[1:] == ["", "x"]
    assert sorted(root.rglob("*")) == before
    assert not path.exists()


def test_a_table_that_was_pulled_or_just_written_is_read_itself(clone):
    root, path, pointer, stored = clone
    shutil.move(stored, path)
    assert read_shipped("t", root)[1] == ORIGIN
    pointer.unlink()
    assert read_shipped("t", root)[1] == ORIGIN


def test_no_table_of_that_name_is_none(clone, monkeypatch):
    assert read_shipped("other", clone[0]) is None
    monkeypatch.setattr(shipped, "repository", lambda: None)  # an installed package
    assert read_shipped("t") is None


def test_a_missing_object_is_told_with_what_brings_it(clone):
    root, _, pointer, stored = clone
    stored.unlink()
    with pytest.raises(NotPulledError, match=f"dvc pull {pointer}"):
        read_shipped("t", root)


def test_a_damaged_object_another_table_or_a_broken_pointer_is_refused(clone):
    root, path, pointer, stored = clone
    whole = stored.read_bytes()
    stored.write_bytes(whole[:-1])
    with pytest.raises(PerfseerError, match=f"{stored} is damaged"):
        read_shipped("t", root)
    path.write_bytes(whole[:-1])
    with pytest.raises(PerfseerError, match="dvc checkout"):
        read_shipped("t", root)
    for text in ("", "outs: []\n", "outs:\n- md5: ../../../../etc/passwd\n", "\xff", "outs:\n- md5: 12\n"):
        pointer.write_text(text, encoding="latin-1")
        with pytest.raises(PerfseerError, match=f"git checkout -- {pointer}"):
            read_shipped("t", root)


def test_what_is_no_shipped_table_is_refused(tmp_path):
    path = shipped_path("t", tmp_path)
    path.parent.mkdir(parents=True)
    CELLS.to_parquet(path)
    with pytest.raises(PerfseerError, match="no shipped table"):
        read_shipped("t", tmp_path)
    path.write_bytes(b"PAR1")
    with pytest.raises(PerfseerError, match="no shipped table"):
        read_shipped("t", tmp_path)


@pytest.mark.parametrize(
    "cells",
    [
        CELLS.assign(a=[1, 2, 3]),
        CELLS.assign(a=[b"x", b"y", b"z"]),
        CELLS.assign(a=pd.Series(["\ud800", "", ""], dtype=object)),
        CELLS.head(2),
        CELLS.set_axis(["a", "a", "b"], axis=1),
    ],
)
def test_only_texts_are_written_and_nothing_is_left_of_others(cells, tmp_path):
    with pytest.raises(PerfseerError):
        write_shipped(cells, tmp_path / "t.parquet", original=ORIGIN)
    assert not list(tmp_path.iterdir())


def test_the_same_cells_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_shipped(CELLS, tmp_path / name, original=ORIGIN)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_repository_is_the_checkout_under_test(repository):
    assert shipped.repository() == repository


def test_a_source_without_a_licence_is_not_shipped(tmp_path):
    with pytest.raises(PerfseerError, match="may not be passed on"):
        shipped.ship("passmark", tmp_path)
    assert not list(tmp_path.iterdir())
