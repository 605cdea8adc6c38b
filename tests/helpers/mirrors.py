"""Tests on published files run only where a mirror of them is."""

import os

import pytest

needs_mirror = pytest.mark.skipif(
    not os.environ.get("PERFSEER_MIRROR"), reason="needs the published files: set PERFSEER_MIRROR"
)
