"""The paper's claims about its parts, as data, and what our records say to each.

None of the claims comes with a figure at hand: METHODS 1.5 gives them in words, second-hand (a summary in the
live reproduction). A claim is tested by variants found by what they change, not by their names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from perfseer.studies.ablation.contrasts import Contrast, Tested, Verdict
from perfseer.studies.ablation.settings import BASE
from perfseer.studies.ablation.study import Study

Outcome = Literal["agrees", "contradicts", "no difference shown", "not computed"]
Changes = Mapping[str, Any]
_OUTCOMES: dict[Verdict, Outcome] = {
    "larger": "agrees",
    "smaller": "contradicts",
    "not shown": "no difference shown",
}
# Compared labels may differ between variants without making them different ones.
_IGNORED = "ablation.targets"
AS_PUBLISHED: Changes = {}
NO_NODES: Changes = {"predictors.seernet.node_features": False}
NO_EDGES: Changes = {"predictors.seernet.edge_features": False}
NO_GLOBALS: Changes = {"predictors.seernet.global_features": False}
CATEGORY: Changes = {"predictors.seernet.operator_one_hot": True}
MAX: Changes = {"predictors.seernet.aggregation": "max"}
MEAN: Changes = {"predictors.seernet.aggregation": "mean"}
NO_GNPB: Changes = {"predictors.seernet.global_node": False}


def multi(gradients: str) -> Changes:
    """What SeerNet-Multi with a rule of gradients changes."""
    return {"ablation.predictor": "seernet_multi", "predictors.seernet_multi.gradients": gradients}


@dataclass(frozen=True)
class Claim:
    """One claim, as "the worse have a larger error than the better".

    Attributes:
        says: what is claimed.
        test: how it is tested here.
        worse: changes of the variants that should have the larger error.
        better: changes of those that should have the smaller one.
        remark: what has to be known beside it.
    """

    says: str
    test: str
    worse: tuple[Changes, ...]
    better: tuple[Changes, ...]
    remark: str = ""


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "The choice of features is worth more than the architecture",
        "a group of features left out, against GNPB or a half of SynMM left out (means of three each)",
        (NO_NODES, NO_EDGES, NO_GLOBALS),
        (NO_GNPB, MAX, MEAN),
    ),
    Claim("Node features matter", "without node features", (NO_NODES,), (AS_PUBLISHED,)),
    Claim(
        "Global features have a very large share once node features exist",
        "without global features",
        (NO_GLOBALS,),
        (AS_PUBLISHED,),
    ),
    Claim("Edge features are measurable", "without edge features", (NO_EDGES,), (AS_PUBLISHED,)),
    Claim(
        "Edge features are worth less than global ones",
        "without global features, against without edge features",
        (NO_GLOBALS,),
        (NO_EDGES,),
        "the source calls the one share very large and the other small",
    ),
    Claim("SynMM is better than the maximum alone", "aggregation by maximum", (MAX,), (AS_PUBLISHED,)),
    Claim("SynMM is better than the mean alone", "aggregation by mean", (MEAN,), (AS_PUBLISHED,)),
    Claim("The global-node boost (GNPB) helps", "without GNPB", (NO_GNPB,), (AS_PUBLISHED,)),
    Claim("The operator's category is harmful", "with its one-hot code", (CATEGORY,), (AS_PUBLISHED,)),
    Claim(
        "One network for all labels costs accuracy",
        "SeerNet-Multi with PCGrad, on the labels of the base",
        (multi("pcgrad"),),
        (AS_PUBLISHED,),
        "published: a mean MAPE of 7.75 against 5.14 % over six labels",
    ),
    Claim(
        "PCGrad helps SeerNet-Multi",
        "the plain sum of gradients, against PCGrad",
        (multi("sum"),),
        (multi("pcgrad"),),
        "the paper uses PCGrad; no published figure without it was found",
    ),
)


@dataclass(frozen=True)
class Judged:
    """A claim and what the records say.

    Attributes:
        tested: None where a variant is missing.
        outcome: by rule, from ``tested``.
        missing: what a claim without a test lacks: names of variants without records, or their changes where
            params.yaml has no such variant, or a seed that all have.
    """

    claim: Claim
    tested: Tested | None
    outcome: Outcome
    missing: tuple[str, ...]


def contrast_of(study: Study, claim: Claim) -> Contrast:
    """The variants a claim is tested by; the changes in words where params.yaml has no such variant."""
    return Contrast(
        *(tuple(_find(study, changes) for changes in side) for side in (claim.worse, claim.better))
    )


def judge(study: Study, tested: Mapping[Contrast, Tested | None]) -> list[Judged]:
    """All claims.

    Args:
        study: variants and records.
        tested: holds every claim's `contrast_of`.
    """
    return [_judged(study, claim, tested) for claim in CLAIMS]


def _judged(study: Study, claim: Claim, tested: Mapping[Contrast, Tested | None]) -> Judged:
    contrast = contrast_of(study, claim)
    found = tested[contrast]
    if found is not None:
        return Judged(claim, found, _OUTCOMES[found.verdict], ())
    names = dict.fromkeys((*contrast.first, *contrast.second))
    absent = tuple(name for name in names if not _complete(study, name))
    return Judged(claim, None, "not computed", absent or ("a seed that all have",))


def claimed(study: Study) -> frozenset[str]:
    """Names of the variants that a claim is tested by."""
    contrasts = [contrast_of(study, claim) for claim in CLAIMS]
    return frozenset(name for contrast in contrasts for name in (*contrast.first, *contrast.second))


def _find(study: Study, changes: Changes) -> str:
    """Name of the variant that makes these changes; the changes in words where there is none."""
    for name, variant in study.variants.items():
        own = {path: value for path, value in variant.changes.items() if path != _IGNORED}
        if own == dict(changes) and (name == BASE) == (not changes):
            return name
    return ", ".join(f"{path}={value}" for path, value in changes.items())


def _complete(study: Study, name: str) -> bool:
    return name in study.variants and bool(study.of(name)) and study.targets(name) == study.base.targets
