"""What NN-Meter and its additive form share: kernels of graphs as tables, forests of measured kernels."""
