"""What a model will cost: questions people ask, answered by a fitted predictor."""
