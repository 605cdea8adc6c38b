"""``perfseer calibrate``: a predictor for this device from a few models measured on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perfseer.cli.measuring import Journal, conclude, measuring, note

if TYPE_CHECKING:
    import pandas as pd

    from perfseer.forecast.measured import Errand
    from perfseer.measure.settings import CollectSettings
    from perfseer.predictors.base import Predictor

_VERB = "calibrate"
MEASUREMENTS_FILE = "measurements.parquet"
# Long enough for a median within a few per cent, short enough for dozens of models in minutes.
_PROTOCOL = {
    "warmup_s": 0.2,
    "warmup_iterations": 2,
    "warmup_drift": 0.1,
    "warmup_budget_s": 1.0,
    "probe_slack": 0.1,
    "ci_width": 0.03,
    "confidence": 0.95,
    "min_iterations": 6,
    "max_iterations": 200,
    "phase_budget_s": 1.5,
    "timeout_s": 120.0,
}
_BATCH_SIZES = {"cpu": "1,4", "cuda": "1,32,128"}
# Of so many candidates for each model to measure, and of this many at least, are they chosen.
_CANDIDATES_PER_MODEL, _CANDIDATES = 2, 24

_Text = str | None


def calibrate(
    out: Annotated[Path, typer.Option(help="Folder to write: a predictor for `predict --predictor`.")],
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    models: Annotated[
        int, typer.Option(min=1, help="Measurements to choose: 5 find the factor, 50 more than that.")
    ] = 10,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Measure this one (timm:NAME, …) instead of chosen ones; may be repeated."),
    ] = None,
    budget_s: Annotated[float, typer.Option(metavar="SECONDS", help="Measuring time in all.")] = 600.0,
    predictor: Annotated[
        str, typer.Option(help="The predictor to move: a shipped one or a folder.")
    ] = "default",
    from_: Annotated[
        Path | None,
        typer.Option("--from", help="A measurement table of the device (Parquet); nothing is measured."),
    ] = None,
    batch_size: Annotated[_Text, typer.Option(help="Samples, such as 1,8 (default: by device).")] = None,
    input_shape: Annotated[
        _Text, typer.Option(help="One sample of every --model, such as 3x224x224.")
    ] = None,
    phase: Annotated[str, typer.Option(help="infer, train or infer,train.")] = "infer,train",
    precision: Annotated[str, typer.Option(help="fp32; on cuda also tf32, amp-fp16; bf16.")] = "fp32",
    memory_format: Annotated[str, typer.Option(help="nchw or nhwc.")] = "nchw",
    mode: Annotated[str, typer.Option(help="eager or compiled.")] = "eager",
    software: Annotated[
        _Text, typer.Option(help="Version of torch: which rows of --from, or a check of what is installed.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="cpu only (default: all cores but one).")] = None,
    journal: Journal = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Measure models again that failed before.")
    ] = False,
) -> None:
    """Measure a few telling models on this device and move a predictor to it.

    Every measurement goes to the journal at once: the same command goes on where an interrupted one stopped.
    """
    from perfseer.forecast.measured import of_software, require_installed
    from perfseer.forecast.shelf import find
    from perfseer.measure.table import read_table, require_writable
    from perfseer.predictors.registry import load

    base = load(find(predictor))
    require_writable(out / MEASUREMENTS_FILE)
    if from_ is not None:
        table = of_software(read_table(from_), software)
    else:
        require_installed(software)
        run = {"precision": precision, "memory_format": memory_format, "mode": mode, "threads": threads}
        settings = _settings(device, batch_size or _BATCH_SIZES.get(device, "1"), budget_s, run)
        errand = _errand(settings, phase, models, model or [], input_shape)
        table = _measure(base, errand, journal, retry_failed=retry_failed)
    _finish(base, table, predictor, out, str(from_) if from_ else "measured by perfseer calibrate")


def _settings(device: str, batch_sizes: str, budget_s: float, run: dict[str, Any]) -> "CollectSettings":
    from perfseer.cli.questions import batch_sizes_of
    from perfseer.measure.fingerprint import usable_cores
    from perfseer.measure.settings import CollectSettings

    given = {
        **run,
        "device": device,
        "batch_sizes": list(batch_sizes_of(batch_sizes)),
        "batches_per_architecture": 1,
        "time_budget_s": budget_s,
        "threads": run["threads"] or max(usable_cores() - 1, 1),
        "protocol": _PROTOCOL,
    }
    return CollectSettings.from_mapping(given)


def _errand(
    settings: "CollectSettings", phases: str, count: int, models: list[str], shape: str | None
) -> "Errand":
    from perfseer.cli.questions import Inputs, feed
    from perfseer.errors import require
    from perfseer.forecast import candidates
    from perfseer.forecast.measured import Errand
    from perfseer.targets import PHASES

    asked = tuple(phase for phase in reversed(PHASES) if phase in phases.split(","))
    require(len(asked) == len(phases.split(",")), f"--phase {phases!r}: expected infer, train or infer,train")
    if models:
        given = feed(Inputs(shapes=[] if shape is None else [shape]), [], "")
        shapes = given.shapes or ()
        require(
            not given.named_shapes and len(shapes) <= 1,
            f"--input-shape {shape}: models of one input are measured; give one "
            "sample of it, such as 3x224x224",
        )
        named = tuple(candidates.named(ref, shapes[0] if shapes else None) for ref in dict.fromkeys(models))
        return Errand(settings, asked, named, None)
    pool = max(_CANDIDATES_PER_MODEL * -(-count // len(settings.batch_sizes)), _CANDIDATES)
    return Errand(settings, asked, tuple(candidates.standard(pool)), count)


def _measure(
    base: "Predictor", errand: "Errand", journal: Path | None, *, retry_failed: bool
) -> "pd.DataFrame":
    from perfseer.forecast.measured import measure_for

    with measuring(_VERB, journal, "model", retry_failed=retry_failed) as logbook:
        collection = measure_for(base, errand, logbook)
    conclude(_VERB, "", collection.tally)
    return collection.table


def _finish(base: "Predictor", table: "pd.DataFrame", name: str, out: Path, source: str) -> None:
    from perfseer.cli.calibration_results import errors_table, models_table
    from perfseer.console.tables import console
    from perfseer.forecast.calibration import calibrate as fit
    from perfseer.forecast.card import write_card
    from perfseer.forecast.measured import card_of, measured_rows
    from perfseer.measure.table import write_table

    rows = measured_rows(table)
    model = fit(base, rows)
    model.save(out)
    write_table(table, out / MEASUREMENTS_FILE)
    write_card(out, card_of(model, name, source, rows))
    console().print(models_table(model, base, rows))
    console().print(errors_table(model, rows))
    left = len(table) - len(rows)
    note(
        _VERB,
        f"{len(rows)} measurements used, {left} left out; next: perfseer predict --predictor {out} MODEL",
    )
