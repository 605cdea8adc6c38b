"""One file per predictor, found by its name; a file here imports no other file here."""
