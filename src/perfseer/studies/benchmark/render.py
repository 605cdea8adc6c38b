"""Rendering the benchmark report: Markdown, HTML, figures and tables for ``dvc plots``."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from perfseer.digests import file_digest
from perfseer.reporting.document import Published, fill, publish
from perfseer.reporting.floors import floor_note
from perfseer.reporting.tables import bullet_list, escape, markdown_table
from perfseer.reporting.units import count, plural
from perfseer.studies.benchmark import conclusions, figures, regression, tables
from perfseer.studies.benchmark.about import DOCUMENT
from perfseer.studies.benchmark.smooth import BOUND, FORMULA
from perfseer.studies.benchmark.study import Paths, Study, load_study
from perfseer.targets import TARGET_BY_NAME

PAGE = Path(__file__).with_name("page.md.j2")


def render(parameters: Mapping[str, Any], results: Path, out: Path) -> Published:
    """Write the whole report below ``out``; equal inputs give equal bytes.

    Args:
        parameters: raw mapping of params.yaml, complete.
        results: folder the verbs wrote to.
        out: folder for the document.

    Raises:
        PerfseerError: see `load_study`; or the folder cannot be written.
    """
    paths = Paths.below(results)
    study = load_study(parameters, paths)
    names = [
        *(f"{name}.json" for name in study.records),
        *(["regression5d.json"] if study.regression else []),
    ]
    digests = {Path(name).stem: file_digest(paths.benchmark / name) for name in names}
    return publish(
        DOCUMENT,
        markdown(study, digests, file_digest(paths.dataset / "manifest.json")),
        out,
        figures={
            "benchmark_fitting": partial(figures.fitting, study),
            "benchmark_learning": partial(figures.learning, study),
            "benchmark_predicting": partial(figures.predicting, study),
            "benchmark_tradeoff": partial(figures.tradeoff, study),
            "benchmark_regression": partial(figures.regression, study),
        },
        tables={
            "benchmark_fits": study.fits,
            "benchmark_predictions": study.predictions,
            "benchmark_regression": study.regression_points,
        },
    )


def markdown(study: Study, digests: Mapping[str, str], dataset_digest: str) -> str:
    """The report as Markdown.

    Args:
        study: the inputs.
        digests: of the files it was read from, by stem.
        dataset_digest: of the dataset's manifest.
    """
    values = {
        **_about_points(study),
        **_about_fitting(study),
        **_about_predicting(study),
        **_about_regression(study),
        **_about_conclusions(study),
        "records": tables.record_table(study, digests),
        "regression_digest": digests.get("regression5d", "missing"),
        "dataset_digest": dataset_digest,
    }
    return fill(PAGE, **values)


def _about_points(study: Study) -> dict[str, object]:
    failures = study.failures()
    records = list(study.records.values())
    return {
        "n_predictors": len(study.measured),
        "n_seeds": len(study.seeds),
        "confidence": f"{100 * study.confidence:g} %",
        "split": study.settings.split,
        "labels": ", ".join(TARGET_BY_NAME[name].title for name in study.settings.targets),
        "n_labels": len(study.settings.targets),
        "shares": ", ".join(tables.share_text(share) for share in study.settings.shares),
        "overrides": _overrides(study),
        "threads": ", ".join(sorted({plural(record.threads, "thread") for record in records})) or "missing",
        "environment": tables.environment_table(records[0].environment) if records else "missing",
        "missing": "; ".join(study.missing()),
        "n_failures": plural(len(failures), "point"),
        "failures": tables.failure_table(failures),
        "models": tables.model_table(study),
        "ensembles": ", ".join(f"`{record.predictor}`" for record in records if record.members),
        "sampling": f"{1000 * study.settings.sampling_s:g} ms",
        "timeout": f"{study.settings.timeout_s:g} s",
    }


def _overrides(study: Study) -> str:
    changes = study.settings.overrides.items()
    return ", ".join(f"`{path}: {escape(str(value))}`" for path, value in changes)


def _about_fitting(study: Study) -> dict[str, object]:
    low, high = study.judgement.linear_exponent
    doubtful = conclusions.doubtful(study)
    return {
        "times": tables.fit_table(study, "wall_s", "s"),
        "rounds": tables.rounds_table(study),
        "peaks": tables.fit_table(study, "peak_mib", "MiB"),
        "means": tables.fit_table(study, "mean_mib", "MiB"),
        "totals": tables.fit_table(study, "total_peak_mib", "MiB"),
        "scaling": tables.scaling_table(study),
        "scaling_observations": bullet_list(conclusions.scaling_observations(study)),
        "growth_words": (
            f"constant between −{study.judgement.constant_exponent:g} and "
            f"{study.judgement.constant_exponent:g}, sub-linear up to {low:g}, linear up to {high:g}, "
            "super-linear above"
        ),
        "busy_share": tables.share_text(study.judgement.busy_share),
        "n_doubtful": f"{len(doubtful)} of {plural(len(study.fits), 'fit')}",
        "doubtful": "; ".join(doubtful[:5]) + ("; …" if len(doubtful) > 5 else ""),
        "errors": tables.error_table(study),
        "floor_note": floor_note(study.floors),
        "accuracy_observations": bullet_list(conclusions.accuracy_observations(study)),
        "stable_ratio": f"{study.judgement.stable_ratio:g}",
        "knee_ratio": f"{study.judgement.knee_ratio:g}",
        "test_rows": count(round(_test_rows(study))),
    }


def _test_rows(study: Study) -> float:
    rows = [point.test_rows for name in study.measured for point in study.records[name].fits]
    return sum(rows) / len(rows) if rows else 0.0


def _about_predicting(study: Study) -> dict[str, object]:
    distinct = study.predictions["distinct_rows"]
    return {
        "calls": tables.prediction_table(study, "call_s", "s", tables.as_it_is),
        "per_row": tables.prediction_table(study, "call_s", "s", tables.per_row),
        "throughput": tables.prediction_table(study, "call_s", "1", tables.throughput),
        "first_calls": tables.prediction_table(study, "first_s", "s", tables.as_it_is),
        "predict_peaks": tables.prediction_table(study, "peak_mib", "MiB", tables.as_it_is),
        "prediction_observations": bullet_list(conclusions.prediction_observations(study)),
        "predict_s": f"{study.settings.predict_s:g} s",
        "most_rows": count(int(distinct.max())) if len(distinct) else "0",
    }


def _about_regression(study: Study) -> dict[str, object]:
    settings = study.settings.regression
    asked = regression.requirements(study)
    words = {True: "yes", False: "**no**", None: "not computed"}
    lines = [[question, numbers, words[met]] for question, numbers, met in asked]
    return {
        "has_regression": study.regression is not None,
        "regression_settings": markdown_table(
            ["setting", "value"],
            [[key, escape(str(value))] for key, value in study.regression.settings.items()]
            if study.regression
            else [],
            align="ll",
        ),
        "formula": FORMULA,
        "bound": f"{BOUND:g}",
        "noise_sd": f"{settings.noise_sd:g}",
        "regression_test_rows": count(settings.test_rows),
        "valid_share": tables.share_text(settings.valid_share),
        "regression_times": regression.time_table(study),
        "regression_memory": regression.memory_table(study),
        "regression_scaling": bullet_list(regression.scaling_sentences(study)),
        "regression_accuracy": regression.accuracy_table(study),
        "regression_observations": bullet_list(regression.accuracy_sentences(study)),
        "regression_prediction": regression.prediction_table(study),
        "requirements": markdown_table(["asked", "found", "met"], lines, align="lll"),
    }


def _about_conclusions(study: Study) -> dict[str, object]:
    advice = [*conclusions.recommendations(study), *regression.recommendations(study)]
    return {
        "summary": conclusions.summary_table(study),
        "recommendations": "\n".join(f"{i}. {text}" for i, text in enumerate(advice, start=1))
        or "None: no point has been measured.",
        "chance": conclusions.chance_sentence(study),
    }
