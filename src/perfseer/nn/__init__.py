"""Graph-network parts: aggregations, edge/node/global blocks, SeerNet (METHODS 1.3; paper, equations 1-8)."""
