"""Predictors on NAS-Bench-201: BRP-NAS's own ground, its split, its shares (METHODS 3)."""
