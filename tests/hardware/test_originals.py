import hashlib
import threading
import time
import urllib.request
from urllib.error import HTTPError, URLError

import pytest

from perfseer.data.download import RemoteFile
from perfseer.errors import PerfseerError
from perfseer.hardware import originals
from perfseer.hardware.originals import UnavailableError, downloaded_original, local_original

CONTENT = b"name,price\nA100,1\n"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """No mirror, an empty cache, a network that nobody has tried."""
    monkeypatch.setenv("PERFSEER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PERFSEER_MIRROR", raising=False)
    monkeypatch.setattr(originals, "_NETWORK", originals._Network())


@pytest.fixture
def published(tmp_path):
    path = tmp_path / "published.csv"
    path.write_bytes(CONTENT)
    return RemoteFile("hardware", "t.csv", path.as_uri(), DIGEST)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFSEER_MIRROR", str(tmp_path / "mirror"))
    path = tmp_path / "mirror/hardware/t.csv"
    path.parent.mkdir(parents=True)
    return path


def refusing(error, asked):
    def urlopen(url, timeout):
        asked.append(url)
        raise error

    return urlopen


def test_a_download_is_kept_and_found_again(published, monkeypatch):
    assert local_original(published) is None
    assert downloaded_original(published) == originals.Original(CONTENT, "download")
    assert local_original(published) == originals.Original(CONTENT, "cache")


def test_a_damaged_cache_is_passed_over(published, tmp_path):
    downloaded_original(published)
    (tmp_path / "cache/hardware/t.csv").write_bytes(b"half")
    assert local_original(published) is None
    assert downloaded_original(published).content == CONTENT


def test_a_mirror_comes_first_is_checked_and_stands_for_the_network(published, mirror):
    with pytest.raises(UnavailableError, match=r"has no hardware/t\.csv"):
        downloaded_original(published)
    mirror.write_bytes(CONTENT)
    assert local_original(published) == originals.Original(CONTENT, "mirror")
    mirror.write_bytes(b"another version")
    with pytest.raises(PerfseerError, match=DIGEST):
        local_original(published)


def test_a_cache_is_read_where_the_mirror_lacks_the_file(published, monkeypatch, tmp_path):
    downloaded_original(published)
    monkeypatch.setenv("PERFSEER_MIRROR", str(tmp_path / "empty"))
    assert local_original(published).where == "cache"


def test_one_failed_connection_is_enough(published, monkeypatch):
    asked = []
    monkeypatch.setattr(urllib.request, "urlopen", refusing(URLError("no route"), asked))
    for name in ("t.csv", "u.csv"):
        with pytest.raises(UnavailableError, match="no route"):
            downloaded_original(RemoteFile("hardware", name, published.url, DIGEST))
    assert len(asked) == 1


def test_a_server_without_the_file_may_have_the_next(published, monkeypatch):
    asked = []
    missing = HTTPError(published.url, 404, "Not Found", None, None)
    monkeypatch.setattr(urllib.request, "urlopen", refusing(missing, asked))
    for _ in range(2):
        with pytest.raises(UnavailableError, match="Not Found"):
            downloaded_original(published)
    assert len(asked) == 2


def test_other_bytes_than_published_are_not_taken(published, tmp_path):
    other = RemoteFile("hardware", "t.csv", published.url, "0" * 64)
    with pytest.raises(UnavailableError, match=DIGEST):
        downloaded_original(other)
    assert not (tmp_path / "cache/hardware/t.csv").exists()


def test_a_network_that_never_answers_is_given_up(published, monkeypatch):
    done = threading.Event()
    monkeypatch.setattr(originals, "DEADLINE_S", 0.05)
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: done.wait(30))
    start = time.monotonic()
    with pytest.raises(UnavailableError, match="no answer within"):
        downloaded_original(published)
    with pytest.raises(UnavailableError, match="was not tried"):
        downloaded_original(published)
    assert time.monotonic() - start < 10
    done.set()


def test_a_file_without_an_address_is_unavailable():
    with pytest.raises(UnavailableError, match="PERFSEER_MIRROR"):
        downloaded_original(RemoteFile("hardware", "t.csv", "", DIGEST))


def test_a_cache_that_cannot_be_written_is_no_fault_of_the_network(published, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder should be")
    for _ in range(2):
        with pytest.raises(UnavailableError, match="cannot write"):
            downloaded_original(published)
