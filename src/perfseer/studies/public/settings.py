"""Settings of the study on published results: section ``public`` of the parameters. Imports no torch."""

from collections import Counter
from collections.abc import Iterable
from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, PositiveInt, model_validator

from perfseer.data.settings import LabelSettings, Seed
from perfseer.data.sources import source_names
from perfseer.data.sources.timm_results.names import FILES
from perfseer.evaluation.group_folds import Grouping
from perfseer.evaluation.overrides import override
from perfseer.evaluation.settings import Percentage
from perfseer.predictors.registry import PREDICTOR_NAMES
from perfseer.studies.wanted_times import PublishedTimes
from perfseer.training.settings import Recipe, TrainingSettings
from perfseer.validation import Strict

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
Share = Annotated[float, Field(gt=0, lt=1)]


class Entrant(Strict):
    """One way to predict, fitted and scored on the study's folds.

    Attributes:
        predictor: a file of ``predictors/library/``.
        fit: ``file``: a fit of its own for each result file. ``joint``: one fit for all of them, device,
            software and precision among its inputs.
        files: result files it is fitted and scored on; none: the headline's for ``file``, all for ``joint``.
        groupings: by what folds are drawn; none: all of the study.
        seeds: none: all of the study.
        folds: which of the folds are predicted; none: all of them.
        settings: of the predictor, as in its own section of params.yaml.
        recipe: fields of the study's ``training`` that are other here.
    """

    predictor: str
    fit: Literal["file", "joint"] = "file"
    files: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    groupings: Annotated[tuple[Grouping, ...], Field(min_length=1)] | None = None
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] | None = None
    folds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = None
    settings: dict[str, JsonValue] = Field(default={})
    recipe: Recipe = Recipe()


class Complete(Entrant):
    """An entrant with everything filled in that it left to the study."""

    files: tuple[str, ...]
    groupings: tuple[Grouping, ...]
    seeds: tuple[Seed, ...]
    folds: tuple[int, ...]


class Variant(Strict):
    """An entrant that differs from another in a few settings: what an addition is worth.

    Attributes:
        of: the entrant it is a variant of, and compared with.
        changes: dotted path into that entrant → value, such as ``settings.hidden: 32`` or ``seeds: [0]``.
        says: the difference in words, for the report.
    """

    of: Name
    changes: Annotated[dict[str, JsonValue], Field(min_length=1)]
    says: str


class Unseen(Strict):
    """Devices left out of training as a whole.

    Attributes:
        entrant: who is fitted on the other devices; its ``files`` say on which.
        devices: name → all result files of that device; the first ones are scored.
        seeds: each draws other folds and other models to measure.
        scored: files of each device that are scored and calibrated, at most this many from the first.
        measured: numbers of measured models to calibrate with; 0 is zero-shot.
    """

    entrant: Name
    devices: Annotated[dict[Name, Annotated[tuple[str, ...], Field(min_length=1)]], Field(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    scored: PositiveInt = 1
    measured: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class PublicSettings(Strict):
    """What is fitted on which published results. Complete in itself, so that other sections do not change it.

    Attributes:
        files: result files of the study, by name: without ``benchmark-`` and ``.csv``.
        folder: where files of one's own lie; it is looked in before the published ones. None: only those.
        as_measured: graphs in each row's precision, with the casts of mixed precision; else all in single
            precision.
        headline: those that the table of goals speaks of.
        groupings: by what rows are kept together.
        folds: number of folds.
        seeds: each draws new folds and new initial weights.
        valid_share: share of the training groups to stop, choose and calibrate on.
        subject: the entrant or mean the report dwells on.
        confidence: of predicted intervals.
        seed_confidence: of intervals over seeds and of the bootstrap over groups.
        within_pct: tolerances of "share of predictions within x % of the measurement".
        resamples: of the bootstrap over groups.
        worst: predictions that are listed with a reason.
        labels: how each quantity is mapped for learning.
        training: recipe of the networks that declare none of their own.
        elsewhere: published times of other devices and of single operators, which joint fits learn from where
            a predictor has a part for it. Groups that a fold is tested or calibrated on are left out of them.
        entrants: who takes part.
        means: name → entrants whose predictions are averaged on the logarithmic scale; nothing is fitted.
        variants: entrants that differ from another in a few settings.
        unseen: devices left out of training.
    """

    files: Annotated[tuple[str, ...], Field(min_length=1)]
    folder: str | None = None
    as_measured: bool
    headline: Annotated[tuple[str, ...], Field(min_length=1)]
    groupings: Annotated[tuple[Grouping, ...], Field(min_length=1)]
    folds: Annotated[int, Field(ge=2, le=50)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    valid_share: Annotated[float, Field(gt=0, le=0.5)]
    subject: Name
    confidence: Share
    seed_confidence: Share
    within_pct: Annotated[tuple[Percentage, ...], Field(min_length=1)]
    resamples: Annotated[int, Field(ge=100, le=100_000)]
    worst: PositiveInt
    labels: LabelSettings
    training: TrainingSettings
    elsewhere: dict[str, PublishedTimes] = Field(default={})
    entrants: Annotated[dict[Name, Entrant], Field(min_length=1)]
    means: dict[Name, Annotated[tuple[str, ...], Field(min_length=2)]] = Field(default={})
    variants: dict[Name, Variant] = Field(default={})
    unseen: Unseen | None = None

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if self.folder is None:
            _require_known("files", self.files, [file.name for file in FILES])
        _require_known("headline", self.headline, self.files)
        _require_known("elsewhere", self.elsewhere, source_names())
        for name, entrant in self.entrants.items():
            self._check_scope(f"entrants.{name}", entrant)
            _require_known(f"entrants.{name}.predictor", (entrant.predictor,), PREDICTOR_NAMES)
        for name, members in self.means.items():
            _require_known(f"means.{name}", members, self.entrants)
        for name in self.variants:
            resolved = self._resolved(name)
            self._check_scope(f"variants.{name}", resolved)
            _require_known(f"variants.{name}.predictor", (resolved.predictor,), PREDICTOR_NAMES)
        _require_known("subject", (self.subject,), (*self.entrants, *self.means))
        if self.unseen is not None and self.elsewhere:
            raise ValueError(
                "unseen leaves devices out of `files`, and `elsewhere` may hold them: take one of both away"
            )
        if self.unseen is not None:
            _require_known("unseen.entrant", (self.unseen.entrant,), self.fitted)
            for name, files in self.unseen.devices.items():
                _require_known(f"unseen.devices.{name}", files, self.files)
        return self

    @model_validator(mode="after")
    def _names_stand_once(self) -> Self:
        standing = Counter((*self.entrants, *self.means, *self.variants))
        doubled = sorted(name for name, times in standing.items() if times > 1)
        if doubled:
            raise ValueError(
                f"{doubled} stand in several of entrants, means and variants; each may stand once"
            )
        return self

    @property
    def fitted(self) -> tuple[str, ...]:
        """Names of all that is fitted: entrants, then variants."""
        return (*self.entrants, *self.variants)

    def entrant(self, name: str) -> Complete:
        """An entrant or variant with its files, groupings, seeds and folds filled in."""
        entrant = self.entrants[name] if name in self.entrants else self._resolved(name)
        every = {
            "files": self.files if entrant.fit == "joint" else self.headline,
            "groupings": self.groupings,
            "seeds": self.seeds,
            "folds": tuple(range(self.folds)),
        }
        return Complete(**dict(entrant) | {field: getattr(entrant, field) or every[field] for field in every})

    def members(self, name: str) -> tuple[str, ...]:
        """Who is fitted for an entrant, variant or mean."""
        return self.means.get(name, (name,))

    def draws(self, name: str) -> tuple[tuple[Grouping, int], ...]:
        """Groupings and seeds of an entrant or variant; of a mean, those that all its members have."""
        first, *others = (self.entrant(member) for member in self.members(name))
        return tuple(
            (grouping, seed)
            for grouping, seed in product(first.groupings, first.seeds)
            if all(grouping in other.groupings and seed in other.seeds for other in others)
        )

    @property
    def unseen_draws(self) -> tuple[tuple[str, int], ...]:
        """Devices that are left out, with each seed."""
        return tuple(product(self.unseen.devices, self.unseen.seeds)) if self.unseen else ()

    def _resolved(self, name: str) -> Entrant:
        variant = self.variants[name]
        _require_known(f"variants.{name}.of", (variant.of,), self.entrants)
        plain: dict[str, Any] = self.entrants[variant.of].model_dump(mode="json")
        for path in variant.changes:
            section, _, field = path.partition(".")
            if section in ("settings", "recipe"):  # what is not there has the predictor's own default
                plain[section].setdefault(field, None)
        return Entrant.model_validate(override(plain, variant.changes))

    def _check_scope(self, where: str, entrant: Entrant) -> None:
        for field in ("files", "groupings", "seeds"):
            _require_known(f"{where}.{field}", getattr(entrant, field) or (), getattr(self, field))
        _require_known(f"{where}.folds", entrant.folds or (), range(self.folds))


def _require_known(where: str, names: Iterable[object], known: Iterable[object]) -> None:
    known = tuple(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"{where} names {unknown}; there are {', '.join(map(str, known))}")


# What stands in params.yaml.
SECTIONS: dict[str, Any] = {"public": PublicSettings | None}
