"""Settings of the report (section ``report`` of params.yaml): every threshold behind a judgement."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, PositiveInt, model_validator

from perfseer.data.settings import Seed
from perfseer.validation import Strict

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]
AboveOne = Annotated[float, Field(ge=1)]


def detailed_predictors(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Predictors with tables and figures of their own in the main document, once each: section ``report``."""
    report = parameters["report"]
    return tuple(dict.fromkeys((report["predictor"], report["reference"], *report["beside"])))


class Grades(Strict):
    """Upper MAPE bounds of the grade words [%]; above the last the word is "poor"."""

    excellent: Positive
    good: Positive
    fair: Positive

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not self.excellent < self.good < self.fair:
            raise ValueError(
                f"grades must ascend: excellent {self.excellent} < good {self.good} < fair {self.fair}"
            )
        return self

    def word(self, mape_pct: float) -> str:
        """Grade of a MAPE [%]: excellent, good, fair or poor."""
        bounds = (("excellent", self.excellent), ("good", self.good), ("fair", self.fair))
        return next((word for word, bound in bounds if mape_pct <= bound), "poor")


class Judgement(Strict):
    """Thresholds of the checks behind the recommendations (studies/overview/judgement.py).

    Attributes:
        late_best_share: a curve whose best epoch lies in this last share of the allowed epochs was cut short.
        generalisation_ratio: test over validation MAPE above which unseen architectures are the problem.
        family_ratio: family-split over headline MAPE above which unseen styles are the problem.
        overfit_ratio: validation over training loss at the best epoch above which rows are memorised.
        leak_ratio: headline over random-split MAPE above which the random split flatters.
        group_ratio: a group's MAPE over the whole's above which the group is named.
        group_rows: groups with fewer test rows are not judged.
        noise_share: noise floor over MAPE above which measuring better is worth it; the half width of single
            measurements where nothing was measured twice.
        constant_pct: a label whose middle 90 % lies within this share of its median does not vary [%].
        foreign_cores: cores other processes used on average above which the machine was not quiet.
        quarantine_pct: share of refused rows above which they are a concern [%].
        wide_pct: share of labels that missed the protocol's interval width above which that is a concern [%].
        bias_pct: median signed error beyond which predictions are called systematically high or low [%].
        tail_ratio: RMSPE over MAPE above which a few rows carry the error.
        rows: fewer training rows than this are called few.
    """

    late_best_share: Share
    generalisation_ratio: AboveOne
    family_ratio: AboveOne
    overfit_ratio: AboveOne
    leak_ratio: AboveOne
    group_ratio: AboveOne
    group_rows: PositiveInt
    noise_share: Share
    constant_pct: Positive
    foreign_cores: Positive
    quarantine_pct: Positive
    wide_pct: Positive
    bias_pct: Positive
    tail_ratio: AboveOne
    rows: PositiveInt


class Comparison(Strict):
    """How differences between predictors are tested (studies/comparison/pairs.py).

    Attributes:
        resamples: draws of the bootstrap over networks; its smallest p-value is 2 / (resamples + 1), which
            must stay significant after correction for the number of pairs.
        resample_seed: seed of those draws.
        min_seeds: a difference over fewer seeds is never called shown.
        min_networks: nor one over fewer networks, of which a bootstrap makes too little.
    """

    resamples: Annotated[int, Field(ge=100, le=1_000_000)]
    resample_seed: Seed
    min_seeds: Annotated[int, Field(ge=2)]
    min_networks: Annotated[int, Field(ge=2)]

    def shows(self, seeds: int, networks: int, same_sign: bool, p_holm: float, confidence: float) -> bool:
        """Whether a difference counts as shown: four things have to hold.

        Args:
            seeds: its number, at least ``min_seeds``.
            networks: their number, at least ``min_networks``.
            same_sign: whether the difference has one sign in all seeds, which it must.
            p_holm: p-value after Holm's correction, at most 1 − confidence.
            confidence: share, such as 0.95.
        """
        enough = seeds >= self.min_seeds and networks >= self.min_networks
        return enough and same_sign and p_holm <= 1 - confidence


class BenchmarkJudgement(Strict):
    """Thresholds behind the words of benchmark.md.

    Attributes:
        constant_exponent: growth with an exponent between plus and minus this is called constant.
        linear_exponent: growth with an exponent between these two is called linear.
        stable_ratio: error with the fewest rows over that with the most up to which accuracy is stable.
        knee_ratio: the knee of a learning curve is the fewest rows whose error is within this ratio of that
            with the most.
        throughput_share: the knee of prediction is the smallest batch with this share of the best throughput.
        busy_share: a point that had the processor for less than this share of its wall time is doubtful.
        r2: R² wanted of `mlp5d` on the smooth function with the most samples.
        fit_limit_s: time it may take to fit them [s].
    """

    constant_exponent: Positive
    linear_exponent: tuple[Positive, Positive]
    stable_ratio: AboveOne
    knee_ratio: AboveOne
    throughput_share: Share
    busy_share: Share
    r2: Share
    fit_limit_s: Positive

    @model_validator(mode="after")
    def _bands_ascend(self) -> Self:
        low, high = self.linear_exponent
        if not self.constant_exponent < low < high:
            raise ValueError(
                f"expected constant_exponent {self.constant_exponent:g} < linear_exponent {low:g} < {high:g}"
            )
        return self


class MeasurementAims(Strict):
    """What measurement.md holds the measuring against.

    Attributes:
        median_pct: median difference of the short protocol from the long one up to which the aim is met [%].
        p95_pct: 95th percentile of that difference, likewise [%].
        cost_ratio: how many times cheaper than the paper's protocol the short one should be.
        listed: rows listed per violated rule; the others are in plots/measurement_violations.csv.
    """

    median_pct: Positive
    p95_pct: Positive
    cost_ratio: AboveOne
    listed: PositiveInt


class ReportSettings(Strict):
    """What the report dwells on and how it judges.

    Attributes:
        predictor: whose predictions are analysed in detail.
        reference: the predictor it must beat on the same rows.
        beside: further predictors with tables and figures of their own in perfseer.md.
        grades: words for MAPE.
        samples: rows in the table of sample predictions.
        sample_seed: draws those rows.
        error_bounds_pct: counted in the detailed analysis: below the first and second, above the third [%].
        judgement: thresholds of the checks.
        benchmark: thresholds behind the words of benchmark.md.
        comparison: how comparison.md decides what is shown.
        measurement: what measurement.md holds the measuring against.
    """

    predictor: str
    reference: str
    beside: tuple[str, ...]
    grades: Grades
    samples: PositiveInt
    sample_seed: Seed
    error_bounds_pct: tuple[Positive, Positive, Positive]
    judgement: Judgement
    benchmark: BenchmarkJudgement
    comparison: Comparison
    measurement: MeasurementAims
