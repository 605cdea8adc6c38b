"""comparison.md: every predictor on the same rows, which differences are shown, where each one fails."""
