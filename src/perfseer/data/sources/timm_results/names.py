"""The result files of timm's benchmark: which there are, and what their names say.

A name reads ``<phase>-<precision>-<layout>-pt<version>-<cu version or cpu>-<device>[-dynamo]``, for example
``infer-amp-nchw-pt240-cu124-rtx4090-dynamo``: what a row was measured on stands nowhere else.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfseer.data.download import RemoteFile
from perfseer.data.platforms import Platform
from perfseer.errors import PerfseerError, require
from perfseer.targets import PHASES, Phase

SOURCE = "timm"
LICENCE = "Apache-2.0"
# Of a reference to a model with its branches merged (zoo/libraries.py, which needs torch).
MERGED = "@reparam"
_PREFIX = "benchmark-"
_REPOSITORY = "https://raw.githubusercontent.com/huggingface/pytorch-image-models"

_FORM = "<phase>-<precision>-<layout>-pt<version>-<cu version or cpu>-<device>[-dynamo]"
# What timm's --precision and --amp-dtype mean in a measurement table: `amp` is autocast to float16.
_PRECISIONS = {
    "amp": "amp-fp16",
    "amp_fp16": "amp-fp16",
    "amp_bf16": "amp-bf16",
    "bf16": "bf16",
    "bfloat16": "bf16",
    "fp16": "fp16",
    "float16": "fp16",
    "tf32": "tf32",
    "fp32": "fp32",
    "float32": "fp32",
}
_LAYOUTS = {"nchw": "nchw", "nhwc": "nhwc", "channels_last": "nhwc"}
_MODES = {"eager": "eager", **dict.fromkeys(("dynamo", "compile", "compiled", "inductor"), "compiled")}
_TORCH = re.compile(r"pt(\d{3,4})")
_BUILD = re.compile(r"cpu|cu\d+|rocm\d+")


@dataclass(frozen=True)
class Given:
    """What a user says about a result file, where its name does not or says something else.

    Attributes:
        device: any name of a device.
        device_kind: ``cpu`` or ``cuda``.
        precision: as a measurement table says it: ``fp32``, ``tf32``, ``amp-fp16``, ``bf16``, ...
        memory_format: ``nchw`` or ``nhwc``.
        mode: ``eager`` or ``compiled``.
        software: for example ``torch 2.4.0 cu124``.
        phase: ``train`` or ``infer``.
    """

    device: str | None = None
    device_kind: str | None = None
    precision: str | None = None
    memory_format: str | None = None
    mode: str | None = None
    software: str | None = None
    phase: str | None = None


@dataclass(frozen=True)
class ResultFile:
    """One published file.

    Attributes:
        name: stem without the leading ``benchmark-``.
        commit: of timm's repository, which no longer has all files at its latest.
        sha256: of the file's bytes.
        n_bytes: its size.
    """

    name: str
    commit: str
    sha256: str
    n_bytes: int

    @property
    def remote(self) -> RemoteFile:
        """Where it is published."""
        file = f"{_PREFIX}{self.name}.csv"
        url = f"{_REPOSITORY}/{self.commit}/results/{file}"
        return RemoteFile(SOURCE, file, url, self.sha256, self.n_bytes, LICENCE)

    @property
    def platform(self) -> Platform:
        """What its rows were measured on."""
        return parse_name(self.name)[0]


def _published() -> tuple[ResultFile, ...]:
    with Path(__file__).with_name("files.csv").open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream)
        return tuple(
            ResultFile(row["name"], row["commit"], row["sha256"], int(row["n_bytes"])) for row in rows
        )


FILES: tuple[ResultFile, ...] = _published()


def find_file(name: str) -> ResultFile:
    """The published file of that name, with or without ``benchmark-`` and ``.csv``.

    Raises:
        PerfseerError: there is none.
    """
    stem = plain_stem(name)
    found = next((file for file in FILES if file.name == stem), None)
    if found is None:
        names = "\n  ".join(file.name for file in FILES)
        raise PerfseerError(
            f"{name!r} is neither a file here nor a published result file of timm; there are\n  {names}"
        )
    return found


def plain_stem(name: str) -> str:
    """A file name without ``benchmark-`` and ``.csv``."""
    return name.removesuffix(".csv").removeprefix(_PREFIX)


def parse_name(stem: str, given: Given | None = None) -> tuple[Platform, Phase]:
    """What a result file was measured on, and what it times.

    Args:
        stem: its name, with or without ``benchmark-`` and ``.csv``.
        given: what the user says; goes before what the name says.

    Raises:
        PerfseerError: something is said neither by the name nor by the user.
    """
    facts = _facts(plain_stem(stem))
    facts |= {name: value for name, value in vars(given or Given()).items() if value is not None}
    facts.setdefault("mode", "eager")
    facts.setdefault("device_kind", "cpu" if facts.get("build") == "cpu" else "cuda")
    wanted = ("phase", "precision", "memory_format", "software", "device")
    missing = [f"--{name.replace('_', '-')}" for name in wanted if not facts.get(name)]
    require(
        not missing,
        f"the name {stem!r} does not say all that matters; expected benchmark-{_FORM}.csv, "
        f"or give {', '.join(missing)}",
    )
    phase = next((phase for phase in PHASES if phase == facts["phase"]), None)
    if phase is None:
        raise PerfseerError(f"phase {facts['phase']!r} of {stem!r}; expected {' or '.join(PHASES)}")
    # Platform checks each value and says which are allowed, so what a user gives goes in as it is.
    names = ("device", "device_kind", "precision", "memory_format", "mode", "software")
    values: dict[str, Any] = {name: facts[name] for name in names}
    return Platform(**values), phase


def _facts(stem: str) -> dict[str, str]:
    """What the parts of a name say; parts that say nothing known are the device's name, in their order."""
    facts: dict[str, str] = {}
    device: list[str] = []
    for part in filter(None, stem.split("-")):
        found = _fact(part.lower())
        if found is None or found[0] in facts:
            device.append(part)
        else:
            facts[found[0]] = found[1]
    if "torch" in facts:
        build = "" if facts.get("build", "cpu") == "cpu" else facts["build"]
        facts["software"] = " ".join(filter(None, ["torch", facts["torch"], build]))
    return facts | {"device": "-".join(device)}


def _fact(part: str) -> tuple[str, str] | None:
    if part in PHASES:
        return "phase", part
    known = {"precision": _PRECISIONS, "memory_format": _LAYOUTS, "mode": _MODES}
    for name, values in known.items():
        if part in values:
            return name, values[part]
    if match := _TORCH.fullmatch(part):
        return "torch", _version(match[1])
    return ("build", part) if _BUILD.fullmatch(part) else None


def _version(digits: str) -> str:
    """``240`` is 2.4.0 and ``2101`` 2.10.1, but ``113`` is 1.13: the last versions 1 had two-digit minors."""
    if digits.startswith("1"):
        return ".".join(filter(None, [digits[0], digits[1:3], digits[3:]]))
    return f"{digits[0]}.{digits[1:-1]}.{digits[-1]}"
