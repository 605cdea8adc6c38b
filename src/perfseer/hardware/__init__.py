"""The hardware database: accelerators, their figures, results and prices, each with where it comes from."""
