"""The hardware database: accelerators, their figures, their results and prices, each with where it comes from."""
