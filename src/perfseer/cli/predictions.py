"""How answers look: a table for the terminal, Markdown, CSV, JSON, JSON lines."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

from perfseer.cli.predict import Format
from perfseer.console.tables import Column, R, console, listed, table
from perfseer.forecast.document import to_json
from perfseer.forecast.parts import Estimate, Explanation, OperatorShare, Provenance
from perfseer.forecast.prediction import Answer, Failure, Prediction
from perfseer.reporting.tables import escape
from perfseer.reporting.units import NOT_APPLICABLE, in_percent, number, share
from perfseer.text import cell, one_line, plain
from perfseer.words import chance

_METRICS = (("time", "ms"), ("memory", "mib"), ("utilisation", "pct"))
_NUMBERS = ("time [ms]", "memory [MiB]", "utilisation [%]", "fits")
HEADINGS = ("model", "batch", "phase", "target", *_NUMBERS, "remarks")
_COLUMNS = listed(HEADINGS, numbers=("batch", *_NUMBERS))
CSV_COLUMNS: tuple[str, ...] = (
    *("model", "status", "batch_size", "phase", "target", "trained_on"),
    *(f"{metric}_{part}{unit}" for metric, unit in _METRICS for part in ("", "low_", "high_")),
    *("confidence", "fits_probability", "warnings", "error", "predictor", "checkpoint_digest"),
)
_PIPED_WIDTH = 220  # columns where there is no terminal


def _share(value: float | None) -> str:
    return NOT_APPLICABLE if value is None else share(value)


_EXPLAINED: list[Column[OperatorShare]] = [
    Column("operator", lambda kind: kind.operator),
    Column("nodes", lambda kind: kind.nodes, number=True),
    Column("share of time", lambda kind: _share(kind.time_share), number=True),
    Column("share of FLOPs", lambda kind: _share(kind.flops_share), number=True),
    Column("share of bytes", lambda kind: _share(kind.bytes_share), number=True),
]


def line_writer(kind: Format) -> Callable[[Answer | None], str] | None:
    """For formats of one line per answer: an answer's line; of None what stands before the first."""
    if kind is Format.JSONL:
        return lambda answer: "" if answer is None else json.dumps(answer.to_dict(), allow_nan=False) + "\n"
    if kind is Format.CSV:
        return lambda answer: _csv_line(CSV_COLUMNS if answer is None else _csv_row(answer))
    return None


def write(
    kind: Format, answers: Sequence[Answer], provenance: Provenance, stream: TextIO, *, complete: bool
) -> None:
    """Write a whole document of answers, to a terminal in colours; the rest as in `to_json`."""
    line = line_writer(kind)
    if line is not None:
        stream.write(line(None) + "".join(line(answer) for answer in answers))
    elif kind is Format.JSON:
        stream.write(plain(to_json(answers, provenance, complete=complete)))
    elif kind is Format.MD:
        stream.write(_markdown(answers, _footer(answers, provenance, complete=complete)))
    else:
        _write_table(answers, _footer(answers, provenance, complete=complete), stream)


def remarks(answers: Iterable[Answer]) -> list[str]:
    """What there is to know about the answers, once for each model, faults first."""
    found: dict[str, dict[tuple[str, str], list[str]]] = {"error": {}, "warning": {}, "note": {}}
    for answer in answers:
        if isinstance(answer, Failure):
            found["error"].setdefault((answer.model, answer.error), []).append(answer.error)
            continue
        for notice in answer.warnings:
            found[notice.level].setdefault((answer.model, notice.code), []).append(notice.message)
    return [
        one_line(f"{level}: {_about(model, messages[0])}{_likewise(len(messages) - 1)}")
        for level, remarks in found.items()
        for (model, _), messages in remarks.items()
    ]


def _about(model: str, message: str) -> str:
    """What is said of a model, with its name once."""
    return message if message.startswith((f"{model}: ", f"{model} ")) else f"{model}: {message}"


def _likewise(further: int) -> str:
    """What is said of several answers about a model is said of the first; the numbers in it may differ."""
    return f" (likewise for {further} further answer{'s' * (further > 1)})" if further else ""


def _cells(answer: Answer) -> list[str]:
    """The answer under `HEADINGS`."""
    if isinstance(answer, Failure):
        batch = "" if answer.batch_size is None else str(answer.batch_size)
        return [answer.model, batch, answer.phase or "", "", "", "", "", "", f"error: {answer.error}"]
    estimates = [_estimate(getattr(answer, metric)) for metric, _ in _METRICS]
    target = "as trained" if answer.target is None else answer.target.key
    fit = answer.memory_fit
    fits = NOT_APPLICABLE if fit is None else chance(fit.probability)
    said = ", ".join(_doubts(answer))
    return [answer.model, str(answer.batch_size), answer.phase, target, *estimates, fits, said]


def _doubts(answer: Prediction) -> list[str]:
    """Codes of its warnings, each once."""
    return list(dict.fromkeys(notice.code for notice in answer.warnings if notice.level == "warning"))


def _estimate(estimate: Estimate | None) -> str:
    if estimate is None:
        return NOT_APPLICABLE
    if estimate.interval is None:
        return number(estimate.value)
    return f"{number(estimate.value)} ({number(estimate.interval.low)} to {number(estimate.interval.high)})"


def _write_table(answers: Sequence[Answer], footer: list[str], stream: TextIO) -> None:
    out = console(_PIPED_WIDTH, stream)
    out.print(table(_COLUMNS, map(_cells, answers), fold=True))
    for title, explanation in _explanations(answers):
        out.print(title)
        out.print(table(_EXPLAINED, explanation.operators, fold=True))
        for reason in explanation.widened:
            out.print(f"interval widened: {reason}")
    for line in footer:
        out.print(line, style="dim", soft_wrap=True)


def _markdown(answers: Sequence[Answer], footer: list[str]) -> str:
    parts = [_markdown_table(_COLUMNS, map(_cells, answers))]
    for title, explanation in _explanations(answers):
        parts += [escape(title), _markdown_table(_EXPLAINED, explanation.operators)]
        parts += [f"Interval widened: {escape(reason)}" for reason in explanation.widened]
    said = [f"- {escape(remark)}" for remark in remarks(answers)]
    parts += ["\n".join(lines) for lines in (said, [escape(line) for line in footer]) if lines]
    return "\n\n".join(parts) + "\n"


def _markdown_table(columns: Sequence[Column[R]], rows: Iterable[R]) -> str:
    rule = ["--:" if column.number else "---" for column in columns]
    cells = ([escape(str(column.cell(row))) for column in columns] for row in rows)
    lines = [[column.title for column in columns], rule, *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _footer(answers: Sequence[Answer], provenance: Provenance, *, complete: bool) -> list[str]:
    """What the brackets mean, whether answers are missing, and what answered."""
    estimates = [e for answer in answers if isinstance(answer, Prediction) for e in answer.estimates]
    shares = {estimate.confidence for estimate in estimates if estimate.confidence is not None}
    brackets = [f"in brackets: {in_percent(max(shares))} interval"] if shares else []
    stopped = [] if complete else ["interrupted: these are the answers so far"]
    return [*brackets, *stopped, str(provenance)]


def _explanations(answers: Iterable[Answer]) -> list[tuple[str, Explanation]]:
    found = []
    for answer in answers:
        if not isinstance(answer, Failure) and answer.explanation is not None:
            target = "" if answer.target is None else f", {answer.target.key}"
            title = f"{answer.model}, batch {answer.batch_size}, {answer.phase}{target}: where the time goes"
            found.append((title, answer.explanation))
    return found


def _csv_row(answer: Answer) -> list[Any]:
    """The answer under `CSV_COLUMNS`; what there is not is empty."""
    found = vars(answer) if isinstance(answer, Failure) else _csv_values(answer)
    return [found.get(column) for column in CSV_COLUMNS]


def _csv_values(answer: Prediction) -> dict[str, Any]:
    values: dict[str, Any] = {
        "model": answer.model,
        "status": "ok",
        "batch_size": answer.batch_size,
        "phase": answer.phase,
        "warnings": ";".join(_doubts(answer)),
        "predictor": answer.provenance.predictor,
        "checkpoint_digest": answer.provenance.checkpoint_digest,
    }
    if answer.target is not None:
        values |= {"target": answer.target.key, "trained_on": str(answer.target.trained_on).lower()}
    if answer.memory_fit is not None:
        values["fits_probability"] = answer.memory_fit.probability
    for metric, unit in _METRICS:
        estimate: Estimate | None = getattr(answer, metric)
        if estimate is not None:
            values |= {f"{metric}_{unit}": estimate.value, f"{metric}_low_{unit}": estimate.low}
            values |= {f"{metric}_high_{unit}": estimate.high}
            values["confidence"] = estimate.confidence or values.get("confidence")
    return values


def _csv_line(cells: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([cell(value) for value in cells])
    return text.getvalue()
