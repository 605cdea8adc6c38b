"""Predictors on published results of real models, on groups and devices they never saw."""
