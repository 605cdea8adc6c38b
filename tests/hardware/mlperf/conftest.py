"""Sources of MLPerf with nothing but what a test writes."""

import pytest

from perfseer.hardware import shipped


@pytest.fixture(autouse=True)
def nothing_published(tmp_path, monkeypatch):
    """No mirror, cache, network or shipped table has the official files."""
    monkeypatch.setenv("PERFSEER_MIRROR", str(tmp_path / "no-mirror"))
    monkeypatch.setenv("PERFSEER_CACHE", str(tmp_path / "no-cache"))
    monkeypatch.setattr(shipped, "repository", lambda: None)
