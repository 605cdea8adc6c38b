"""``perfseer train``: fit one predictor on one split with every seed, predict the test rows, write records."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from perfseer.cli.parameters import Parameters
    from perfseer.data.dataset import Dataset


def train(
    predictor: Annotated[str, typer.Option(help="A predictor of params.yaml, for example seernet.")],
    split: Annotated[str, typer.Option(help="A split of params.yaml, for example architecture.")],
    out: Annotated[Path, typer.Option(help="Folder that receives one folder per seed.")],
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    dataset: Annotated[Path, typer.Option(help="Folder written by `perfseer dataset`.")] = Path(
        "results/dataset"
    ),
    graphs: Annotated[Path, typer.Option(help="Graphs written by `perfseer graph build`.")] = Path(
        "results/graphs/graphs.safetensors"
    ),
    threads: Annotated[int, typer.Option(min=1, help="Threads of the numerical libraries.")] = 1,
) -> None:
    """Fit one predictor on one split, once per seed, and write a record for each."""
    from perfseer.cli.parameters import load_mapping, training_parameters
    from perfseer.data.dataset import Dataset
    from perfseer.training.seeds import set_threads

    set_threads(threads)
    parameters = training_parameters(load_mapping(params), predictor, split)
    data = Dataset.open(dataset, graphs)
    for seed in parameters.seeds:
        _fit_and_record(predictor, split, seed, parameters, data, dataset, out / str(seed))


def _fit_and_record(
    name: str, split: str, seed: int, parameters: "Parameters", data: "Dataset", folder: Path, out: Path
) -> None:
    """Fit, save, predict and record one seed; the record is written last, so a record means it is whole."""
    from perfseer.data.folds import open_fold
    from perfseer.evaluation.costs import Stopwatch
    from perfseer.evaluation.records import build_record, write_predictions, write_record
    from perfseer.predictors.registry import create

    fold = open_fold(data, folder, split, seed)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    model = create(name, parameters.predictors[name], parameters.training)
    with Stopwatch() as fitting:
        model.fit(fold.train, fold.valid, fold.normaliser, seed=seed, log=_log_line(name, split, seed))
    with Stopwatch() as predicting:
        predictions = model.predict(fold.test)
    model.save(out / "model")
    write_predictions(out / "predictions.parquet", fold, predictions)
    _write_history(out / "history.jsonl", model.history_)
    record = build_record(
        model,
        fold,
        predictions,
        sections=parameters.training_sections(name),
        dataset=folder,
        cost={"fit_s": fitting.seconds, "predict_ms_per_row": 1e3 * predicting.seconds / len(fold.test)},
        evaluation=parameters.evaluation,
    )
    write_record(out / "record.json", record)


def _log_line(name: str, split: str, seed: int) -> Any:
    def log(line: str) -> None:
        typer.echo(f"{name} {split} seed {seed}: {line}", err=True)

    return log


def _write_history(path: Path, history: list[dict[str, Any]]) -> None:
    import json

    path.write_text("".join(json.dumps(row, allow_nan=False) + "\n" for row in history), encoding="utf-8")


def summarize(
    records: Annotated[list[Path], typer.Argument(help="record.json files of one predictor.")],
    out: Annotated[Path, typer.Option(help="The summary to write.")],
) -> None:
    """List the records of one predictor with their digests: what a report is made from."""
    from perfseer.evaluation.records import summarise_records, write_summary

    write_summary(out, summarise_records(records))
