"""Reading timm's result files as measurement tables; what their columns mean is in `timm_results` itself."""

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from perfseer.data.download import fetch
from perfseer.data.platforms import Platform
from perfseer.data.published import published_table
from perfseer.data.sources.timm_results.names import FILES, SOURCE, Given, find_file, parse_name, plain_stem
from perfseer.errors import PerfseerError, require
from perfseer.targets import Phase

# Of tables measured here it is a small number: the two never pass for each other (measure/table.py).
PROTOCOL_VERSION = 1001
# Step time x samples per second is the batch size; beyond this share the two disagree.
DISAGREEMENT = 0.02
_PROTOCOL = {
    "benchmark": "timm benchmark.py",
    "statistic": "mean step time",
    "iterations": "40 by default, not recorded",
    "warmup_iterations": "10 by default, not recorded",
}
_PUBLISHED = ("param_count", "gmacs", "macts")
_MAX_SIZE = 2**31
_RENAMES = Path(__file__).with_name("timm_renames.csv")


@dataclass(frozen=True, eq=False)
class Imported:
    """One result file, read.

    Attributes:
        source: the file's name without ``benchmark-`` and ``.csv``.
        platform: what it was measured on.
        phase: what its rows time.
        table: the measurement table, in the file's order.
        published: as many rows: ``model``, the name in the file; ``param_count`` [10^6], ``gmacs`` [10^9],
            ``macts`` [10^6], NaN if missing.
        refused: ``line`` (of the file), ``model`` and ``reason`` of rows that are not in the table.
        n_disagreeing: rows whose step time and samples per second disagree by more than `DISAGREEMENT`. They
            are kept: the label is the step time, the other includes what passes between steps.
    """

    source: str
    platform: Platform
    phase: Phase
    table: pd.DataFrame
    published: pd.DataFrame
    refused: pd.DataFrame
    n_disagreeing: int

    @property
    def counts(self) -> dict[str, int]:
        """Rows by what became of them."""
        failed = int((self.table["status"] != "ok").sum())
        return {
            "rows": len(self.table) + len(self.refused),
            "measured": len(self.table) - failed,
            "renamed": int((SOURCE + ":" + self.published["model"] != self.table["model_ref"]).sum()),
            "without_time": failed,
            "refused": len(self.refused),
            "disagreeing": self.n_disagreeing,
        }

    def of_architectures(self, names: Collection[str]) -> "Imported":
        """The file with the rows of some architectures alone."""
        kept = self.table["architecture"].isin(names).to_numpy()
        return replace(
            self,
            table=self.table[kept].reset_index(drop=True),
            published=self.published[kept].reset_index(drop=True),
        )


def open_results(name: str | Path, given: Given | None = None) -> Imported:
    """Read a published result file by its name, or one of the user's by its path.

    Raises:
        PerfseerError: as `read_results`, or there is no such file, or it cannot be fetched.
    """
    path = Path(name)
    if path.is_file():
        return read_results(path, given)
    return read_results(fetch(find_file(str(name)).remote), given)


def open_all(names: Sequence[str | Path] | None = None, given: Given | None = None) -> list[Imported]:
    """Read result files: published ones by name, others by path; all of `FILES` if none is named.

    Raises:
        PerfseerError: as `open_results`.
    """
    return [open_results(name, given) for name in names or [file.name for file in FILES]]


def read_results(path: Path, given: Given | None = None) -> Imported:
    """Read a result file of timm's benchmark.

    Args:
        path: a CSV file with a header; columns in any order, unknown ones are left out.
        given: what its name does not say.

    Returns:
        The rows as a measurement table. A row without a time has the status ``error``; one that names no
        model or size, or that was there before, is refused.

    Raises:
        PerfseerError: the file is no such table, or neither its name nor ``given`` says what it was measured
            on.
    """
    source = plain_stem(path.name)
    raw = _read_csv(path)
    platform, phase = parse_name(source, _with_phase(given, raw, source))
    rows = _columns(raw, phase, path)
    reasons = _faults(rows)
    kept = rows[reasons == ""]
    per_second = kept["step_time"] * kept["samples_per_sec"] / (1000 * kept["batch_size"])
    return Imported(
        source=source,
        platform=platform,
        phase=phase,
        table=_table(kept, platform, phase, source),
        published=kept[["model", *_PUBLISHED]].reset_index(drop=True),
        refused=pd.DataFrame(
            {"line": rows.index + 2, "model": rows["model"], "reason": reasons}, index=rows.index
        )[reasons != ""].reset_index(drop=True),
        n_disagreeing=int(((per_second - 1).abs() > DISAGREEMENT).sum()),
    )


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", index_col=False)
    except (OSError, ValueError) as error:  # pandas' own parser errors are ValueErrors
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PerfseerError(f"{path} cannot be read as a CSV file with a header: {first}") from error
    require(
        "model" in raw.columns, f"{path} has no column `model`; expected a result file of timm's benchmark.py"
    )
    require(len(raw) > 0, f"{path} has a header and no rows")
    return raw


def _with_phase(given: Given | None, raw: pd.DataFrame, source: str) -> Given:
    """Where neither name nor user says the phase, the columns do, unless there are those of both."""
    given = given or Given()
    phases = [phase for phase in ("train", "infer") if f"{phase}_step_time" in raw.columns]
    named = {part for part in source.split("-") if part in ("train", "infer")}
    if given.phase or named or len(phases) != 1:
        return given
    return Given(**{**vars(given), "phase": phases[0]})


def _columns(raw: pd.DataFrame, phase: Phase, path: Path) -> pd.DataFrame:
    """The columns of a phase without its prefix, as numbers; NaN where there is none."""
    wanted = ("step_time", "samples_per_sec", "batch_size", "img_size")
    missing = [f"{phase}_{name}" for name in wanted if f"{phase}_{name}" not in raw.columns]
    require(not missing, f"{path} lacks the columns {', '.join(missing)} of a {phase} benchmark")
    rows = pd.DataFrame({"model": raw["model"].str.strip()})
    for name in (*wanted, *_PUBLISHED):
        column = name if name == "param_count" else f"{phase}_{name}"
        text = raw[column] if column in raw.columns else pd.Series("", index=raw.index)
        rows[name] = pd.to_numeric(text.str.strip(), errors="coerce").astype(np.float64)
        rows.loc[~np.isfinite(rows[name]), name] = np.nan
    return rows


def _faults(rows: pd.DataFrame) -> "pd.Series[str]":
    """Why each row is refused; empty where it is not."""
    reasons = pd.Series("", index=rows.index, dtype=object)

    def refuse(where: "pd.Series[bool]", reason: str) -> None:
        reasons[where & (reasons == "")] = reason

    refuse(~rows["model"].str.fullmatch(r"[\w.\-]+"), "no name of a model")
    for name, words in (("img_size", "image size"), ("batch_size", "batch size")):
        values = rows[name]
        refuse(values.isna(), f"no {words}")
        refuse(~((values >= 1) & (values % 1 == 0) & (values < _MAX_SIZE)), f"the {words} is no count")
    refuse(rows["step_time"] <= 0, "the step time is not positive")
    refuse(rows.duplicated(["model", "img_size", "batch_size"]), "was there before")
    return reasons


def _table(rows: pd.DataFrame, platform: Platform, phase: Phase, source: str) -> pd.DataFrame:
    measured = rows["step_time"].notna()
    size = rows["img_size"].astype(np.int64).astype(str)
    names = rows["model"].replace(renames())
    architecture = names.str.partition(".")[0]
    values: dict[str, Any] = {
        "model_ref": SOURCE + ":" + names,
        "architecture": architecture,
        "family": family(architecture),
        "input_shape": "3x" + size + "x" + size,
        "batch_size": rows["batch_size"].astype(np.int64),
        "precision": platform.precision,
        "memory_format": platform.memory_format,
        "mode": platform.mode,
        f"{phase}_time_ms": rows["step_time"],
        f"{phase}_time_mean_ms": rows["step_time"],
        "status": np.where(measured, "ok", "error"),
        "reason": np.where(measured, "", "the file gives no time"),
    }
    _, _, software = platform.software.partition("torch ")
    version, _, build = software.partition(" ")
    return published_table(
        pd.DataFrame(values, index=rows.index).reset_index(drop=True),
        device=platform.device,
        device_kind=platform.device_kind,
        protocol=_PROTOCOL,
        protocol_version=PROTOCOL_VERSION,
        environment={"torch": "+".join(filter(None, [version, build])), "source": source},
    )


@cache
def renames() -> dict[str, str]:
    """Names of models in published files to those that timm has for them now, where they differ."""
    with _RENAMES.open(encoding="utf-8", newline="") as stream:
        return {row["published"]: row["present"] for row in csv.DictReader(stream)}


def family(architectures: "pd.Series[str]") -> "pd.Series[str]":
    """The leading letters of each name: ``resnet`` of ``resnet50d``; the name where it has none."""
    return architectures.str.extract(r"^([A-Za-z]+)", expand=False).fillna(architectures)
