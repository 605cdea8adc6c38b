"""What a model costs: meters, stopping rule, isolated worker, collector, journal, measurement table."""
