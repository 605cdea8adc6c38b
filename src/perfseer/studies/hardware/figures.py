"""Figures of the document on hardware."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from perfseer.graphs.perfgraph import FloatArray
from perfseer.reporting.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    log_ticks,
    panels,
    say_missing,
)
from perfseer.reporting.units import count, plural
from perfseer.studies.hardware.correlation import CORRELATED, Pair
from perfseer.studies.hardware.coverage import FIGURES, STATUSES, by_category, by_status, members
from perfseer.studies.hardware.labels import name_points
from perfseer.studies.hardware.prices import KINDS, dates
from perfseer.studies.hardware.shares import Share
from perfseer.studies.hardware.statistics import Statistics
from perfseer.studies.hardware.study import HardwareStudy
from perfseer.studies.hardware.trends import PER_WATT, Trend, per_watt

# Colour and mark of a vendor, so that neither alone tells them apart.
VENDORS: dict[str, tuple[str, str]] = {
    "NVIDIA": (GREEN, "o"),
    "AMD": (VERMILION, "s"),
    "Intel": (BLUE, "^"),
    "Google": (ORANGE, "D"),
    "Qualcomm": (PURPLE, "v"),
    "Amazon": (SKY, "P"),
    "Apple": ("#222222", "X"),
}
OTHERS = "others"
_OTHER = (GREY, "h")
CATEGORIES: dict[str, str] = {
    "Desktop": BLUE,
    "Mobile": SKY,
    "Workstation": PURPLE,
    "Datacenter": VERMILION,
    "Integrated": GREY,
    "Accelerator": ORANGE,
    "Console": GREEN,
    "Edge": "#222222",
}
_RIDGES = (1.0, 10.0, 100.0, 1000.0)
_BLUES: Colormap = LinearSegmentedColormap.from_list("known", ["#FFFFFF", "#BBD7EA", BLUE])
# Vermilion to blue, white in the middle: told apart with any common colour vision.
_SIGNED: Colormap = LinearSegmentedColormap.from_list("signed", [VERMILION, "#FFFFFF", BLUE])


def figure_makers(study: HardwareStudy, statistics: Statistics) -> dict[str, Callable[[], Figure]]:
    """File stem → function that draws it."""
    return {
        "hardware_roofline": partial(roofline, study),
        "hardware_efficiency": partial(efficiency, study, statistics),
        "hardware_prices": partial(price_scatter, statistics),
        "hardware_coverage": partial(coverage, study),
        "hardware_correlations": partial(correlation_matrix, statistics),
        "hardware_shares": partial(share_dots, statistics),
    }


def best_peak(study: HardwareStudy) -> pd.Series:
    """FP16 of the matrix units, or the faster of FP16 and FP32 of the vector units, FLOP/s."""
    vector = study.known[["fp16_vector_flops", "fp32_flops"]].max(axis=1)
    return study.known["fp16_flops"].fillna(vector)


def _has_matrix_peak(rows: pd.DataFrame) -> pd.Series:
    return rows["fp16_flops"].notna()


def roofline(study: HardwareStudy) -> Figure:
    """Peak against bandwidth with lines of equal ridge point: the sourced ones named, all of them inset."""
    rows = study.known.assign(peak=best_peak(study))
    rows = rows[(rows["peak"] > 0) & (rows["bandwidth_bytes_per_s"] > 0)]
    named = rows[study.canonical[rows.index]].sort_values("peak", ascending=False)
    figure, (axis,) = panels(1, 1, width=11.0, height=9.6)
    if rows.empty:
        say_missing(axis, "no accelerator with peak and bandwidth")
        return figure
    shown = named if len(named) else rows
    _ridge_lines(axis, shown)
    _by_vendor(axis, rows, size=5, alpha=0.25, marked=False)
    _by_vendor(axis, named, size=22, alpha=0.9)
    axis.set_xlabel("memory bandwidth [byte/s]")
    axis.set_ylabel("peak [FLOP/s]: full marks FP16 of matrix units, hollow ones vector units")
    _prefixed(axis)
    _vendor_legend(axis, shown["vendor"])
    _inset(axis, rows, named)
    across, up = (named[name].tolist() for name in ("bandwidth_bytes_per_s", "peak"))
    n = name_points(axis, across, up, [_short(name) for name in named["name"]], size=6.4)
    left = "" if n == len(named) else f", {count(n)} of them named"
    axis.set_title(
        f"{count(len(named))} sourced accelerators{left}; faint: all {count(len(rows))} with both figures"
    )
    return figure


def _ridge_lines(axis: Axes, rows: pd.DataFrame) -> None:
    """Limits from the rows, and a diagonal per ridge point with its value at the edge."""
    bandwidth, peak = rows["bandwidth_bytes_per_s"], rows["peak"]
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(0.75 * bandwidth.min(), 1.6 * bandwidth.max())
    axis.set_ylim(0.6 * peak.min(), 2.2 * peak.max())
    left, right = axis.get_xlim()
    bottom, top = axis.get_ylim()
    for ridge in _RIDGES:
        ends = np.array([left, right])
        axis.plot(ends, ridge * ends, color="#BBBBBB", linewidth=0.8, zorder=1)
        at = min(right / 1.06, top / 1.12 / ridge)
        if at > left and ridge * at > bottom:
            axis.text(
                at,
                ridge * at,
                f"{ridge:,.0f} FLOP/byte",
                fontsize=7.5,
                color="#666666",
                ha="right",
                va="bottom",
            )


def _by_vendor(axis: Axes, rows: pd.DataFrame, size: float, alpha: float, *, marked: bool = True) -> None:
    for vendor, part in rows.groupby(rows["vendor"].map(_shown_vendor), sort=True):
        colour, mark = VENDORS.get(str(vendor), _OTHER)
        if marked:
            has_matrix_peak = _has_matrix_peak(part)
            _marks(axis, part[has_matrix_peak], mark, size, alpha, face=colour, edge="white")
            _marks(axis, part[~has_matrix_peak], mark, size, alpha, face="white", edge=colour)
            continue
        axis.scatter(
            part["bandwidth_bytes_per_s"],
            part["peak"],
            s=size,
            color=colour,
            marker="o",
            alpha=alpha,
            linewidths=0,
            zorder=2,
            # Thousands of faint points are a picture, or the file would have a megabyte.
            rasterized=True,
        )


def _marks(
    axis: Axes, rows: pd.DataFrame, mark: str, size: float, alpha: float, *, face: str, edge: str
) -> None:
    axis.scatter(
        rows["bandwidth_bytes_per_s"],
        rows["peak"],
        s=size,
        marker=mark,
        alpha=alpha,
        facecolors=face,
        edgecolors=edge,
        linewidths=0.4 if edge == "white" else 1.0,
        zorder=3,
    )


def _shown_vendor(vendor: str) -> str:
    return vendor if vendor in VENDORS else OTHERS


def _vendor_legend(axis: Axes, vendors: pd.Series) -> None:
    there = set(vendors.map(_shown_vendor))
    handles = [
        Line2D([], [], color=colour, marker=mark, linestyle="", markersize=5, label=vendor)
        for vendor, (colour, mark) in {**VENDORS, OTHERS: _OTHER}.items()
        if vendor in there
    ]
    axis.legend(handles=handles, loc="upper left", ncols=1, fontsize=8)


def _inset(axis: Axes, rows: pd.DataFrame, named: pd.DataFrame) -> None:
    """All accelerators there are, and where the named ones stand among them."""
    if len(named) in (0, len(rows)):
        return
    small = axis.inset_axes((0.685, 0.055, 0.305, 0.30))
    small.set_facecolor("white")
    _ridge_lines(small, rows)
    for text in list(small.texts):
        text.remove()
    _by_vendor(small, rows, size=3, alpha=0.5, marked=False)
    small.set_title("all accelerators", fontsize=8)
    _prefixed(small)
    small.tick_params(labelsize=6)
    axis.indicate_inset_zoom(small, edgecolor="#888888", alpha=0.0)


def _prefixed(axis: Axes) -> None:
    for which in (axis.xaxis, axis.yaxis):
        which.set_major_formatter(lambda value, _: _si(value))
        which.set_minor_formatter(lambda _value, _: "")


def _si(value: float) -> str:
    for factor, prefix in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.999 * factor:
            return f"{value / factor:g} {prefix}"
    return f"{value:g}"


def _short(name: str) -> str:
    """A name without what its colour says already."""
    for word in ("NVIDIA ", "AMD ", "Intel ", "Google ", "Qualcomm ", "GeForce ", "Instinct ", "Tesla "):
        name = name.removeprefix(word)
    return _as_it_is(name)


def _as_it_is(text: str) -> str:
    """Text from outside in which matplotlib sees no formula."""
    return text.replace("$", r"\$")


def efficiency(study: HardwareStudy, statistics: Statistics) -> Figure:
    """Peak per watt by year of launch, a panel per peak, a line with its interval per category."""
    figure, axes = panels(1, 2, width=10.0, height=4.4)
    for axis, (quantity, title) in zip(axes, PER_WATT.items(), strict=True):
        rows = per_watt(study, quantity)
        axis.set_title(title)
        if rows.empty:
            say_missing(axis)
            continue
        for category, colour in CATEGORIES.items():
            part = rows[rows["category"] == category]
            axis.scatter(
                part["year"],
                part["value"] / 1e12,
                s=8,
                color=colour,
                alpha=0.45,
                linewidths=0,
                label=category,
                rasterized=True,
            )
        for trend in statistics.trends:
            if trend.quantity == quantity and trend.kind == "category" and trend.scope in CATEGORIES:
                _trend_line(axis, trend)
        log_ticks(axis, "y")
        axis.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        axis.set_xlabel("year of launch")
        axis.set_ylabel("TFLOP/s per W")
    handles, labels = max(
        (axis.get_legend_handles_labels() for axis in axes), key=lambda found: len(found[0])
    )
    if handles:
        legend = figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), markerscale=2)
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1.0)
    return figure


def _trend_line(axis: Axes, trend: Trend) -> None:
    years = np.linspace(trend.first, trend.last, 60)
    mean, low, high = (part / 1e12 for part in trend.line(years))
    colour = CATEGORIES[trend.scope]
    axis.fill_between(years, low, high, color=colour, alpha=0.15, linewidth=0)
    axis.plot(years, mean, color="white", linewidth=2.8)
    axis.plot(years, mean, color=colour, linewidth=1.6)


def price_scatter(statistics: Statistics) -> Figure:
    """Price against performance, a panel per kind of price; those nobody beats are joined and named."""
    figure, axes = panels(len(KINDS), 1, width=10.5, height=4.6)
    for axis, (kind, rated) in zip(axes, KINDS.items(), strict=True):
        rows = statistics.prices[statistics.prices["kind"] == kind]
        if rows.empty:
            axis.set_title(f"Prices {rated.title}")
            say_missing(axis, "no such prices here")
            continue
        hollow = "; hollow: a single offer" if rated.by_offers and (rows["offers"] == 1).any() else ""
        axis.set_title(f"Prices {rated.title}, {dates(rows)}: {plural(len(rows), 'accelerator')}{hollow}")
        rows = rows.assign(performance=rows["performance"] / rated.divisor)
        for vendor, part in rows.groupby(rows["vendor"].map(_shown_vendor), sort=True):
            colour, mark = VENDORS.get(str(vendor), _OTHER)
            single = rated.by_offers & (part["offers"] == 1)
            for rows_of, face in ((part[~single], colour), (part[single], "white")):
                axis.scatter(
                    rows_of["usd"],
                    rows_of["performance"],
                    s=16,
                    marker=mark,
                    alpha=0.6,
                    facecolors=face,
                    edgecolors=colour,
                    linewidths=0.9,
                )
        front = rows[rows["front"].astype(bool)].sort_values("usd")
        axis.step(front["usd"], front["performance"], where="post", color="#444444", linewidth=0.9, zorder=2)
        axis.set_xlim(0.6 * rows["usd"].min(), 1.7 * rows["usd"].max())
        axis.set_ylim(0.6 * rows["performance"].min(), 2.2 * rows["performance"].max())
        log_ticks(axis, "xy")
        axis.set_xlabel(f"price {rated.title} [{rated.paid}]")
        axis.set_ylabel(rated.label)
        axis.legend(
            handles=[
                Line2D(
                    *([], []),
                    color=VENDORS.get(vendor, _OTHER)[0],
                    marker=VENDORS.get(vendor, _OTHER)[1],
                    linestyle="",
                    markersize=4,
                    label=vendor,
                )
                for vendor in sorted(set(rows["vendor"].map(_shown_vendor)))
            ],
            loc="lower right",
        )
    for axis, (kind, rated) in zip(axes, KINDS.items(), strict=True):
        rows = statistics.prices[statistics.prices["kind"] == kind]
        rows = rows.assign(performance=rows["performance"] / rated.divisor)
        # The dearest first, beside the end of the line, where there is room.
        front = rows[rows["front"].astype(bool)].sort_values("usd", ascending=False)
        if len(front):
            usd, performance = front["usd"].tolist(), front["performance"].tolist()
            names = [
                f"{_short(name)} ({plural(offers, 'offer')})" if rated.by_offers else _short(name)
                for name, offers in zip(front["name"], front["offers"], strict=True)
            ]
            others = rows[["usd", "performance"]].to_numpy(dtype=np.float64)
            name_points(axis, usd, performance, names, 7.0, _corners(usd, performance), others)
    return figure


def _corners(usd: list[float], performance: list[float]) -> list[tuple[float, float]]:
    """Of the line that joins the front, from the dearest: down to the next performance, then level."""
    points = list(zip(usd, performance, strict=True))
    turns = [((dearer[0], cheaper[1]), cheaper) for dearer, cheaper in pairwise(points)]
    return [*points[:1], *(corner for turn in turns for corner in turn)]


def coverage(study: HardwareStudy) -> Figure:
    """Left: how each figure is known over all accelerators; right: share known in each category."""
    figure, (left, right) = panels(1, 2, width=11.0, height=8.4)
    total = by_status(study)
    names = list(total.index)
    colours = {"observed": BLUE, "derived": SKY, "imputed": ORANGE, "missing": "#E9E9E9"}
    if not len(study.specs.table):
        say_missing(left)
        say_missing(right)
        return figure
    start = np.zeros(len(names))
    for status in STATUSES:
        width = 100 * total[status].to_numpy(dtype=np.float64) / len(study.specs.table)
        left.barh(range(len(names)), width, left=start, color=colours[status], label=status, height=0.8)
        start += width
    left.set_yticks(range(len(names)), [FIGURES[name] for name in names], fontsize=8)
    left.set_ylim(len(names) - 0.5, -0.5)
    left.set_xlim(0, 100)
    left.set_xlabel(f"accelerators [%] of {count(len(study.specs.table))}")
    left.grid(visible=False, axis="y")
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=7.5)
    _category_map(right, by_category(study).loc[names], members(study))
    return figure


def _category_map(axis: Axes, known: pd.DataFrame, sizes: "pd.Series[int]") -> None:
    values = known.to_numpy(dtype=np.float64)
    axis.imshow(values, cmap=_BLUES, vmin=0, vmax=100, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value > 75 else "#222222"
        shown = axis.text(column, row, _whole(value), ha="center", va="center", fontsize=7.5, color=colour)
        shown.set_in_layout(False)
    titles = [f"{name} ({count(int(sizes[name]))})" for name in known.columns]
    axis.set_xticks(range(known.shape[1]), titles, fontsize=8, rotation=35, ha="right")
    axis.set_yticks([])
    axis.grid(visible=False)
    axis.set_title("observed or derived [%], by category (its accelerators)", fontsize=9)


def _whole(value: float) -> str:
    """A percentage in whole numbers, 0 and 100 only where they are."""
    if 0 < value < 0.5:
        return "<1"
    return ">99" if 99.5 <= value < 100 else f"{value:.0f}"


def correlation_matrix(statistics: Statistics) -> Figure:
    """Spearman's rank correlations; below the diagonal how many accelerators have both."""
    figure, (axis,) = panels(1, 1, width=11.0, height=9.2)
    pairs = {(pair.first, pair.second): pair for pair in statistics.pairs}
    there = {name for pair in pairs for name in pair}
    names = [name for name in CORRELATED if name in there]
    if not names:
        say_missing(axis, "no two figures of the same accelerators")
        return figure
    cells = np.full((len(names), len(names)), np.nan)
    for (first, second), pair in pairs.items():
        _pair_cells(axis, cells, names.index(first), names.index(second), pair)
    image = axis.imshow(cells, cmap=_SIGNED, vmin=-1, vmax=1)
    titles = [CORRELATED[name] for name in names]
    axis.set_xticks(range(len(names)), titles, rotation=45, ha="right")
    axis.set_yticks(range(len(names)), titles)
    axis.grid(visible=False)
    axis.set_title("Spearman's ρ and its interval; below: accelerators with both figures")
    figure.colorbar(image, ax=axis, shrink=0.7, fraction=0.03, pad=0.01, label="Spearman's ρ")
    return figure


def _pair_cells(axis: Axes, cells: FloatArray, i: int, j: int, pair: Pair) -> None:
    """ρ with its interval above the diagonal, the number below it."""
    cells[i, j] = pair.rho
    colour = "white" if abs(pair.rho) > 0.75 else "#222222"
    interval = f"{_minus(pair.low)}…{_minus(pair.high)}" if np.isfinite(pair.low) else ""
    texts: tuple[tuple[float, float, str, float, str], ...] = (
        (j, i - (0.14 if interval else 0), _minus(pair.rho), 9.0, colour),
        (j, i + 0.24, interval, 6.2, colour),
        (i, j, count(pair.n), 8.0, "#555555"),
    )
    for x, y, text, size, shade in texts:
        shown = axis.text(x, y, text, ha="center", va="center", fontsize=size, color=shade)
        shown.set_in_layout(False)


def _minus(value: float) -> str:
    """Two decimals with a true minus."""
    return f"{value:.2f}".replace("-", "−")


def share_dots(statistics: Statistics) -> Figure:
    """Share of the peak reached in MLPerf by generation, a panel per family of networks."""
    families = sorted({share.family for share in statistics.shares})
    if not families:
        figure, (axis,) = panels(1, 1, height=2.2)
        say_missing(axis, "no MLPerf results of several generations here")
        return figure
    by_family = {
        family: [share for share in statistics.shares if share.family == family] for family in families
    }
    # Those with as many generations side by side, so that no panel has empty lines.
    families.sort(key=lambda family: (-len(by_family[family]), family))
    columns = min(2, len(families))
    lines = [len(by_family[family]) for family in families[::columns]]
    figure, axes = panels(len(lines), columns, width=10.5, heights=[0.9 + 0.21 * n for n in lines])
    low, high = _reach(statistics.shares)
    order = _ordered(statistics)
    for axis, family in zip(axes, families, strict=False):
        _family(axis, sorted(by_family[family], key=lambda share: order.index(share.generation)))
        axis.set_title(family)
        axis.set_xlim(low, high)
        log_ticks(axis, "x")
        axis.set_xlabel("share of peak ÷ family's middle", fontsize=8)
    for spare in axes[len(families) :]:
        spare.set_visible(False)
    return figure


def _ordered(statistics: Statistics) -> list[str]:
    """Generations with shares, by the year of their launch."""
    there = {share.generation for share in statistics.shares}
    rows = statistics.generations
    years = rows[rows["group"].isin(there)].groupby("group")["year"].median()
    return sorted(there, key=lambda name: (float(years.get(name, np.inf)), name))


def _reach(shares: list[Share]) -> tuple[float, float]:
    values = np.array([[share.share, share.low, share.high] for share in shares], dtype=np.float64)
    return 0.8 * float(np.nanmin(values)), 1.25 * float(np.nanmax(values))


def _family(axis: Axes, shares: list[Share]) -> None:
    """A line per generation that has results of the family, and how many accelerators that rests on."""
    axis.axvline(1.0, color=GREY, linewidth=0.9)
    for place, share in enumerate(shares):
        known = np.isfinite(share.low)
        if known:
            axis.plot([share.low, share.high], [place, place], color=BLUE, linewidth=1.5, alpha=0.6)
        axis.scatter(
            share.share, place, s=22, facecolors=BLUE if known else "white", edgecolors=BLUE, zorder=3
        )
    titles = [f"{_as_it_is(share.generation)} ({count(share.accelerators)})" for share in shares]
    axis.set_yticks(range(len(shares)), titles, fontsize=8)
    axis.set_ylim(len(shares) - 0.5, -0.5)
