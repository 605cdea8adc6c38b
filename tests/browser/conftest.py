"""What tests in a real browser share."""

from tests.helpers.browser import browser

__all__ = ["browser"]
