"""measurement.md: how the labels were measured, and how far they can be trusted."""
