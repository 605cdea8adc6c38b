"""Which platform a person means: ``rtx3090`` is one of several that were trained on, or a new device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from perfseer.data.devices import DeviceSpec, device_spec, device_specs
from perfseer.data.platforms import MODES, PRECISIONS, Mode, Platform
from perfseer.errors import PerfseerError, require
from perfseer.forecast.parts import Notice
from perfseer.forecast.software import newest, parse_software, steps_between, version_of
from perfseer.targets import Phase

_WORDS: Mapping[Phase, str] = {"infer": "inference", "train": "training"}
# What is meant where nothing is said: how most people run their models, first.
_PRECISIONS = {
    "cuda": ("amp-fp16", "amp-bf16", "bf16", "fp16", "tf32", "fp32"),
    "cpu": ("fp32", "bf16", "amp-bf16", "fp16", "amp-fp16", "tf32"),
}


@dataclass(frozen=True)
class Wanted:
    """What narrows the platforms of a device; None takes what is usual.

    Attributes:
        precision: fp32, tf32, amp-fp16, …
        memory_format: ``nchw`` or ``nhwc``.
        mode: ``eager``, ``compiled`` or ``cuda-graphs``.
        software: a version of torch in any spelling (`parse_software`); patch and build only name it.
    """

    precision: str | None = None
    memory_format: Literal["nchw", "nhwc"] | None = None
    mode: Mode | None = None
    software: str | None = None

    def __post_init__(self) -> None:
        allowed = {"precision": PRECISIONS, "memory_format": ("nchw", "nhwc"), "mode": MODES}
        for name, values in allowed.items():
            value = getattr(self, name)
            require(
                value is None or value in values,
                f"{name.replace('_', ' ')} {value!r} is none of {', '.join(values)}",
            )
        if self.software is not None:
            object.__setattr__(self, "software", parse_software(self.software))

    @property
    def given(self) -> dict[str, Any]:
        """What was said, by field."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def fits(self, platform: Platform) -> bool:
        """Whether the platform is as wanted; versions of software are alike if major and minor are."""
        return self.fits_but_software(platform) and (
            self.software is None or version_of(self.software) == platform.torch_version
        )

    def fits_but_software(self, platform: Platform) -> bool:
        """Whether the platform is as wanted, whatever it runs."""
        given = {name: value for name, value in self.given.items() if name != "software"}
        return all(getattr(platform, name) == value for name, value in given.items())

    def __str__(self) -> str:
        return " ".join(self.given.values()) or "anything"


@dataclass(frozen=True)
class Chosen:
    """The platform an answer will be for.

    Attributes:
        platform: None where the predictor does not say what it was trained on.
        trained_on: whether the predictor learnt from measurements of it, in the phase asked about.
        notices: what to know about the choice.
        stand_in: platform whose estimate is given for ``platform``, which was not trained on: the same under
            the nearest version of its software, or eager where CUDA graphs are asked for.
    """

    platform: Platform | None
    trained_on: bool
    notices: tuple[Notice, ...] = ()
    stand_in: Platform | None = None


@dataclass(frozen=True)
class Platforms:
    """The platforms a predictor was trained on.

    Attributes:
        trained: in the predictor's order; empty where it does not say.
        phases: the phases each was trained in, by key; platforms that are absent count for every phase.
        default: key of the platform that is meant where none is named.
        shared: whether one predictor learnt from several platforms what they have in common, so that it can
            answer for a device it never saw.
    """

    trained: tuple[Platform, ...]
    phases: Mapping[str, Sequence[Phase]]
    default: str | None
    shared: bool

    def choose(self, target: str | None, phase: Phase, wanted: Wanted) -> Chosen:
        """The platform that ``target`` names: a key, a trained device, or a device with public figures.

        Raises:
            PerfseerError: nothing is known by that name, or nothing that is as wanted.
        """
        if not self.trained:
            require(
                target is None and wanted == Wanted(),
                "the predictor does not say what it was trained on, so it cannot answer for "
                f"{target or wanted}; leave the target away, or name another predictor",
            )
            return Chosen(None, True)
        if wanted.mode == "cuda-graphs":
            return _replayed(self.choose(target, phase, replace(wanted, mode="eager")))
        if target is None:
            return self._default(phase, wanted)
        exact = [platform for platform in self.trained if platform.key == target]
        if exact:
            require(
                wanted.fits(exact[0]),
                f"target {target} names a platform, and {wanted} was asked for too: leave one of both away, "
                f"or name the device alone ({exact[0].device})",
            )
            return self._taken(exact, phase, told=True)
        of_device = [platform for platform in self.trained if _same_device(platform, target)]
        return self._of_device(of_device, phase, wanted) or self._untrained(target, of_device, phase, wanted)

    def _default(self, phase: Phase, wanted: Wanted) -> Chosen:
        named = [platform for platform in self.trained if platform.key == self.default]
        pool = [*named, *self.trained]
        if wanted.software is not None and not any(
            wanted.fits(platform) and self._knows(platform, phase) for platform in pool
        ):
            device = min(named or pool, key=_preference).device
            alike = [platform for platform in self.trained if platform.device == device]
            near = self._of_device(alike, phase, wanted) or self._untrained(device, alike, phase, wanted)
            text = f"no target was named: the answer is for {device}"
            return replace(near, notices=(Notice("note", "target_chosen", text), *near.notices))
        fitting = [platform for platform in pool if wanted.fits(platform) and self._knows(platform, phase)]
        require(
            bool(fitting),
            f"the predictor was trained on nothing like {wanted} for {_WORDS[phase]}; it knows "
            f"{self._listing()}",
        )
        chosen = fitting[0] if named else min(fitting, key=_preference)
        note = Notice("note", "target_chosen", f"no target was named: the answer is for {chosen.key}")
        return Chosen(chosen, True, (note,) if len(self.trained) > 1 else ())

    def _of_device(self, of_device: list[Platform], phase: Phase, wanted: Wanted) -> Chosen | None:
        """The trained platform of a device that is as wanted, or the one nearest in software; else None."""
        fitting = [platform for platform in of_device if wanted.fits(platform)]
        others = [platform for platform in of_device if wanted.fits_but_software(platform)]
        knowing = [platform for platform in others if self._knows(platform, phase)]
        known = any(self._knows(platform, phase) for platform in fitting)
        if wanted.software is None or known or not knowing or not self.shared:
            return self._taken(fitting, phase, told=False) if fitting else None
        asked = version_of(wanted.software)
        nearest = min(knowing, key=lambda one: (steps_between(asked, one.torch_version), _preference(one)))
        platform = replace(nearest, software=wanted.software)
        text = (
            f"the predictor saw no {_WORDS[phase]} on {nearest.device} under {wanted.software}: the answer "
            f"is that of {nearest.key}, the nearest version, with the interval of a platform it never saw"
        )
        return Chosen(platform, False, (Notice("warning", "target_not_trained", text),), nearest)

    def _taken(self, platforms: list[Platform], phase: Phase, *, told: bool) -> Chosen:
        """The most usual one of some trained platforms."""
        knowing = [platform for platform in platforms if self._knows(platform, phase)]
        chosen = min(knowing or platforms, key=_preference)
        notices = []
        if not told and len(knowing or platforms) > 1:
            others = ", ".join(platform.key for platform in platforms if platform != chosen)
            text = f"{chosen.key} was taken; the predictor also knows {others}"
            notices.append(Notice("note", "target_chosen", text))
        if not knowing:
            text = f"the predictor saw no {_WORDS[phase]} on {chosen.key}, only on other platforms"
            notices.append(Notice("warning", "phase_not_trained", text))
        return Chosen(chosen, bool(knowing), tuple(notices))

    def _untrained(self, target: str, near: list[Platform], phase: Phase, wanted: Wanted) -> Chosen:
        spec = device_spec(target)
        if spec is None and not near:
            raise PerfseerError(
                f"no target {target!r}: the predictor knows {self._listing()}; devices with public figures "
                f"are {', '.join(spec.key for spec in device_specs())}"
            )
        require(
            self.shared,
            f"the predictor knows only {self._listing()}, so it cannot answer for {target} ({wanted}); "
            "take one that learnt from several platforms, or calibrate one with `perfseer calibrate`",
        )
        chosen = self._modelled_on(spec, near, phase, wanted)
        text = (
            f"the predictor saw no measurement of {chosen.key}: it answers from the device's public figures "
            "and what it learnt on other platforms"
        )
        notices = [Notice("warning", "target_not_trained", text)]
        if wanted.software is None:
            notices.append(self._assumed(chosen, phase))
        return Chosen(chosen, False, tuple(notices))

    def _assumed(self, platform: Platform, phase: Phase) -> Notice:
        """Says under which software an answer is whose question named none, and which ones taught it."""
        pool = self._of_kind(platform.device_kind)
        known = sorted({one.torch_version for one in pool if self._knows(one, phase)} - {(0, 0)})
        learnt = ", ".join(f"{major}.{minor}" for major, minor in known) or "software that is not on record"
        text = (
            f"no software was named: {platform.software} was assumed, the newest that the predictor knows of "
            f"such devices; its {_WORDS[phase]} was learnt under torch {learnt}"
        )
        return Notice("note", "software_assumed", text)

    def _of_kind(self, kind: str) -> list[Platform]:
        return [platform for platform in self.trained if platform.device_kind == kind] or list(self.trained)

    def _modelled_on(
        self, spec: DeviceSpec | None, near: list[Platform], phase: Phase, wanted: Wanted
    ) -> Platform:
        """The platform of a device as wanted; what was not said is as on the most usual trained platform.

        Its software is the newest the predictor knows in any phase: what a phase happened to be measured
        under years ago is not what a new device runs.
        """
        device, kind = (spec.name, spec.kind) if spec else (near[0].device, near[0].device_kind)
        of_kind = self._of_kind(kind)
        alike = [platform for platform in of_kind if self._knows(platform, phase)] or of_kind
        pattern = min(near or alike, key=lambda one: (not wanted.fits_but_software(one), _preference(one)))
        said = {"software": newest(near or of_kind), **wanted.given}
        units = pattern.units if near else None
        return replace(pattern, device=device, device_kind=kind, units=units, **said)

    def _knows(self, platform: Platform, phase: Phase) -> bool:
        return phase in self.phases.get(platform.key, ("infer", "train"))

    def _listing(self) -> str:
        return ", ".join(platform.key for platform in self.trained)


def _replayed(eager: Chosen) -> Chosen:
    """A platform on which eager steps are recorded and replayed: an eager one with another host.

    Raises:
        PerfseerError: its device is a CPU.
    """
    like = eager.stand_in or eager.platform
    if eager.platform is None or like is None or like.device_kind != "cuda":
        raise PerfseerError(
            f"CUDA graphs were asked for on {'nothing' if like is None else like.device}, expected a GPU: "
            "leave --mode away"
        )
    text = (
        f"nobody here has measured CUDA graphs: the device's time is that of {like.key}, and a host is "
        "assumed that starts a kernel in about a microsecond"
    )
    notices = (*eager.notices, Notice("warning", "cuda_graphs_assumed", text))
    return Chosen(replace(eager.platform, mode="cuda-graphs"), False, notices, like)


def _same_device(platform: Platform, target: str) -> bool:
    spec = device_spec(target)
    return platform.device.lower() == target.lower() or (spec is not None and spec == platform.spec)


def _preference(platform: Platform) -> tuple[int, int, int, tuple[int, ...]]:
    """Least first: eager, nchw, the usual precision, the newest software."""
    order = _PRECISIONS[platform.device_kind]
    major, minor = platform.torch_version
    return (
        platform.mode != "eager",
        platform.memory_format != "nchw",
        order.index(platform.precision) if platform.precision in order else len(order),
        (-major, -minor),
    )
