"""Rendering the ablation report: Markdown, HTML, figures and tables for ``dvc plots``."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from perfseer.digests import file_digest
from perfseer.reporting.document import Published, fill, publish
from perfseer.reporting.floors import floor_note
from perfseer.reporting.tables import bullet_list
from perfseer.reporting.units import count, number, plural, signed
from perfseer.studies.ablation import figures, tables
from perfseer.studies.ablation.about import DOCUMENT
from perfseer.studies.ablation.claims import CLAIMS, Judged, claimed, contrast_of, judge
from perfseer.studies.ablation.contrasts import Contrast, Tested, compare
from perfseer.studies.ablation.settings import BASE
from perfseer.studies.ablation.study import Paths, Study, load_study
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
    compared = compare_all(study)
    judged, tested = judge(study, compared), against_base(study, compared)
    return publish(
        DOCUMENT,
        markdown(study, compared, file_digest(paths.dataset / "manifest.json")),
        out,
        figures={
            "ablation_claims": partial(figures.claims, judged),
            "ablation_differences": partial(figures.differences, study, tested),
        },
        tables={"ablation_mape": _mape_rows(study), "ablation_claims": _claim_rows(judged)},
        missing=study.missing(),
    )


def compare_all(study: Study) -> dict[Contrast, Tested | None]:
    """Every variant against the base and what the claims ask besides, tested as one family."""
    asked = [contrast_of(study, claim) for claim in CLAIMS]
    return compare(study, [*(Contrast((name,), (BASE,)) for name in study.variants if name != BASE), *asked])


def against_base(study: Study, compared: Mapping[Contrast, Tested | None]) -> dict[str, Tested | None]:
    """Of all comparisons, those of a variant with the base, by its name."""
    return {name: compared[Contrast((name,), (BASE,))] for name in study.variants if name != BASE}


def markdown(study: Study, compared: Mapping[Contrast, Tested | None], dataset_digest: str) -> str:
    """The report as Markdown.

    Args:
        study: variants and records.
        compared: from `compare_all`.
        dataset_digest: of the dataset's manifest.
    """
    values = {
        **_about_claims(judge(study, compared)),
        **_about_variants(study, against_base(study, compared)),
        **_about_chance(study, [one for one in compared.values() if one is not None]),
        "n_seeds": len(study.seeds),
        "split": study.base.split,
        "labels": _listed([TARGET_BY_NAME[name].title for name in study.base.targets]),
        "not_over_seeds": tables.NOT_OVER_SEEDS.strip(),
        "not_corrected": tables.NOT_CORRECTED.strip(),
        "confidence": f"{100 * study.evaluation.confidence:g} %",
        "alpha": f"{1 - study.evaluation.confidence:.2g}",
        "comparison": study.comparison,
        "resamples": count(study.comparison.resamples),
        "predictor": study.base.predictor,
        "missing": "; ".join(study.missing()),
        "base_settings": tables.base_table(study),
        "changes": tables.change_table(study),
        "records": tables.record_table(study),
        "dataset_digest": dataset_digest,
    }
    return fill(PAGE, **values)


def _about_claims(judged: list[Judged]) -> dict[str, object]:
    outcomes = [one.outcome for one in judged]
    return {
        "claims": tables.claim_table(judged),
        "claim_sentences": bullet_list(_claim_sentence(one) for one in judged),
        "n_claims": len(CLAIMS),
        "outcomes": {name: outcomes.count(name) for name in ("agrees", "contradicts", "no difference shown")},
        "not_computed": outcomes.count("not computed"),
    }


def _about_chance(study: Study, computed: list[Tested]) -> dict[str, object]:
    """How many differences chance alone would show, and how small a difference can be seen."""
    alpha = 1 - study.evaluation.confidence
    widths = [(one.high - one.low) / 2 for one in computed]
    return {
        "n_compared": len(computed),
        "by_chance": number(len(computed) * alpha, 2),
        "n_uncorrected": sum(one.p_value <= alpha for one in computed),
        "networks": max((one.networks for one in computed), default=0),
        "resolution": number(median(widths), 2) if widths else "",
    }


def _claim_sentence(one: Judged) -> str:
    if one.tested is None:
        return f"{one.claim.says}: **{one.outcome}**, for want of {', '.join(one.missing)}."
    return f"{one.claim.says}: **{one.outcome}**{tables.mark(one.tested)} ({_numbers(one.tested)})."


def _numbers(one: Tested) -> str:
    return f"{signed(one.seeds.mean)} points, {signed(one.low)} to {signed(one.high)} resampled"


def _own_sentence(name: str, one: Tested | None) -> str:
    """What came of a variant that no claim is about."""
    if one is None:
        return f"`{name}`: {tables.verdict(one)}."
    return f"`{name}`: **{tables.verdict(one)}**{tables.mark(one)} ({_numbers(one)})."


def _about_variants(study: Study, tested: Mapping[str, Tested | None]) -> dict[str, object]:
    apart = {name: one for name, one in tested.items() if name not in claimed(study)}
    return {
        "accuracy": tables.accuracy_table(study),
        "floor_note": floor_note(study.floors),
        "differences": tables.difference_table(tested),
        "by_label": tables.label_table(study),
        "shown": _shown(tested),
        "own": bullet_list(_own_sentence(name, one) for name, one in apart.items()),
        "n_variants": plural(len(tested), "variant"),
    }


def _shown(tested: Mapping[str, Tested | None]) -> str:
    """A line for each of the two verdicts, with the variants they are about."""
    lines = []
    for word in ("better", "worse", "no difference shown", tables.NOT_COMPUTED):
        names = [f"`{name}`" for name, one in tested.items() if tables.verdict(one) == word]
        if names:
            lines.append(f"{word}: {', '.join(names)}")
    return bullet_list(lines)


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _mape_rows(study: Study) -> pd.DataFrame:
    """One row per variant, label and seed: test and validation MAPE [%], difference to the base [points]."""
    rows = []
    for name in study.variants:
        for target in study.targets(name):
            base = study.mape(BASE, (target,))
            validation = study.validation_mape(name, (target,))
            for seed, value in study.mape(name, (target,)).items():
                difference = value - base[seed] if seed in base else None
                rows.append((name, target, seed, validation[seed], value, difference))
    columns = ["variant", "label", "seed", "validation_mape_pct", "mape_pct", "difference_points"]
    return pd.DataFrame(rows, columns=columns)


def _claim_rows(judged: list[Judged]) -> pd.DataFrame:
    """One row per claim that could be tested: difference with its interval over networks [points]."""
    rows = [
        (one.claim.says, one.tested.seeds.mean, one.tested.low, one.tested.high, one.outcome)
        for one in judged
        if one.tested is not None
    ]
    return pd.DataFrame(rows, columns=["claim", "difference_points", "low", "high", "outcome"])
