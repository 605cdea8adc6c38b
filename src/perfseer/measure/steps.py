"""What one training and one inference iteration are, declared once for every meter."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from perfseer.measure.compilation import compiled
from perfseer.measure.settings import MemoryFormat, Mode, Precision
from perfseer.targets import Phase

# The optimiser of a training step. Its momentum buffers (one per parameter) are part of training memory.
LEARNING_RATE = 0.01
MOMENTUM = 0.9

Forward = Callable[[Tensor], Tensor]

_FORMATS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}


@dataclass(frozen=True)
class Batch:
    """What a phase is run on.

    Attributes:
        shape: N, C, H, W of the input.
        precision: number format of weights and activations.
        memory_format: layout of activations and of the weights of convolutions.
        device: torch device, ``cpu`` or ``cuda``.
        mode: ``eager``, or ``compiled`` by `torch.compile`.
    """

    shape: tuple[int, ...]
    precision: Precision
    memory_format: MemoryFormat
    device: str
    mode: Mode = "eager"

    def inputs(self) -> Tensor:
        """[N, C, H, W] standard normal input on the device."""
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        inputs = torch.randn(self.shape, device=self.device, dtype=dtype)
        return inputs.contiguous(memory_format=_FORMATS[self.memory_format]) if inputs.ndim == 4 else inputs

    def place(self, model: nn.Module) -> nn.Module:
        """``model`` on the device, in the precision and memory format of this batch."""
        dtype = torch.bfloat16 if self.precision == "bf16" else None
        return model.to(device=self.device, dtype=dtype, memory_format=_FORMATS[self.memory_format])


def declare_precision(precision: Precision) -> None:
    """Set the global switches ``precision`` stands for: TF32 in matrix products and cuDNN on or off.

    cuDNN chooses its algorithms by heuristics, as is torch's default: its autotuner would spend seconds per
    network, and its choice, and so the label, differ from run to run.
    """
    allowed = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cudnn.benchmark = False


def autocast(batch: Batch) -> contextlib.AbstractContextManager[object]:
    """Automatic mixed precision in float16 for ``amp-fp16``, nothing otherwise."""
    if batch.precision == "amp-fp16":
        return torch.autocast(batch.device.partition(":")[0], dtype=torch.float16)
    return contextlib.nullcontext()


def make_step(model: nn.Module, batch: Batch, phase: Phase) -> Callable[[], None]:
    """One iteration of ``phase`` as a function without arguments; the input is reused in every iteration.

    In mode ``compiled`` the model's forward pass, and the backward pass with it, is compiled during the first
    iteration; loss and optimiser stay eager.

    Args:
        model: maps [N, C, H, W] to [N, classes]; moved and set to train or eval mode here.
        batch: what it is run on.
        phase: ``train`` (zero gradients, forward, cross-entropy, backward, SGD step) or ``infer`` (forward in
            inference mode).
    """
    model = batch.place(model)
    inputs = batch.inputs()
    model.train(phase == "train")
    forward = compiled(model) if batch.mode == "compiled" else model
    if phase == "infer":
        return _inference_step(forward, inputs, batch)
    return _training_step(forward, list(model.parameters()), inputs, batch)


def _inference_step(forward: Forward, inputs: Tensor, batch: Batch) -> Callable[[], None]:
    def step() -> None:
        with torch.inference_mode(), autocast(batch):
            forward(inputs)

    return step


def _training_step(
    forward: Forward, parameters: list[nn.Parameter], inputs: Tensor, batch: Batch
) -> Callable[[], None]:
    optimiser = torch.optim.SGD(parameters, lr=LEARNING_RATE, momentum=MOMENTUM)
    # float16 gradients underflow without a scaled loss, so this is what mixed-precision training does.
    scaler = torch.amp.GradScaler(batch.device.partition(":")[0], enabled=batch.precision == "amp-fp16")
    # The classes are known once the model has run; they then serve every iteration.
    targets: list[Tensor] = []

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        with autocast(batch):
            outputs = forward(inputs)
            if not targets:
                targets.append(torch.arange(outputs.shape[0], device=outputs.device) % outputs.shape[1])
            loss = nn.functional.cross_entropy(outputs, targets[0])
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()

    return step
