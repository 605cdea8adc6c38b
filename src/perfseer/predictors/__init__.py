"""Who predicts: one contract (`base`), one registry, one file per predictor in `library/`."""
