"""The overview: what was measured, and how well one predictor does, in detail (perfseer.md)."""
