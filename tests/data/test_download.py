import hashlib
import urllib.request
from urllib.error import URLError

import pytest

from perfseer.data.download import RemoteFile, fetch
from perfseer.errors import PerfseerError

CONTENTS = b"latencies"
DIGEST = hashlib.sha256(CONTENTS).hexdigest()


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A file behind a URL, an empty cache, no mirror."""
    path = tmp_path / "published.pt"
    path.write_bytes(CONTENTS)
    monkeypatch.setenv("PERFSEER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PERFSEER_MIRROR", raising=False)
    return RemoteFile("somewhere", "a.pt", path.as_uri(), DIGEST)


def test_a_file_is_downloaded_once_and_then_read_from_the_cache(published, tmp_path, monkeypatch):
    path = fetch(published)
    assert path == tmp_path / "cache" / "somewhere" / "a.pt"
    assert path.read_bytes() == CONTENTS
    monkeypatch.setattr(urllib.request, "urlopen", None)
    assert fetch(published) == path


def test_a_damaged_file_of_the_cache_is_downloaded_again(published):
    path = fetch(published)
    path.write_bytes(b"half of it")
    assert fetch(published).read_bytes() == CONTENTS


def test_a_download_of_other_bytes_is_refused_and_leaves_nothing(published, tmp_path):
    other = RemoteFile(published.folder, published.name, published.url, "0" * 64)
    with pytest.raises(PerfseerError, match=f"{DIGEST}.*0000"):
        fetch(other)
    assert not (tmp_path / "cache").exists()


def test_without_a_network_the_message_names_the_mirror(published, monkeypatch):
    def refuse(*args, **kwargs):
        raise URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(PerfseerError, match=r"PERFSEER_MIRROR.*somewhere/a\.pt"):
        fetch(published)


def test_a_mirror_is_read_instead_and_checked(published, tmp_path, monkeypatch):
    monkeypatch.setenv("PERFSEER_MIRROR", str(tmp_path))
    with pytest.raises(PerfseerError, match=r"PERFSEER_MIRROR.*somewhere/a\.pt"):
        fetch(published)
    folder = tmp_path / "somewhere"
    folder.mkdir()
    (folder / "a.pt").write_bytes(CONTENTS)
    assert fetch(published) == folder / "a.pt"
    (folder / "a.pt").write_bytes(b"tampered")
    with pytest.raises(PerfseerError, match=hashlib.sha256(b"tampered").hexdigest()):
        fetch(published)
