"""``perfseer train``: fit one predictor on one split with every seed, predict its test rows, record."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from perfseer.data.folds import Fold
    from perfseer.evaluation.records import Digests
    from perfseer.evaluation.settings import EvaluationSettings
    from perfseer.predictors.base import FitInputs, Predictor
    from perfseer.predictors.settings import PredictorSettings


def train(
    predictor: Annotated[str, typer.Option(help="A predictor of params.yaml, for example seernet.")],
    split: Annotated[str, typer.Option(help="A split of params.yaml, for example architecture.")],
    out: Annotated[Path, typer.Option(help="Folder that receives one folder per seed.")],
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    dataset: Annotated[Path, typer.Option(help="Written by `perfseer dataset`.")] = Path("results/dataset"),
    graphs: Annotated[Path, typer.Option(help="Written by `perfseer graph build`.")] = Path(
        "results/graphs/graphs.safetensors"
    ),
    kernels: Annotated[Path, typer.Option(help="Written by `perfseer kernels`; nn_meter needs it.")] = Path(
        "results/measurements/kernels.parquet"
    ),
    models: Annotated[
        Path, typer.Option(help="Predictors fitted before, as this verb writes them; ensembles need them.")
    ] = Path("results/models"),
    threads: Annotated[int, typer.Option(min=1, help="Threads of the numerical libraries.")] = 1,
) -> None:
    """Fit one predictor on one split, once per seed, and write a record for each."""
    from perfseer.cli.schema import training_parameters
    from perfseer.data.dataset import Dataset
    from perfseer.data.folds import open_fold
    from perfseer.evaluation.records import present_digests
    from perfseer.parameters import load_mapping
    from perfseer.predictors.registry import create
    from perfseer.training.process import prepare_process

    mapping = load_mapping(params)
    parameters = training_parameters(mapping, predictor, split)
    prepare_process(threads)
    digests = present_digests(mapping, predictor, dataset)
    data = Dataset.open(dataset, graphs)
    settings = parameters.settings_of(predictor)
    for seed in parameters.seeds:
        fold = open_fold(data, dataset, split, seed)
        inputs = fit_inputs(
            settings, kernels, {name: models / name / split / str(seed) for name in settings.members}
        )
        model = create(predictor, settings, parameters.training)
        fit_and_record(model, fold, digests, parameters.evaluation, out / str(seed), inputs=inputs)


def fit_inputs(settings: "PredictorSettings", kernels: Path, members: Mapping[str, Path]) -> "FitInputs":
    """What fitting needs besides rows, opened; nothing that ``settings.needs`` does not name.

    Args:
        settings: of the predictor to be fitted.
        kernels: table of measured kernels.
        members: folder of each member's record and model, by name.

    Raises:
        PerfseerError: a file is missing or damaged.
    """
    from perfseer.errors import require
    from perfseer.predictors.base import FitInputs
    from perfseer.predictors.registry import load

    if "kernels" in settings.needs:
        require(kernels.is_file(), f"no measured kernels at {kernels}: run `perfseer kernels` first")
    loaded: dict[str, Predictor] = {name: load(folder / "model") for name, folder in members.items()}
    return FitInputs(kernels if "kernels" in settings.needs else None, loaded)


def fit_and_record(
    model: "Predictor",
    fold: "Fold",
    digests: "Digests",
    evaluation: "EvaluationSettings",
    out: Path,
    *,
    inputs: "FitInputs | None" = None,
    keep_model: bool = True,
) -> None:
    """Fit, save, predict and record one seed; the record is written last, so a record means all is there.

    Args:
        model: not fitted yet.
        fold: its rows and seed.
        digests: what the record is made from.
        evaluation: which metrics.
        out: folder that is replaced.
        inputs: what the model is fitted from besides rows.
        keep_model: whether to save the fitted model beside the record.
    """
    from perfseer.evaluation.costs import Stopwatch, peak_memory_mib
    from perfseer.evaluation.environment import environment
    from perfseer.evaluation.records import Cost, build_record, write_record

    shutil.rmtree(out, ignore_errors=True)
    log = _log(model.name, fold)
    with Stopwatch() as fitting:
        model.fit(fold.train, fold.valid, fold.normaliser, seed=fold.seed, log=log, inputs=inputs)
    with Stopwatch() as predicting:
        predictions = model.predict(fold.test)
    record, table = build_record(
        model,
        fold,
        predictions,
        settings=model.settings.model_dump(mode="json"),
        digests=digests,
        cost=Cost(
            fit_s=fitting.seconds,
            predict_ms_per_row=1e3 * predicting.seconds / len(fold.test),
            peak_mem_mib=peak_memory_mib(),
        ),
        environment=environment(),
        evaluation=evaluation,
        valid_predictions=model.predict(fold.valid),
    )
    if keep_model:
        model.save(out / "model")
    out.mkdir(parents=True, exist_ok=True)
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
