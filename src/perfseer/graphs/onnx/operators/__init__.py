"""What each ONNX operator is in PyTorch: one function per operator, a table per kind."""
