"""Models as graphs of operators: capture, costs, liveness, and models in files read as data."""
