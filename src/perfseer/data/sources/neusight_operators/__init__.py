"""Operators timed one by one on five GPUs (NeuSight)."""
