"""What the document on hardware says in sentences."""

from perfseer.hardware.assembly.sourced import RULES
from perfseer.hardware.metric_registry import METRICS
from perfseer.reporting.tables import escape
from perfseer.reporting.units import count, number, percent, plural, share_text
from perfseer.studies.hardware.coverage import FIGURES
from perfseer.studies.hardware.prices import KINDS, dates
from perfseer.studies.hardware.statistics import Statistics
from perfseer.studies.hardware.study import HardwareStudy
from perfseer.studies.hardware.trends import PER_WATT


def headlines(study: HardwareStudy, statistics: Statistics) -> list[str]:
    """The findings, each in a sentence."""
    return [
        _accelerators(study),
        _rows(study),
        *_most_per_watt(study),
        *_cheapest(statistics),
        *_growth(statistics),
        *_agreement(statistics),
        *_floor(statistics),
    ]


def _accelerators(study: HardwareStudy) -> str:
    n, sourced = len(study.specs.table), int(study.canonical.sum())
    return f"{plural(n, 'accelerator')}, {count(sourced)} of them in the sourced table of the project."


def _rows(study: HardwareStudy) -> str:
    # Rules are no source: what follows by them rests on the rows of the others.
    asked = study.ledger[study.ledger["name"] != RULES]
    there = asked[asked["present"].astype(bool)]
    read, loaded, aside = (int(there[name].sum()) for name in ("n_read", "n_loaded", "n_quarantined"))
    return (
        f"{plural(len(there), 'source')} of {count(len(asked))} with {plural(read, 'row')}: "
        f"{count(loaded)} are in the database, {count(aside)} are set aside with a reason."
    )


def _most_per_watt(study: HardwareStudy) -> list[str]:
    """The sourced accelerator with the most FP16 per watt, among how many."""
    metric = METRICS["tflops_per_watt_fp16"]
    guessed = study.metric_status[metric.name] == "imputed"
    values = study.metrics.loc[study.canonical & ~guessed, metric.name].dropna() / metric.scale
    if values.empty:
        return []
    best = str(values.idxmax())
    peak = f"{number(float(values[best]))} {metric.display_unit}"
    return [
        f"Of {plural(len(values), 'sourced accelerator')} with the figures, "
        f"{escape(study.name_of(best))} has the most dense FP16 of matrix units per watt of its power limit: "
        f"{peak}. That is a peak, not a result."
    ]


def _cheapest(statistics: Statistics) -> list[str]:
    """The most FP16 for an hour's price, among accelerators whose price is no single offer."""
    rated, rows = KINDS["on-demand"], statistics.prices[statistics.prices["kind"] == "on-demand"]
    several = rows[rows["offers"] >= 2]
    if several.empty:
        return []
    best = several.sort_values(["per_usd", "key"], ascending=[False, True]).iloc[0]
    single, rate = len(rows) - len(several), rated.per * float(best["per_usd"]) / rated.divisor
    return [
        f"On demand ({dates(rows)}), {escape(best['name'])} gives the most dense FP16 of matrix units for "
        f"the price of an hour: {number(rate)} {rated.unit} at the median of "
        f"{plural(int(best['offers']), 'offer')}. {count(single)} of {plural(len(rows), 'accelerator')} with "
        "such a price have a single offer and are left out here."
    ]


def _growth(statistics: Statistics) -> list[str]:
    return [
        f"Peak per watt ({PER_WATT[trend.quantity]}) doubles in {number(trend.doubling[0])} years "
        f"({number(trend.doubling[1])} … {number(trend.doubling[2])}), over "
        f"{plural(trend.fit.n, 'accelerator')} of {plural(trend.fit.clusters, 'die')}."
        for trend in statistics.trends
        if trend.kind == "all" and trend.doubling is not None
    ]


def _agreement(statistics: Statistics) -> list[str]:
    found = [pair for pair in statistics.pairs if (pair.first, pair.second) == ("fp32_flops", "g3d")]
    return [
        f"FP32 and the G3D Mark rank {plural(pair.n, 'accelerator')} with Spearman's ρ of {pair.rho:.2f}."
        for pair in found
    ]


def _floor(statistics: Statistics) -> list[str]:
    return [
        f"One submitter of MLPerf differs from the median of the others on the same accelerator by "
        f"{percent(floor.median_pct)} at the median, over {plural(floor.n, 'result')} of "
        f"{plural(floor.accelerators, 'accelerator')}: differences below that say nothing."
        for floor in statistics.floors
        if floor.scenario == "all"
    ]


def conflict_sentence(study: HardwareStudy) -> str:
    """How many figures sources differ on."""
    n, accelerators = len(study.conflicts), study.conflicts["key"].nunique()
    if not n:
        return "No two sources differ on a figure."
    return (
        f"Sources differ on {plural(n, 'figure')} of {plural(int(accelerators), 'accelerator')}. Every one "
        "is in the database with what was decided:"
    )


def decisions(study: HardwareStudy) -> list[str]:
    """Whom we believed, how often, and why, safe in Markdown."""
    counted = (
        study.conflicts.groupby(["chosen_source", "decision"], sort=True).size().rename("n").reset_index()
    )
    counted = counted.sort_values("n", ascending=False, kind="stable")
    return [
        f"{escape(source)} was believed in {plural(n, 'difference')}: {escape(why)}."
        for source, why, n in zip(counted["chosen_source"], counted["decision"], counted["n"], strict=True)
    ]


def results_sentence(study: HardwareStudy) -> str:
    """Which results of MLPerf the statistics rest on."""
    if study.results.empty:
        return "The database holds no results of MLPerf."
    used = study.plain_results
    return (
        f"{share_text(len(used), len(study.results))} results are used, those handed in twice or "
        "inferred from others not counted: closed, throughput, one kind of "
        "accelerator that is identified, as it is sold (no slices, no virtual GPUs, no power caps). "
        f"{plural(int(used['submitter'].nunique()), 'submitter')}, "
        f"{plural(int(used['key'].nunique()), 'accelerator')}, "
        f"{plural(int(used['round'].nunique()), 'round')}."
    )


def closed_sentence(study: HardwareStudy) -> str:
    """How many closed results reach an accelerator."""
    named, reached = study.closed
    if not named:
        return "No closed result of MLPerf names an accelerator."
    return (
        f"Of closed results of MLPerf that name an accelerator, {share_text(reached, named)} reach one; "
        "those whose accelerator is left blank name none."
    )


def absent_sources(study: HardwareStudy) -> list[str]:
    """Sources the database is without, and why, a line each."""
    sources = study.ledger[~study.ledger["present"].astype(bool)]
    return [
        f"the source {name}: {reason or 'no reason given'}"
        for name, reason in zip(sources["name"], sources["absent_reason"], strict=True)
    ]


def absent(study: HardwareStudy, statistics: Statistics) -> list[str]:
    """What is not there, a line each, safe in Markdown; empty where all is."""
    lines = [escape(line) for line in absent_sources(study)]
    known = study.known[list(FIGURES)].notna().any()
    unknown = [title for name, title in FIGURES.items() if not known[name]]
    if unknown:
        lines.append(f"figures that are known of no accelerator: {', '.join(unknown)}")
    priced = set(statistics.prices["kind"])
    lines += [
        f"prices {rated.title} with a performance" for kind, rated in KINDS.items() if kind not in priced
    ]
    nothing = {
        "figures of the same accelerators to correlate": statistics.pairs,
        "enough accelerators for a trend": statistics.trends,
        "two submitters of one accelerator's results": statistics.floors,
        "MLPerf results of several generations": statistics.shares,
        "enough prices for their trend at equal figures": statistics.hedonics,
    }
    return [*lines, *(title for title, found in nothing.items() if not found)]
