"""Which models exist: the PerfSeer search space, reference networks, model references."""
