"""Programs saved by `torch.export.save`: read without their weights and without unpickling, run, captured."""
