"""The dataset: packed graphs, clean rows, features, normalisers, splits, folds and mini-batches."""
