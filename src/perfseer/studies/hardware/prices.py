"""What performance costs: the best per dollar, who is not beaten, and how prices move at equal figures.

Kinds of price are never mixed: at launch, in shops, on demand by the hour.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.studies.hardware.regression import Fit, least_squares
from perfseer.studies.hardware.study import HardwareStudy


@dataclass(frozen=True)
class Rated:
    """A kind of price and the performance it is held against.

    Attributes:
        title: for people.
        paid: unit of the price.
        performance: column of the figures.
        label: what it is called.
        divisor: of the figure, for people.
        unit: of performance per US$, for people.
        per: US$ that unit is of.
        by_offers: whether a price is the median of what several offer, so that it matters how many do.
    """

    title: str
    paid: str
    performance: str
    label: str
    divisor: float
    unit: str
    per: float
    by_offers: bool = False


KINDS: dict[str, Rated] = {
    "launch": Rated(
        *("at launch", "US$", "fp16_flops", "FP16, matrix units [TFLOP/s]", 1e12),
        *("TFLOP/s per 1,000 US$", 1e3),
    ),
    "retail": Rated("in shops", "US$", "g3d", "PassMark G3D Mark", 1.0, "G3D Mark per US$", 1.0),
    "on-demand": Rated(
        *("on demand", "US$/h per accelerator", "fp16_flops", "FP16, matrix units [TFLOP/s]", 1e12),
        *("TFLOP/s per US$/h", 1.0),
        by_offers=True,
    ),
}
PRICE_COLUMNS = (
    "kind",
    "key",
    "name",
    "vendor",
    "usd",
    "offers",
    *("performance", "per_usd", "front", "date"),
)
HEDONIC_COLUMNS = ("kind", "term", "n", "dies", "coefficient", "low", "high", "r2")
# ln(price) on these, each as a logarithm, and on the year.
_SPECS = ("fp32_flops", "memory_bytes", "bandwidth_bytes_per_s", "tdp_w")


def paid(study: HardwareStudy, kind: str) -> pd.DataFrame:
    """Median price, number of offers, latest day of one kind, by key: ``usd``, ``offers``, ``date``."""
    rows = study.prices[study.prices["kind"] == kind]
    usd = pd.to_numeric(rows["usd"], errors="coerce").astype("float64")
    rows = rows.assign(usd=usd)[(usd > 0) & rows["key"].isin(study.specs.table.index)]
    return rows.groupby("key", sort=True).agg(
        usd=("usd", "median"), offers=("usd", "size"), date=("date", "max")
    )


def price_rows(study: HardwareStudy) -> pd.DataFrame:
    """A row per kind and accelerator with price and performance, `PRICE_COLUMNS`, the best per US$ first."""
    parts = []
    for kind, rated in KINDS.items():
        found = paid(study, kind)
        performance = study.known[rated.performance].reindex(found.index)
        found = found.assign(performance=performance)[performance > 0]
        found = found.reset_index().assign(
            kind=kind,
            name=lambda rows: [study.name_of(key) for key in rows["key"]],
            vendor=lambda rows: rows["key"].map(study.specs.table["vendor"]),
            per_usd=lambda rows: rows["performance"] / rows["usd"],
            front=lambda rows: pareto(rows["usd"], rows["performance"]),
        )
        parts.append(found.sort_values(["per_usd", "key"], ascending=[False, True]))
    return pd.concat(parts, ignore_index=True)[list(PRICE_COLUMNS)]


def dates(rows: pd.DataFrame) -> str:
    """From when the prices of `price_rows` are: a day, month or year, or the first and the last of them."""
    first, last = rows["date"].min(), rows["date"].max()
    return f"{first}" if first == last else f"{first} to {last}"


def pareto(cost: npt.ArrayLike, gain: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """[n] whether no other costs as little and gives as much, one of them strictly better."""
    costs, gains = (np.asarray(values, dtype=np.float64) for values in (cost, gain))
    order = np.lexsort((-gains, costs))
    kept = np.zeros(len(costs), dtype=bool)
    best_gain, best_cost = -np.inf, np.nan
    for place in order:
        if gains[place] > best_gain:
            best_gain, best_cost = gains[place], costs[place]
            kept[place] = True
        else:
            kept[place] = gains[place] == best_gain and costs[place] == best_cost
    return kept


@dataclass(frozen=True)
class Hedonic:
    """How ln(price) goes with figures of the card and the year.

    Attributes:
        kind: key of `KINDS`.
        terms: names of the coefficients, the year last.
        fit: a constant first, then the terms.
    """

    kind: str
    terms: tuple[str, ...]
    fit: Fit

    @property
    def yearly(self) -> tuple[float, float, float]:
        """Change of the price a year at equal figures as a share, with ends of its interval."""
        place = len(self.terms)
        low, high = self.fit.interval(place)
        change, low, high = (float(np.expm1(x)) for x in (self.fit.coefficients[place], low, high))
        return change, low, high


def hedonics(study: HardwareStudy) -> list[Hedonic]:
    """By kind, where there are prices enough: elasticities, and the trend over the year of launch."""
    found = []
    for kind in KINDS:
        usd = paid(study, kind)["usd"]
        rows = study.known[[*_SPECS, "year"]].reindex(usd.index).assign(usd=usd).dropna()
        rows = rows[(rows[list(_SPECS)] > 0).all(axis=1)]
        if rows.empty:
            continue
        logs = np.log(rows[list(_SPECS)].to_numpy(dtype=np.float64))
        years = rows["year"].to_numpy(dtype=np.float64)
        columns = np.column_stack([np.ones(len(rows)), logs - logs.mean(axis=0), years - years.mean()])
        dies = study.dies[rows.index].to_numpy(dtype=str)
        # Three dies a coefficient at least, or the interval is an illusion.
        if len(np.unique(dies)) < 3 * columns.shape[1]:
            continue
        values = np.log(rows["usd"].to_numpy(dtype=np.float64))
        fit = least_squares(columns, values, dies, study.judging.confidence)
        if fit is not None:
            found.append(Hedonic(kind, (*_SPECS, "year"), fit))
    return found


def hedonic_rows(found: list[Hedonic]) -> pd.DataFrame:
    """A row per kind and term, `HEDONIC_COLUMNS`."""
    rows = [
        (
            *(model.kind, term, model.fit.n, model.fit.clusters, float(model.fit.coefficients[place])),
            *(*model.fit.interval(place), model.fit.r2),
        )
        for model in found
        for place, term in enumerate(model.terms, start=1)
    ]
    return pd.DataFrame(rows, columns=list(HEDONIC_COLUMNS))
