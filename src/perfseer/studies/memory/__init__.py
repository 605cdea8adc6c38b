"""How good forecasts of memory are: on measured memory, and on batch sizes that shrank until they fitted."""
