"""Operators of language models on two GPUs (Vidur)."""
