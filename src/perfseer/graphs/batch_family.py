"""One network at any batch size, from captures at two: what a PerfGraph counts is affine in the batch size.

From batch 2 on, every operator moves and computes a constant part (weights) and a part per sample, and the
structure stays. Batch 1 is a case of its own: a dimension of size 1 makes copies into views, so nodes and
bytes can vanish: it has to be captured. `data.families` gives graphs at other batch sizes.

Peak memory is a maximum over moments, each affine: convex, not affine. Between the two captures the value
given is an upper bound, beyond them a lower one. Captures far apart (`SMALL`, `LARGE`) keep both tight.
"""

from perfseer.graphs.perfgraph import NODE_FIELDS

# Batch sizes to capture a family at. The cost of a capture does not depend on them.
SMALL, LARGE = 2, 256
# What an operator is and who feeds whom: must be the same at both batch sizes.
STRUCTURE: tuple[str, ...] = (
    *("operators", "edge_index"),
    *("n_parameters", "parameter_bytes", "buffer_bytes", "has_backward", "unknown"),
)
AFFINE: tuple[str, ...] = (
    *NODE_FIELDS[1:],
    *("hyperparameters", "output_shapes", "edge_bytes", "edge_shapes", "train_only_bytes"),
)
CONVEX: tuple[str, ...] = ("peak_infer_bytes", "peak_train_bytes")
