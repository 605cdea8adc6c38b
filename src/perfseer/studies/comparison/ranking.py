"""Rankings with ties, the matrix of wins and losses, and in words what is and what is not shown."""

from dataclasses import dataclass

from perfseer.evaluation.intervals import Interval
from perfseer.reporting.floors import FLOOR, floor_cell, in_floors
from perfseer.reporting.tables import bullet_list, markdown_table
from perfseer.reporting.units import (
    MISSING,
    NOT_APPLICABLE,
    count,
    interval,
    number,
    plural,
    signed,
    signed_interval,
)
from perfseer.studies.comparison.aligned import Aligned
from perfseer.studies.comparison.pairs import Pair, Pairs
from perfseer.targets import TARGET_BY_NAME, TARGETS


@dataclass(frozen=True)
class Rank:
    """A predictor's place at one label.

    Attributes:
        place: 1 + the number of predictors shown to be better; several may share a place.
        mape: over seeds [%].
        behind: compared with the predictor of the smallest MAPE; None for that one itself.
    """

    place: int
    predictor: str
    mape: Interval
    behind: Pair | None


def ranking(aligned: Aligned, pairs: Pairs, target: str) -> list[Rank]:
    """Predictors of one label by MAPE over seeds on the headline split, the smallest first."""
    headline = aligned.results.experiment.headline
    scored = {name: aligned.results.mape(name, headline, target) for name in aligned.predictors(target)}
    known = {name: found for name, found in scored.items() if found is not None}
    names = sorted(known, key=lambda name: known[name].mean)
    ranks = []
    for name in names:
        against = [pair for other in names if (pair := pairs.get(target, name, other)) is not None]
        place = 1 + sum(pair.verdict == "worse" for pair in against)
        behind = pairs.get(target, name, names[0]) if name != names[0] else None
        ranks.append(Rank(place, name, known[name], behind))
    return ranks


def ranking_table(aligned: Aligned, pairs: Pairs, target: str) -> str:
    """Places at one label with the distance to the best and how sure it is; last the noise floor."""
    ranks = ranking(aligned, pairs, target)
    if not ranks:
        return MISSING
    header = [
        "place",
        "predictor",
        "MAPE [%]",
        "behind the first (interval over networks and seeds) [points]",
        "p, corrected",
        "behind the first, by seed [points]",
        "said of it",
    ]
    lines = [_line(rank, ranks[0].predictor) for rank in ranks]
    floor = ["–", FLOOR, floor_cell(aligned.results.experiment.floors, target), *["–"] * 4]
    return markdown_table(header, [*lines, floor], align="rl")


def _line(rank: Rank, best: str) -> list[str]:
    start = [str(rank.place), rank.predictor, interval(rank.mape)]
    pair = rank.behind
    if pair is None:
        if rank.predictor == best:
            return [*start, "–", "–", "–", "smallest error"]
        return [*start, MISSING, MISSING, MISSING, "not compared: no rows in common"]
    said = {"worse": f"worse than {best}", "not shown": f"not shown to differ from {best}"}
    return [
        *start,
        f"{signed(pair.mean)} ({signed(pair.low)} to {signed(pair.high)})",
        p_text(pair.p_holm),
        MISSING if pair.seeds is None else signed_interval(pair.seeds),
        said.get(pair.verdict, f"better than {best} on common rows"),
    ]


def p_text(value: float) -> str:
    """A p-value with two digits, very small ones as a bound."""
    return "< 0.001" if value < 0.001 else number(value, 2)


def places_table(aligned: Aligned, pairs: Pairs) -> str:
    """Place of every predictor at every label; places at practically constant labels in parentheses."""
    experiment = aligned.results.experiment
    places = {
        (target.name, rank.predictor): rank.place
        for target in TARGETS
        for rank in ranking(aligned, pairs, target.name)
    }
    lines = []
    for name in experiment.predictors:
        cells = [_place(aligned, places, name, target.name) for target in TARGETS]
        own = [
            place for (target, owner), place in places.items() if owner == name and target in aligned.varying
        ]
        lines.append([name, *cells, f"{sum(place == 1 for place in own)} of {len(own)}"])
    header = [
        "predictor",
        *(target.title for target in TARGETS),
        "labels where nothing is shown to be better",
    ]
    return markdown_table(header, lines)


def _place(aligned: Aligned, places: dict[tuple[str, str], int], name: str, target: str) -> str:
    if (target, name) not in places:
        return absent(aligned, name, target)
    place = places[target, name]
    return str(place) if target in aligned.varying else f"({place})"


def absent(aligned: Aligned, predictor: str, target: str) -> str:
    """Why there is no number: ``n/a`` or ``missing``."""
    results = aligned.results
    supported = results.supports(predictor, results.experiment.headline, target)
    return MISSING if supported else NOT_APPLICABLE


def matrix_table(aligned: Aligned, pairs: Pairs) -> str:
    """Labels won and lost by the row against the column, of varying labels both predict; last the sums."""
    names = aligned.results.experiment.predictors
    lines = []
    for first in names:
        cells, won, lost = [], 0, 0
        for second in names:
            found = [x for target in aligned.varying if (x := pairs.get(target, first, second)) is not None]
            better, worse = (sum(x.verdict == word for x in found) for word in ("better", "worse"))
            won, lost = won + better, lost + worse
            cells.append("·" if first == second else f"{better}–{worse}" if found else MISSING)
        lines.append([first, *cells, f"**{won}–{lost}**"])
    return markdown_table(["won–lost", *names, "in all"], lines)


def overall_sentence(aligned: Aligned, pairs: Pairs) -> str:
    """How many of all pairs are shown to differ, and what the seeds alone say."""
    experiment = aligned.results.experiment
    listed = [pair for pair in pairs.once() if pair.target in aligned.varying]
    if not listed:
        return "No two predictors have records of the same rows, so nothing is compared."
    shown = [pair for pair in listed if pair.verdict != "not shown"]
    seeds = sum(pair.over_seeds for pair in listed)
    both = sum(pair.over_seeds for pair in shown)
    chance = len(listed) * (1 - experiment.evaluation.confidence)
    return (
        f"Of {plural(len(listed), 'comparison')} (pairs of predictors × labels), {count(len(shown))} are "
        f"**shown** to differ and {count(len(listed) - len(shown))} are not. By itself and uncorrected, the "
        f"interval over {plural(len(experiment.seeds), 'seed')} excludes zero in {count(seeds)} of them, "
        f"{count(both)} among those shown; about {number(chance, 2)} would if no two predictors differed."
    )


def label_sentence(aligned: Aligned, pairs: Pairs, target: str) -> str:
    """One label: which predictor has the smallest error, and which are not shown to be behind it."""
    ranks = ranking(aligned, pairs, target)
    title = TARGET_BY_NAME[target].title
    if TARGET_BY_NAME[target] not in aligned.results.experiment.targets:
        return f"{title}: not measured."
    if not ranks:
        return f"{title}: {MISSING}."
    if target not in aligned.varying:
        return f"{title}: practically constant here, so a smaller error proves nothing."
    best, others = ranks[0], ranks[1:]
    tied = [rank.predictor for rank in others if rank.behind is None or rank.behind.verdict != "worse"]
    behind = [rank.predictor for rank in others if rank.predictor not in tied]
    sentence = f"{title}: `{best.predictor}` has the smallest MAPE, {interval(best.mape, '%')}"
    floors = in_floors(best.mape.mean, aligned.results.experiment.floors, target)
    if floors:
        sentence += f" ({floors})"
    if tied:
        sentence += f"; **not shown to differ** from it: {_names(tied)}"
    if behind:
        sentence += f"; shown to be worse: {_names(behind)}"
    return f"{sentence}."


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def label_sentences(aligned: Aligned, pairs: Pairs, quantities: tuple[str, ...]) -> str:
    """`label_sentence` of the labels of some quantities, as a list."""
    return bullet_list(
        label_sentence(aligned, pairs, target.name) for target in TARGETS if target.quantity in quantities
    )
