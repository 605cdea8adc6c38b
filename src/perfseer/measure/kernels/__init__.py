"""Measuring kernels one by one: fusion rules, micro-benchmarks, adaptive sampling (METHODS 2.1, 2.3)."""
