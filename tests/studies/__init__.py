"""Tests against written-down results."""
