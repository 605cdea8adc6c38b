"""What several predictors share: rooflines, tables of totals, weights, what is learned beside them."""
