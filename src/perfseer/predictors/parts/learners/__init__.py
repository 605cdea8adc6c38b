"""Learners on plain arrays, which know nothing of graphs."""
