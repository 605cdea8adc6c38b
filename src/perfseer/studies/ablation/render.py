"""Rendering the ablation report: Markdown, HTML, figures and tables for ``dvc plots``."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from perfseer.digests import file_digest
from perfseer.evaluation.ledger import VALIDATION_MAPE
from perfseer.reporting.document import Published, fill, publish
from perfseer.reporting.floors import floor_note
from perfseer.studies.ablation import conclusions, figures, tables
from perfseer.studies.ablation.about import ABOUT, DOCUMENT
from perfseer.studies.ablation.claims import CLAIMS, Judged, contrast_of, judge
from perfseer.studies.ablation.contrasts import Contrast, Tested, compare
from perfseer.studies.ablation.settings import BASE
from perfseer.studies.ablation.study import Study, load_study
from perfseer.studies.experiment import Paths

PAGE = Path(__file__).with_name("page.md.j2")


def render(parameters: Mapping[str, Any], results: Path, out: Path) -> Published:
    """Write the whole report below ``out``, and the ledger; equal inputs give equal bytes.

    Args:
        parameters: raw mapping of params.yaml, complete.
        results: folder the verbs wrote to.
        out: folder for the document.

    Raises:
        PerfseerError: see `load_study`; or a folder cannot be written.
    """
    paths = Paths.below(results)
    study = load_study(parameters, paths)
    study.ledger.write(results / ABOUT.ledger)
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
    return compare(study, [*(Contrast((name,), (BASE,)) for name in study.compared), *asked])


def against_base(study: Study, compared: Mapping[Contrast, Tested | None]) -> dict[str, Tested | None]:
    """Of all comparisons, those of a variant with the base, by its name."""
    return {name: compared[Contrast((name,), (BASE,))] for name in study.compared}


def markdown(study: Study, compared: Mapping[Contrast, Tested | None], dataset_digest: str) -> str:
    """The report as Markdown.

    Args:
        study: variants and records.
        compared: from `compare_all`.
        dataset_digest: of the dataset's manifest.
    """
    return fill(
        PAGE,
        study=study,
        judged=judge(study, compared),
        tested=against_base(study, compared),
        computed=[tested for tested in compared.values() if tested is not None],
        alpha=1 - study.evaluation.confidence,
        dataset_digest=dataset_digest,
        conclusions=conclusions,
        floor_note=floor_note,
        tables=tables,
    )


def _mape_rows(study: Study) -> pd.DataFrame:
    """One row per variant, label and seed: test and validation MAPE [%], difference to the base [points]."""
    rows = []
    for name in study.variants:
        for target in study.targets(name):
            base = study.ledger.values(study.contender(BASE), target, "mape_pct")
            validation = study.ledger.values(study.contender(name), target, VALIDATION_MAPE)
            for seed, value in study.ledger.values(study.contender(name), target, "mape_pct").items():
                difference = value - base[seed] if seed in base else None
                rows.append((name, target, seed, validation[seed], value, difference))
    columns = ["variant", "label", "seed", "validation_mape_pct", "mape_pct", "difference_points"]
    return pd.DataFrame(rows, columns=columns)


def _claim_rows(judged: list[Judged]) -> pd.DataFrame:
    """One row per claim that could be tested: difference with its interval over networks [points]."""
    rows = [
        (claim.claim.says, tested.seeds.mean, tested.low, tested.high, claim.outcome)
        for claim in judged
        if (tested := claim.tested) is not None
    ]
    return pd.DataFrame(rows, columns=["claim", "difference_points", "low", "high", "outcome"])
