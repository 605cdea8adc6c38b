"""comparison.md: every predictor on the same rows. No date, host or absolute path."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perfseer.digests import file_digest
from perfseer.reporting.document import Published, fill, publish
from perfseer.reporting.floors import floor_note
from perfseer.reporting.units import count, plural
from perfseer.studies import accuracy
from perfseer.studies.comparison import failures, fitted, memory, noise, ranking, tables
from perfseer.studies.comparison.about import DOCUMENT
from perfseer.studies.comparison.aligned import Aligned, align
from perfseer.studies.comparison.figures import figure_makers
from perfseer.studies.comparison.pairs import Pairs, compare_all
from perfseer.studies.comparison.plots import plot_tables
from perfseer.studies.experiment import Paths, load_experiment
from perfseer.studies.profile import constant_note, facts
from perfseer.studies.results import Results
from perfseer.targets import TARGETS

PAGE = Path(__file__).with_name("page.md.j2")


def render(parameters: Mapping[str, Any], results: Path, out: Path) -> Published:
    """Write the document below ``out``; equal inputs give equal bytes.

    Args:
        parameters: raw mapping of params.yaml, complete.
        results: folder the verbs wrote to.
        out: folder for the document.

    Raises:
        PerfseerError: see `load_experiment`; or the folder cannot be written.
    """
    paths = Paths.below(results)
    found = Results(load_experiment(parameters, paths))
    aligned = align(found, found.experiment.headline)
    pairs, groups = compare_all(aligned), failures.group_all(aligned)
    return publish(
        DOCUMENT,
        markdown(aligned, pairs, groups, file_digest(paths.dataset / "manifest.json")),
        out,
        figures=figure_makers(aligned, pairs, groups),
        tables=plot_tables(found, pairs, groups),
        missing=found.missing(),
    )


def markdown(aligned: Aligned, pairs: Pairs, groups: failures.Groups, dataset_digest: str) -> str:
    """The document as Markdown."""
    context = {
        **_about_experiment(aligned),
        **_about_accuracy(aligned.results),
        **_about_pairs(aligned, pairs),
        **_about_failures(aligned, groups),
    }
    return fill(PAGE, **{**context, "dataset_digest": dataset_digest})


def _about_experiment(aligned: Aligned) -> dict[str, object]:
    experiment = aligned.results.experiment
    missing = aligned.results.missing()
    return {
        "facts": facts(experiment),
        "constant_note": constant_note(experiment),
        "headline": experiment.headline,
        "splits": experiment.splits,
        "predictors": experiment.predictors,
        "n_predictors": len(experiment.predictors),
        "n_seeds": len(experiment.seeds),
        "confidence": f"{100.0 * experiment.evaluation.confidence:g} %",
        "n_rows": count(len(aligned.rows)),
        "n_networks": count(aligned.n_networks),
        "missing": missing,
        "n_missing": plural(len(missing), "record"),
        "missing_list": "; ".join(aligned.results.missing_by_split()),
        "records": accuracy.record_table(aligned.results, experiment.predictors),
    }


def _about_accuracy(results: Results) -> dict[str, object]:
    experiment = results.experiment
    return {
        "floor_note": floor_note(experiment.floors),
        "overview": accuracy.overview_table(results, experiment.splits),
        "accuracy": {split: tables.accuracy_tables(results, split) for split in experiment.splits},
        "costs": accuracy.cost_table(results, experiment.predictors),
        "published": tables.published_table(results),
        "sizes": accuracy.size_table(results, experiment.predictors),
        "predicting": tables.predicting_table(results),
        "origins": tables.origins(results),
        "skipped": fitted.skipped_table(results),
        "member_shares": fitted.share_table(results),
    }


def _about_pairs(aligned: Aligned, pairs: Pairs) -> dict[str, object]:
    settings = aligned.results.experiment.report.comparison
    return {
        "overall": ranking.overall_sentence(aligned, pairs),
        "times": ranking.label_sentences(aligned, pairs, ("time",)),
        "other_labels": ranking.label_sentences(aligned, pairs, ("mem", "util")),
        "places": ranking.places_table(aligned, pairs),
        "matrix": ranking.matrix_table(aligned, pairs),
        "rankings": {t.title: ranking.ranking_table(aligned, pairs, t.name) for t in TARGETS},
        "settings": settings,
        "resamples": count(settings.resamples),
        "alpha": f"{100.0 * (1 - aligned.results.experiment.evaluation.confidence):.3g} %",
    }


def _about_failures(aligned: Aligned, groups: failures.Groups) -> dict[str, object]:
    times = [target for target in TARGETS if target.quantity == "time"]
    return {
        "worst": failures.worst_table(aligned, groups),
        "groups": {
            grouping: {t.title: failures.group_table(aligned, groups, t.name, grouping) for t in times}
            for grouping in failures.GROUPINGS
        },
        "group_rows": aligned.results.experiment.report.judgement.group_rows,
        "noise": noise.noise_table(aligned),
        "multiples": noise.multiple_table(aligned),
        "mig": memory.mig_table(aligned),
        "mig_needed": memory.needed_sentence(aligned),
    }
