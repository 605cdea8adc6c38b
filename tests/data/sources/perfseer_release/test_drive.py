"""Downloading the release, by a stand-in for gdown: there is no network in tests."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from perfseer.data.sources.perfseer_release.drive import FOLDER_ID, SUMS_FILE, fetch_release
from perfseer.errors import PerfseerError

CONTENTS = {"cg.zip": b"graphs", "label.zip": b"labels"}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFSEER_CACHE", str(tmp_path))
    monkeypatch.delenv("PERFSEER_MIRROR", raising=False)
    return tmp_path / "perfseer_release"


@pytest.fixture
def published(monkeypatch):
    """What the folder holds; download_folder puts it one folder down, as gdown may."""
    files, calls = dict(CONTENTS), []

    def download_folder(*, output, **options):
        calls.append(options)
        below = Path(output) / "dataset"
        below.mkdir()
        for name, content in files.items():
            (below / name).write_bytes(content)

    monkeypatch.setattr(
        importlib, "import_module", lambda name: SimpleNamespace(download_folder=download_folder)
    )
    return SimpleNamespace(files=files, calls=calls)


def test_the_folder_is_downloaded_once_with_its_sums(cache, published):
    assert fetch_release() == cache
    assert {path.name: path.read_bytes() for path in cache.glob("*.zip")} == CONTENTS
    assert published.calls == [{"id": FOLDER_ID, "use_cookies": False, "resume": True}]
    assert fetch_release() == cache
    assert len(published.calls) == 1


def test_archives_that_change_later_are_refused(cache, published):
    fetch_release()
    (cache / "cg.zip").write_bytes(b"other graphs")
    with pytest.raises(PerfseerError, match=r"cg\.zip.*SHA256SUMS"):
        fetch_release()


def test_a_download_without_an_archive_is_told_and_tried_again(cache, published):
    del published.files["label.zip"]
    with pytest.raises(PerfseerError, match=r"label\.zip.*https://drive"):
        fetch_release()
    assert not (cache / SUMS_FILE).exists()


def test_a_network_that_fails_is_told_with_a_way_out(cache, monkeypatch):
    def refuse(**options):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(importlib, "import_module", lambda name: SimpleNamespace(download_folder=refuse))
    with pytest.raises(PerfseerError, match="ConnectionError"):
        fetch_release()


def test_without_gdown_the_message_says_what_to_install(cache, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(PerfseerError, match=r"perfseer\[release\]"):
        fetch_release()


def test_a_mirror_is_read_and_never_downloaded(cache, published, tmp_path, monkeypatch):
    monkeypatch.setenv("PERFSEER_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(PerfseerError, match=r"cg\.zip.*label\.zip"):
        fetch_release()
    folder = tmp_path / "mirror" / "perfseer_release"
    folder.mkdir(parents=True)
    for name, content in CONTENTS.items():
        (folder / name).write_bytes(content)
    assert fetch_release() == folder
    assert published.calls == []
