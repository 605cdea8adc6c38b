"""The main document, perfseer.md: what was measured and how well one predictor does, in detail.

No date, host or absolute path, so that equal inputs give equal bytes.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from perfseer.digests import file_digest
from perfseer.evaluation.trials import fitting_code
from perfseer.reporting.check import Check
from perfseer.reporting.document import Published, fill, publish
from perfseer.reporting.floors import floor_note
from perfseer.reporting.tables import bullet_list, escape, markdown_table
from perfseer.reporting.units import count, percent, plural
from perfseer.studies import accuracy, profile, published
from perfseer.studies.experiment import Experiment, Paths, load_experiment
from perfseer.studies.overview import analysis, judgement
from perfseer.studies.overview.about import DOCUMENT
from perfseer.studies.overview.checks import checks
from perfseer.studies.overview.figures import figure_makers
from perfseer.studies.overview.metrics_file import plot_tables, write_metrics
from perfseer.studies.results import Results
from perfseer.targets import TARGETS

PAGE = Path(__file__).with_name("page.md.j2")


def render(parameters: Mapping[str, Any], results: Path, out: Path) -> Published:
    """Write the document below ``out``; equal inputs give equal bytes.

    Args:
        parameters: raw mapping of params.yaml, complete.
        results: folder the verbs wrote to.
        out: folder for the document and metrics.json.

    Raises:
        PerfseerError: see `load_experiment`; or the folder cannot be written.
    """
    paths = Paths.below(results)
    found = Results(load_experiment(parameters, paths))
    published = publish(
        DOCUMENT,
        markdown(found, file_digest(paths.dataset / "manifest.json")),
        out,
        figures=figure_makers(found),
        tables=plot_tables(found),
        missing=found.missing(),
    )
    metrics = out / "metrics.json"
    write_metrics(metrics, found)
    return replace(published, paths=(*published.paths, metrics))


def markdown(results: Results, dataset_digest: str) -> str:
    """The report as Markdown."""
    context = {
        **_about_data(results.experiment),
        **_about_accuracy(results),
        **_about_rows(results),
        **_about_judgement(results),
        **_about_published(results),
    }
    digests = {"dataset_digest": dataset_digest, "code_digest": fitting_code(*results.experiment.predictors)}
    return fill(PAGE, **{**context, **digests})


def _about_data(experiment: Experiment) -> dict[str, object]:
    return {
        "facts": profile.facts(experiment),
        "profile": profile.profile_table(experiment),
        "constant_note": profile.constant_note(experiment),
        "intervals": profile.interval_table(experiment),
        "asked_width": f"{100.0 * float(experiment.parameters['collect']['protocol']['ci_width']):g} %",
        "environment": profile.described(experiment.rows, "environment"),
        "protocol": profile.described(experiment.rows, "protocol"),
        "distribution": profile.distribution_table(experiment),
        "has_survey": experiment.survey is not None,
        "coverage": profile.coverage_tables(experiment),
        "unknown_operators": profile.unknown_operators(experiment),
        "n_refused": count(profile.n_refused(experiment)),
        "quarantine": profile.quarantine_table(experiment),
        "splits": profile.split_table(experiment),
        "leak_sentence": _leak_sentence(experiment),
    }


def _leak_sentence(experiment: Experiment) -> str:
    """Which splits share networks between training and test, from the assignment itself."""
    clean: list[str] = []
    leaking: list[tuple[str, float]] = []
    for split in experiment.splits:
        parts = [profile.fold_rows(experiment, split, seed) for seed in experiment.seeds]
        shares = [profile.shared_architectures_pct(part) or 0.0 for part in parts]
        if max(shares) > 0:
            leaking.append((split, max(shares)))
        else:
            clean.append(split)
    sentences = []
    if clean:
        names = ", ".join(f"`{name}`" for name in clean)
        sentences.append(f"No network is in both training and test under {names}.")
    sentences += [
        f"Under `{name}`, up to {percent(share)} of the test rows are of networks seen in training at "
        "another batch size: it leaks, and is reported for comparison only."
        for name, share in leaking
    ]
    return " ".join(sentences)


def _about_accuracy(results: Results) -> dict[str, object]:
    experiment = results.experiment
    return {
        "headline_sentence": accuracy.headline_sentence(results),
        "headline": experiment.headline,
        "other_splits": experiment.splits[1:],
        "n_seeds": len(experiment.seeds),
        "confidence": f"{100.0 * experiment.evaluation.confidence:g} %",
        "missing": results.missing(),
        "missing_list": "; ".join(results.missing_by_split()),
        "n_missing": plural(len(results.missing()), "record"),
        "accuracy": {split: accuracy.accuracy_table(results, split) for split in experiment.splits},
        "physical_errors": accuracy.error_table(results, experiment.headline),
        "overview": accuracy.overview_table(results, (experiment.headline,)),
        "floor_note": floor_note(experiment.floors),
        "costs": accuracy.cost_table(results, experiment.detailed),
        "comparison": accuracy.comparison_table(results),
        "records": accuracy.record_table(results, experiment.detailed),
    }


def _about_rows(results: Results) -> dict[str, object]:
    experiment = results.experiment
    runs = experiment.runs_of(experiment.report.predictor, experiment.headline)
    times = (target for target in TARGETS if target.quantity == "time")
    return {
        "predictor": experiment.report.predictor,
        "detailed": experiment.detailed,
        "curves": [name for name in results.with_history() if name in experiment.detailed],
        "counts": analysis.count_table(results),
        "groups": {name: analysis.group_table(results, name) for name in analysis.GROUPINGS},
        "noise": analysis.noise_table(results),
        "comparisons": analysis.comparison_tables(results),
        "samples": {target.title: analysis.sample_table(results, target) for target in times},
        "n_samples": experiment.report.samples,
        "sample_seed": experiment.report.sample_seed,
        "sample_seed_text": f"split seed {runs[0].record.seed}" if runs else "no record yet",
    }


def _about_judgement(results: Results) -> dict[str, object]:
    found = checks(results)
    grades = results.experiment.report.grades
    return {
        "grades": {name: f"{getattr(grades, name):g}" for name in ("excellent", "good", "fair")},
        "verdict_list": bullet_list(judgement.verdicts(results, "time")),
        "assessments": bullet_list(judgement.assessments(results)),
        "improvements": _advice(judgement.recommendations(found, ("data", "measurement"))),
        "technical": _advice(judgement.recommendations(found, ("model", "training"))),
        "checks": _check_table(found),
        "conclusion": judgement.conclusion(results, found),
    }


def _advice(texts: list[str]) -> str:
    numbered = [f"{place}. {text}" for place, text in enumerate(texts, start=1)]
    return "\n".join(numbered) or "No such check was triggered; their numbers are in the table of checks."


def _check_table(found: list[Check]) -> str:
    words = {True: "yes", False: "no", None: "not computed"}
    lines = [
        [escape(check.question), escape(check.found), escape(check.threshold) or "–", words[check.triggered]]
        for check in found
    ]
    return markdown_table(["check", "found", "triggers when", "triggered"], lines, align="llll")


def _about_published(results: Results) -> dict[str, object]:
    return {
        "published": accuracy.published_table(results),
        "sizes": accuracy.size_table(results, results.experiment.detailed),
        "distribution_source": published.DISTRIBUTION_SOURCE,
        "paper_configurations": count(published.N_CONFIGURATIONS),
        "paper_architectures": count(published.N_ARCHITECTURES),
        "paper_device": published.DEVICE,
    }
