"""Who predicts: one contract (`base`), one registry, four predictors."""
