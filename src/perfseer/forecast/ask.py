"""What a person wants to know about every model."""

from dataclasses import dataclass, field

from perfseer.errors import require
from perfseer.forecast.inputs import Feed
from perfseer.forecast.platform_choice import Wanted
from perfseer.measure.limits import Limits
from perfseer.targets import Phase


@dataclass(frozen=True)
class Ask:
    """What to answer about every model.

    Attributes:
        batch_sizes: samples; None is the batch of the example inputs, of the file, or 1.
        phases: ``infer``, ``train`` or both.
        targets: devices or keys of platforms; None is the predictor's own default.
        wanted: precision, memory format, mode and software where a device has several.
        feed: inputs of models that are named.
        confidence: of the intervals, in (0, 1).
        explain: whether to say where the time goes.
        device_memory_bytes: memory there is on the target; None takes the published one.
        limits: of reading a model that is named, and of capturing it once; beyond them it has no answer.
    """

    batch_sizes: tuple[int | None, ...] = (None,)
    phases: tuple[Phase, ...] = ("infer",)
    targets: tuple[str | None, ...] = (None,)
    wanted: Wanted = field(default_factory=Wanted)
    feed: Feed = field(default_factory=Feed)
    confidence: float = 0.9
    explain: bool = False
    device_memory_bytes: float | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        wrong = [size for size in self.batch_sizes if size is not None and size < 1]
        require(not wrong, f"batch sizes {wrong}, expected at least 1")
        unknown = [phase for phase in self.phases if phase not in ("infer", "train")]
        require(not unknown, f"no phases {', '.join(map(str, unknown))}; there are infer and train")
        require(0 < self.confidence < 1, f"a confidence of {self.confidence}, expected between 0 and 1")
        memory = self.device_memory_bytes
        require(memory is None or memory > 0, f"a device memory of {memory} bytes, expected a positive size")
        for name in ("batch_sizes", "phases", "targets"):
            require(
                bool(getattr(self, name)), f"no {name.replace('_', ' ')} were given, expected at least one"
            )
