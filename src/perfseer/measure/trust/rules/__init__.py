"""The rules a measurement table must obey, by what they look at: one row, several rows, the run."""
