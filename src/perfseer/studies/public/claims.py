"""Sentences of the report on published results."""

from collections.abc import Mapping

from perfseer.predictors.base import Predictor
from perfseer.predictors.registry import predictor_class
from perfseer.reporting.units import interval
from perfseer.studies.public.agreement import Agreement
from perfseer.studies.public.goals import goal_of
from perfseer.studies.public.study import Study
from perfseer.studies.public.tables import goal_verdict
from perfseer.studies.public.wording import title


def headline(study: Study, file: str, floors: Mapping[str, Agreement]) -> str:
    """What the subject reaches on one file, in a sentence."""
    reached = [_reached(study, grouping, file) for grouping in study.settings.groupings]
    shown = " and ".join(filter(None, reached))
    floor = floors.get(file)
    noise = f"; labels agree with another version's to {floor.mean_pct:.1f} %" if floor and shown else ""
    return f"{title(file)}: {shown or 'no result yet'}{noise}."


def _reached(study: Study, grouping: str, file: str) -> str:
    mean = study.mean(study.settings.subject, grouping, file)
    if mean is None:
        return ""
    goal = goal_of(file, grouping)
    verdict = f" ({goal_verdict(goal, mean)})" if goal else ""
    return f"**{interval(mean, '%')}** where the {grouping} is unseen{verdict}"


def source(study: Study) -> str:
    """What the subject is."""
    subject, means = _subject(study), study.settings.means
    return subject.source if subject else f"the mean of {', '.join(means[study.settings.subject])}"


def departures(study: Study) -> tuple[str, ...]:
    """Where the subject differs from its source."""
    subject = _subject(study)
    return tuple(subject.departures) if subject else ()


def _subject(study: Study) -> type[Predictor] | None:
    """The subject's class; None for a mean."""
    entrant = study.settings.entrants.get(study.settings.subject)
    return predictor_class(entrant.predictor) if entrant else None
