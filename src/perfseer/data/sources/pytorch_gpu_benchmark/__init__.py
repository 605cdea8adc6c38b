"""Step times of torchvision's classifiers at batch 12, where an eager model waits for its host.

ryujaehun, pytorch-gpu-benchmark (https://github.com/ryujaehun/pytorch-gpu-benchmark), MIT; the files lie in
its folder ``results/``, a column for each model, a row for each repeat (20 or 50), in milliseconds. As its
script has it:

- The input is 12 random images of 3x224x224, in page-able memory of the host. The clock starts after a
  synchronisation, the batch is **copied to the device** within the timed step (7.2 MB, 3.6 MB in half), and
  the clock stops after another synchronisation.
- An inference step is that copy and the forward pass, in evaluation mode, without gradients. A training
  step is clearing the gradients, the copy, forward pass, cross-entropy and backward pass; there is **no
  optimiser step**.
- ``single`` (or ``float``) are models in FP32; none of the three cards has TF32. ``half`` are
  ``model.half()`` with inputs in FP16: all tensors have 16 bits, nothing is cast on the way.
- cuDNN looks for its fastest algorithms (``torch.backends.cudnn.benchmark``), in the first steps, of which
  five are not counted unless its user said otherwise.

What was run is stated for the folder ``2080ti(2)`` alone (17 January 2020, 24 processors, CUDA 10.0, cuDNN
7.6), and even there without the version of torch. The time that a host takes to launch a kernel is a
property of the host, so hosts are kept apart: each folder is taken for one, and its files whose names count
GPUs for another, since they differ as hosts do (DenseNet-201 in half trains in 80 ms in runs (1) and (2) of
``2080TI``, and in 117 ms in its files of one GPU). Runs (1) and (2) may be two cards of one host: they
differ by 1 to 4 %.

Files of 2 to 4 GPUs are left out: they time `DataParallel`, which scatters 12 images a GPU, copies the
model to every one and gathers what they give, and no row here says what that is. torchvision's MNASNet has
another first stage since version 2 of its class where its width is not 1; which one was timed is not known,
so those have no time.
"""
