"""What training and using a predictor costs: every point in a process of its own."""
