"""``perfseer train``: fit one predictor on one split with every seed, predict its test rows, record."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from perfseer.cli.schema import TrainingParameters
    from perfseer.data.folds import Fold
    from perfseer.evaluation.records import Digests


def train(
    predictor: Annotated[str, typer.Option(help="A predictor of params.yaml, for example seernet.")],
    split: Annotated[str, typer.Option(help="A split of params.yaml, for example architecture.")],
    out: Annotated[Path, typer.Option(help="Folder that receives one folder per seed.")],
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    dataset: Annotated[Path, typer.Option(help="Written by `perfseer dataset`.")] = Path("results/dataset"),
    graphs: Annotated[Path, typer.Option(help="Written by `perfseer graph build`.")] = Path(
        "results/graphs/graphs.safetensors"
    ),
    threads: Annotated[int, typer.Option(min=1, help="Threads of the numerical libraries.")] = 1,
) -> None:
    """Fit one predictor on one split, once per seed, and write a record for each."""
    from perfseer.cli.parameters import load_mapping
    from perfseer.cli.schema import training_parameters
    from perfseer.data.dataset import Dataset
    from perfseer.data.folds import open_fold
    from perfseer.evaluation.records import present_digests
    from perfseer.training.seeds import set_threads

    mapping = load_mapping(params)
    parameters = training_parameters(mapping, predictor, split)
    set_threads(threads)
    digests = present_digests(mapping, predictor, dataset)
    data = Dataset.open(dataset, graphs)
    for seed in parameters.seeds:
        fold = open_fold(data, dataset, split, seed)
        _fit_and_record(predictor, fold, parameters, digests, out / str(seed))


def _fit_and_record(
    name: str, fold: "Fold", parameters: "TrainingParameters", digests: "Digests", out: Path
) -> None:
    """Fit, save, predict and record one seed; the record is written last, so a record means all is there."""
    from perfseer.evaluation.costs import Stopwatch, peak_memory_mib
    from perfseer.evaluation.environment import environment
    from perfseer.evaluation.records import Cost, build_record, write_record
    from perfseer.predictors.registry import create

    shutil.rmtree(out, ignore_errors=True)
    settings = parameters.settings_of(name)
    model = create(name, settings, parameters.training)
    with Stopwatch() as fitting:
        model.fit(fold.train, fold.valid, fold.normaliser, seed=fold.seed, log=_log(name, fold))
    with Stopwatch() as predicting:
        predictions = model.predict(fold.test)
    record, table = build_record(
        model,
        fold,
        predictions,
        settings=settings.model_dump(mode="json"),
        digests=digests,
        cost=Cost(
            fit_s=fitting.seconds,
            predict_ms_per_row=1e3 * predicting.seconds / len(fold.test),
            peak_mem_mib=peak_memory_mib(),
        ),
        environment=environment(),
        evaluation=parameters.evaluation,
        valid_predictions=model.predict(fold.valid),
    )
    model.save(out / "model")
    _write_history(out / "history.jsonl", model.history_)
    write_record(out, record, table)


def _log(name: str, fold: "Fold") -> Callable[[str], None]:
    def line(text: str) -> None:
        typer.echo(f"{name} {fold.split} seed {fold.seed}: {text}", err=True)

    return line


def _write_history(path: Path, history: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, allow_nan=False) + "\n" for row in history), encoding="utf-8")


def summarize(
    records: Annotated[list[Path], typer.Argument(help="record.json files of one predictor.")],
    out: Annotated[Path, typer.Option(help="The summary to write.")],
) -> None:
    """List the records of one predictor with their digests: what a report is made from."""
    from perfseer.evaluation.summaries import summarise, write_summary

    write_summary(out, summarise(records))
