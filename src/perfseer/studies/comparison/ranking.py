"""Rankings with ties, the matrix of wins and losses, and in words what is and what is not shown."""

from dataclasses import dataclass

from perfseer.evaluation.intervals import Interval
from perfseer.reporting.floors import FLOOR, floor_cell, in_floors
from perfseer.reporting.tables import bullet_list, markdown_table, table
from perfseer.reporting.units import MISSING, count, interval, number, plural, signed, signed_interval
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
    experiment = aligned.experiment
    scored = {
        name: found
        for name in aligned.predictors(target)
        if (found := experiment.mape(name, experiment.headline, target)) is not None
    }
    names = sorted(scored, key=lambda name: scored[name].mean)
    ranks = []
    for name in names:
        against = [pair for other in names if (pair := pairs.get(target, name, other)) is not None]
        place = 1 + sum(pair.verdict == "worse" for pair in against)
        behind = pairs.get(target, name, names[0]) if name != names[0] else None
        ranks.append(Rank(place, name, scored[name], behind))
    return ranks


def ranking_table(aligned: Aligned, pairs: Pairs, target: str) -> str:
    """Places at one label with the distance to the best and how sure it is; last the noise floor."""
    ranks = ranking(aligned, pairs, target)
    if not ranks:
        return MISSING
    best = ranks[0].predictor
    lines = [[str(rank.place), rank.predictor, interval(rank.mape), *_behind(rank, best)] for rank in ranks]
    floor = ["–", FLOOR, floor_cell(aligned.experiment.floors, target), *["–"] * 4]
    header = [
        *("place", "predictor", "MAPE [%]"),
        "behind the first (interval over networks and seeds) [points]",
        *("p, corrected", "behind the first, by seed [points]", "said of it"),
    ]
    return markdown_table(header, [*lines, floor], align="rl")


def _behind(rank: Rank, best: str) -> list[str]:
    """How far behind the best, how sure that is, and in words what is shown."""
    pair = rank.behind
    if rank.predictor == best:
        return ["–", "–", "–", "smallest error"]
    if pair is None:
        return [MISSING, MISSING, MISSING, "not compared: no rows in common"]
    said = {"worse": f"worse than {best}", "not shown": f"not shown to differ from {best}"}
    return [
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
    places = {
        (rank.predictor, target.name): rank.place
        for target in TARGETS
        for rank in ranking(aligned, pairs, target.name)
    }

    def cell(name: str, target: str) -> str:
        place = places.get((name, target))
        if place is None:
            return aligned.experiment.absent(name, target)
        return str(place) if target in aligned.varying else f"({place})"

    def unbeaten(name: str) -> str:
        own = [places[name, target] for target in aligned.varying if (name, target) in places]
        return f"{sum(place == 1 for place in own)} of {len(own)}"

    return table(
        aligned.experiment.predictors,
        [
            ("predictor", str),
            *((t.title, lambda name, t=t: cell(name, t.name)) for t in TARGETS),
            ("labels where nothing is shown to be better", unbeaten),
        ],
    )


def matrix_table(aligned: Aligned, pairs: Pairs) -> str:
    """Labels won and lost by the row against the column, of varying labels both predict; last the sums."""
    names = aligned.experiment.predictors
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
    experiment = aligned.experiment
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
    if TARGET_BY_NAME[target] not in aligned.experiment.targets:
        return f"{title}: not measured."
    if not ranks:
        return f"{title}: {MISSING}."
    if target not in aligned.varying:
        return f"{title}: practically constant here, so a smaller error proves nothing."
    best, others = ranks[0], ranks[1:]
    tied = [rank.predictor for rank in others if rank.behind is None or rank.behind.verdict != "worse"]
    behind = [rank.predictor for rank in others if rank.predictor not in tied]
    sentence = f"{title}: `{best.predictor}` has the smallest MAPE, {interval(best.mape, '%')}"
    floors = in_floors(best.mape.mean, aligned.experiment.floors, target)
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
