"""Results of timm's benchmark: published step times of image classifiers, with their graphs.

Wightman, PyTorch Image Models (https://github.com/huggingface/pytorch-image-models), Apache-2.0; the files
lie in its folder ``results/``. Its script ``benchmark.py`` writes one row per model and image size:

- ``<phase>_step_time``: milliseconds per batch, the mean over the counted steps (40 after 10 warm-up steps
  unless told otherwise), each ended by a synchronisation. A training step is forward pass, cross-entropy,
  backward pass and SGD step; clearing the gradients is not in it.
- ``<phase>_samples_per_sec``: from the time of the whole run, so it includes what passes between steps.
- ``<phase>_batch_size``: the one asked for, or less where memory ran out: it differs from row to row.
- ``param_count`` [10^6], ``<phase>_gmacs`` [10^9], ``<phase>_macts`` [10^6], where there are any.

There is no memory and no utilisation. What a file was measured on stands in its name (`names`). Models
that timm has renamed since are given their present names (``timm_renames.csv``, timm's own list), so that one
network is one architecture in files of all ages; several rows of a file can then be one network measured
several times, and stay.
"""
