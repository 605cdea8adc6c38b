"""Results of MLPerf Inference: rounds, benchmarks, the shape both sources share, and how they are joined."""
