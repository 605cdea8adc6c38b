"""Sources of MLPerf with nothing but what a test writes."""

import pytest

from perfseer.hardware import shipped


@pytest.fixture(autouse=True, scope="module")
def nothing_published(tmp_path_factory):
    """No mirror, cache, network or shipped table has the official files."""
    nowhere = tmp_path_factory.mktemp("nowhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFSEER_MIRROR", str(nowhere / "mirror"))
        patch.setenv("PERFSEER_CACHE", str(nowhere / "cache"))
        patch.setattr(shipped, "repository", lambda: None)
        yield
