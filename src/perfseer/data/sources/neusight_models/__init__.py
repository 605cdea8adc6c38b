"""Whole language models on five GPUs (NeuSight)."""
