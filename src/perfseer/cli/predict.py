"""``perfseer predict``: what models will cost, from their names or files."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from perfseer.cli.input_options import BatchDim, Dim, InputShape, InputType

if TYPE_CHECKING:
    from perfseer.forecast.ask import Ask
    from perfseer.forecast.prediction import Answer
    from perfseer.forecast.predictor import Predictor

# Beyond these, what there is to know stands in the output alone.
_REMARKS_SHOWN = 20
_FAULT, _DOUBT, _INTERRUPTED = 2, 3, 130
_GIB = 2.0**30

_Text = str | None


class Format(StrEnum):
    """Formats of answers; ``csv`` and ``jsonl`` are written line by line as answers come."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MD = "md"
    JSONL = "jsonl"


def predict(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="timm:NAME, torchvision:NAME, module:package.attr, zoo:ID, ONNX files, exported programs, "
            "descriptions; folders and patterns (timm:resnet*, models/*.onnx); - reads a list.",
            metavar="MODEL",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        _Text, typer.Option(help="Samples, such as 1,8,32 (default: the file's own, else 1).")
    ] = None,
    input_shape: InputShape = None,
    input_type: InputType = None,
    dim: Dim = None,
    batch_dim: BatchDim = None,
    phase: Annotated[str, typer.Option(help="infer, train or infer,train.")] = "infer",
    target: Annotated[
        _Text,
        typer.Option(help="Devices or platforms, such as rtx3090,rtx4090 (default: the predictor's own)."),
    ] = None,
    precision: Annotated[_Text, typer.Option(help="fp32, tf32, amp-fp16, bf16, …")] = None,
    memory_format: Annotated[_Text, typer.Option(help="nchw or nhwc.")] = None,
    mode: Annotated[_Text, typer.Option(help="eager, compiled or cuda-graphs.")] = None,
    software: Annotated[
        _Text, typer.Option(help="Version of torch, such as torch2.6 (default: the newest known there).")
    ] = None,
    device_memory: Annotated[
        float | None, typer.Option(help="Memory of the target in GiB (default: the published one).")
    ] = None,
    model_timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="For reading a model, and for capturing it once.")
    ] = 300.0,
    model_memory: Annotated[
        float, typer.Option(metavar="GIB", help="Memory that reading or capturing a model may take.")
    ] = 8.0,
    predictor: Annotated[
        str, typer.Option(help="A shipped predictor (`perfseer predictors list`) or a folder.")
    ] = "default",
    format_: Annotated[
        Format, typer.Option("--format", help="csv and jsonl come line by line.")
    ] = Format.TABLE,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write, whole or not at all.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of the intervals, between 0 and 1.")] = 0.9,
    explain: Annotated[bool, typer.Option("--explain", help="Say where the time goes.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 if there are warnings.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on standard error.")] = False,
    params: Annotated[str, typer.Option(help="params.yaml or inline JSON, for zoo:ID.")] = "params.yaml",
    schema: Annotated[bool, typer.Option("--schema", help="Print the schema of the JSON and end.")] = False,
) -> None:
    """Predict time, memory and utilisation of models that need not run.

    Exit codes: 0 done, 2 a model or an option is at fault, 3 warnings with --strict, 130 interrupted.
    """
    if schema:
        from perfseer.forecast.document import json_schema

        typer.echo(json.dumps(json_schema(), indent=1, sort_keys=True))
        return
    from perfseer.cli.questions import Inputs, checked, feed, model_names
    from perfseer.console.places import require_apart
    from perfseer.forecast.ask import Ask
    from perfseer.forecast.predictor import Predictor
    from perfseer.measure.limits import Limits
    from perfseer.outputs import require_writable

    names = model_names(models or [], sys.stdin)
    require_apart([out], names)
    if out is not None:
        require_writable(out)
    ask = Ask(
        **checked(
            batch_size,
            phase,
            target,
            precision=precision,
            memory_format=memory_format,
            mode=mode,
            software=software,
        ),
        feed=feed(Inputs(input_shape or (), input_type or (), dim or (), batch_dim or ()), names, params),
        confidence=confidence,
        explain=explain,
        device_memory_bytes=None if device_memory is None else device_memory * _GIB,
        limits=Limits(model_timeout, model_memory * _GIB),
    )
    loaded = Predictor.load(predictor)
    answers, complete = _asked(loaded, names, ask, format_, out, quiet=quiet)
    _finish(answers, loaded, format_, out, complete=complete, quiet=quiet)
    raise typer.Exit(_exit_code(answers, complete=complete, strict=strict))


def _asked(
    predictor: "Predictor", names: list[str], ask: "Ask", kind: Format, out: Path | None, *, quiet: bool
) -> "tuple[list[Answer], bool]":
    """All answers, streamed where the format allows it; false if Ctrl-C came before the end."""
    from perfseer.cli.predictions import line_writer
    from perfseer.console.progress import progress

    line = line_writer(kind) if out is None else None
    answers: list[Answer] = []
    # A bar would be torn by lines that come to the same terminal.
    bar = len(names) > 1 and not quiet and not (line is not None and sys.stdout.isatty())
    shown = progress("predict") if bar else nullcontext(lambda *_: None)
    try:
        with _answers_alone(quiet=quiet) as stream, shown as report:
            _echo(line, None, stream)
            for answer in predictor.predict_many(_counted(names, report), ask):
                _echo(line, answer, stream)
                answers.append(answer)
    except KeyboardInterrupt:
        return answers, False
    return answers, True


@contextmanager
def _answers_alone(*, quiet: bool) -> Iterator[TextIO]:
    """Gives standard output; what models and libraries print there goes to standard error, or nowhere."""
    stream = sys.stdout
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        aside = nowhere if quiet else sys.stderr
        with redirect_stdout(aside), redirect_stderr(aside):
            yield stream


def _echo(line: "Callable[[Answer | None], str] | None", answer: "Answer | None", stream: TextIO) -> None:
    if line is not None:
        stream.write(line(answer))
        stream.flush()


def _counted(names: list[str], report: Callable[[int, int], None]) -> Iterator[str]:
    for done, name in enumerate(names):
        report(done, len(names))
        yield name
    report(len(names), len(names))


def _finish(
    answers: "list[Answer]",
    predictor: "Predictor",
    kind: Format,
    out: Path | None,
    *,
    complete: bool,
    quiet: bool,
) -> None:
    """Write what was not streamed; a file only if nothing is missing in it."""
    from perfseer.cli.predictions import line_writer, write
    from perfseer.data.files import atomic

    if out is None and line_writer(kind) is None:
        write(kind, answers, predictor.provenance, sys.stdout, complete=complete)
    elif out is not None and complete:
        with atomic(out) as temporary, temporary.open("w", encoding="utf-8") as stream:
            write(kind, answers, predictor.provenance, stream, complete=True)
    if not quiet:
        _remark(answers, out, complete=complete)


def _remark(answers: "list[Answer]", out: Path | None, *, complete: bool) -> None:
    from perfseer.cli.predictions import remarks

    lines = remarks(answers)
    for line in lines[:_REMARKS_SHOWN]:
        typer.echo(line, err=True)
    if len(lines) > _REMARKS_SHOWN:
        typer.echo(f"{len(lines) - _REMARKS_SHOWN} further remarks; --format json has all", err=True)
    if not complete:
        kept = f", {out} was not written" if out is not None else ""
        typer.echo(f"interrupted after {len(answers)} answers{kept}", err=True)


def _exit_code(answers: "list[Answer]", *, complete: bool, strict: bool) -> int:
    from perfseer.forecast.prediction import Failure

    if not complete:
        return _INTERRUPTED
    if any(isinstance(answer, Failure) for answer in answers):
        return _FAULT
    doubtful = any(not isinstance(answer, Failure) and answer.doubtful for answer in answers)
    return _DOUBT if strict and doubtful else 0
