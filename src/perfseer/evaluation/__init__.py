"""How good predictions are: metrics, intervals over seeds, error breakdowns and records."""
