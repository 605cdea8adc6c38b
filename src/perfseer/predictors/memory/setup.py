"""How a network is run, as far as memory depends on it."""

from dataclasses import dataclass
from typing import Literal, Self, get_args

from perfseer.data.platforms import PRECISIONS, Platform
from perfseer.errors import require

Optimiser = Literal["sgd", "sgd-momentum", "adam"]

# Buffers the size of the trainable parameters that stay between steps, and those of one step alone: torch's
# multi-tensor Adam takes the square root of all second moments at once.
OPTIMISER_STATES: dict[str, int] = {"sgd": 0, "sgd-momentum": 1, "adam": 2}
OPTIMISER_SCRATCH: dict[str, int] = {"sgd": 0, "sgd-momentum": 0, "adam": 1}
# Since this version attention is one kernel that keeps no scores, and `zero_grad` frees gradients.
_TORCH_2 = (2, 0)


@dataclass(frozen=True)
class MemorySetup:
    """What memory depends on besides the network and its input.

    Attributes:
        device_kind: ``cpu`` or ``cuda``.
        precision: one of `perfseer.data.platforms.PRECISIONS`; ``amp-…`` is autocast: weights in 32 bits, and
            16-bit copies of those that matrix products and convolutions use.
        compiled: whether chains of pointwise operators are fused, so that what lies between takes no memory.
        fused_attention: whether attention keeps no scores.
        gradients_kept: whether gradients stay allocated between steps (``zero_grad(set_to_none=False)``).
        optimiser: of the training step.
        casts_cached: whether 16-bit copies of weights live until autocast is left, as torch's do.
    """

    device_kind: Literal["cpu", "cuda"]
    precision: str = "fp32"
    compiled: bool = False
    fused_attention: bool = True
    gradients_kept: bool = False
    optimiser: Optimiser = "sgd-momentum"
    casts_cached: bool = True

    def __post_init__(self) -> None:
        kinds, optimisers = ("cpu", "cuda"), get_args(Optimiser)
        for name, allowed in (("device_kind", kinds), ("precision", PRECISIONS), ("optimiser", optimisers)):
            found = getattr(self, name)
            require(found in allowed, f"memory of {name} {found!r}: expected one of {', '.join(allowed)}")

    @classmethod
    def of(cls, platform: Platform, optimiser: Optimiser = "sgd-momentum") -> Self:
        """What ``platform`` implies: torch before 2.0 kept gradients and the scores of attention.

        Software that does not say its version counts as recent.
        """
        version = platform.torch_version
        old = version != (0, 0) and version < _TORCH_2
        return cls(
            device_kind=platform.device_kind,
            precision=platform.precision,
            compiled=platform.mode == "compiled",
            fused_attention=not old,
            gradients_kept=old,
            optimiser=optimiser,
        )

    @property
    def autocast(self) -> bool:
        """Whether operators choose their precision one by one."""
        return self.precision.startswith("amp-")

    @property
    def weight_scale(self) -> float:
        """Bytes of a stored weight per byte of the same in fp32."""
        return 0.5 if self.precision in ("fp16", "bf16") else 1.0

    @property
    def traced(self) -> "MemorySetup":
        """What a capture assumes: eager, SGD with momentum, fused attention, bytes as they are."""
        return MemorySetup(self.device_kind, casts_cached=False)
