"""What several predictors share: features, forests, networks, tables of kernels, work on a platform."""
