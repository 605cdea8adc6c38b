"""Models in ONNX files: read without their weights, run as PyTorch's operators, captured like any module."""
