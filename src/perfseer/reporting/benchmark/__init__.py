"""The benchmark report: what training and using each predictor costs."""
