"""``perfseer predict``: what models will cost, from their names or files."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from perfseer.cli.predictions import Format

if TYPE_CHECKING:
    from perfseer.forecast.ask import Ask
    from perfseer.forecast.inputs import Feed
    from perfseer.forecast.prediction import Answer
    from perfseer.forecast.predictor import Predictor

# Beyond these, what there is to know stands in the output alone.
_REMARKS_SHOWN = 20
_FAULT, _DOUBT, _INTERRUPTED = 2, 3, 130


def predict(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="timm:NAME, torchvision:NAME, module:package.attr, zoo:ID, ONNX files, exported programs, "
            "descriptions; folders and patterns (timm:resnet*, models/*.onnx); - reads a list.",
            metavar="MODEL...",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        str | None, typer.Option(help="Samples, such as 1,8,32 (default: the file's own, else 1).")
    ] = None,
    input_shape: Annotated[
        str | None,
        typer.Option(help="One sample: 3x224x224; 128,128 for two inputs (default: the model's own)."),
    ] = None,
    input_type: Annotated[
        str | None, typer.Option(help="Type of every input, such as float32 or int64 for tokens.")
    ] = None,
    phase: Annotated[str, typer.Option(help="infer, train or infer,train.")] = "infer",
    target: Annotated[
        str | None,
        typer.Option(help="Devices or platforms, such as rtx3090,rtx4090 (default: the predictor's own)."),
    ] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, tf32, amp-fp16, bf16, …")] = None,
    memory_format: Annotated[str | None, typer.Option(help="nchw or nhwc.")] = None,
    mode: Annotated[str | None, typer.Option(help="eager or compiled.")] = None,
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
        _print_schema()
        return
    from perfseer.forecast.predictor import Predictor

    names = _names(models or [])
    feed = _feed(input_shape, input_type, names, params)
    ask = _ask(batch_size, phase, target, (precision, memory_format, mode), feed, confidence, explain=explain)
    loaded = Predictor.load(predictor)
    answers, complete = _asked(loaded, names, ask, format_, out, quiet=quiet)
    _finish(answers, loaded, format_, out, complete=complete, quiet=quiet)
    raise typer.Exit(_exit_code(answers, complete=complete, strict=strict))


def _print_schema() -> None:
    import json

    from perfseer.forecast.document import json_schema

    typer.echo(json.dumps(json_schema(), indent=1, sort_keys=True))


def _names(models: list[str]) -> list[str]:
    """All single models; a name that cannot be expanded stays, and fails when it is opened."""
    from perfseer.errors import PerfseerError, require
    from perfseer.forecast.naming import expand, listed

    names: list[str] = []
    for name in listed(models, sys.stdin):
        try:
            names += expand(name)
        except PerfseerError:
            names.append(name)
    require(bool(names), "no model was given: name one, such as timm:resnet50 or model.onnx")
    return names


def _feed(shapes: str | None, types: str | None, names: Iterable[str], params: str) -> "Feed":
    from perfseer.cli.parameters import load_mapping
    from perfseer.forecast.inputs import Feed, torch_type
    from perfseer.zoo.space import SearchSpace

    kinds = None if types is None else tuple(kind.strip() for kind in types.split(","))
    for kind in kinds or ():
        torch_type(kind)
    by_id = any(name.startswith("zoo:") and not name.endswith(".json") for name in names)
    space = SearchSpace.from_mapping(load_mapping(params).get("zoo")) if by_id else None
    return Feed(None if shapes is None else tuple(map(_shape, shapes.split(","))), kinds, space)


def _shape(text: str) -> tuple[int, ...]:
    from perfseer.errors import PerfseerError

    sizes = text.strip().lower().split("x")
    if not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise PerfseerError(
            f"--input-shape {text!r} is no shape; expected sizes joined by x, like 3x224x224, and a comma "
            "between several inputs"
        )
    return tuple(map(int, sizes))


def _ask(
    batch_sizes: str | None,
    phases: str,
    targets: str | None,
    wanted: tuple[str | None, str | None, str | None],
    feed: "Feed",
    confidence: float,
    *,
    explain: bool,
) -> "Ask":
    from perfseer.forecast.ask import Ask
    from perfseer.forecast.platform_choice import Wanted

    # Ask and Wanted check what is only text so far.
    checked: dict[str, Any] = {"phases": tuple(_parts(phases)), "wanted": Wanted(*cast(Any, wanted))}
    return Ask(
        batch_sizes=(None,) if batch_sizes is None else tuple(map(_batch_size, _parts(batch_sizes))),
        targets=(None,) if targets is None else tuple(_parts(targets)),
        **checked,
        feed=feed,
        confidence=confidence,
        explain=explain,
    )


def _parts(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _batch_size(text: str) -> int:
    from perfseer.errors import require

    require(text.isdecimal() and int(text) > 0, f"--batch-size {text!r} is no number of samples, such as 32")
    return int(text)


def _asked(
    predictor: "Predictor", names: list[str], ask: "Ask", kind: Format, out: Path | None, *, quiet: bool
) -> "tuple[list[Answer], bool]":
    """All answers, streamed where the format allows it; false if Ctrl-C came before the end."""
    from perfseer.cli.predictions import line_writer
    from perfseer.cli.progress import progress

    line = line_writer(kind) if out is None else None
    answers: list[Answer] = []
    shown = progress("predict") if len(names) > 1 and not quiet else nullcontext(_silent)
    try:
        with shown as report:
            _echo(line, None)
            for answer in predictor.predict_many(_counted(names, report), ask):
                _echo(line, answer)
                answers.append(answer)
    except KeyboardInterrupt:
        return answers, False
    return answers, True


def _echo(line: "Callable[[Answer | None], str] | None", answer: "Answer | None") -> None:
    if line is not None:
        sys.stdout.write(line(answer))
        sys.stdout.flush()


def _silent(done: int, total: int) -> None:
    del done, total


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
