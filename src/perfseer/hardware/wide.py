"""Tables of the database, read or in memory, as one wide table of specifications."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from perfseer.hardware.figures import Peak
from perfseer.hardware.specs import IDENTITY, NUMBERS, PEAKS, Specs

# What `wide` is made of. Of provenance it needs only what is not published.
WIDE_TABLES: tuple[str, ...] = (
    *("gpus", "memory_specs", "manufacturers", "architectures", "categories", "process_technologies"),
    *("peaks", "provenance", "graphics_scores", "prices"),
)


def wide(tables: Mapping[str, pd.DataFrame]) -> Specs:
    """All accelerators as one wide table, in the order of their numbers.

    Args:
        tables: `WIDE_TABLES`, as the schema has them.
    """
    cards = _cards(tables)
    numbers = pd.DataFrame(np.nan, index=cards.index, columns=list(NUMBERS), dtype=float)
    for name in NUMBERS:
        if name in cards.columns:
            numbers[name] = cards[name].astype(float)
    status = numbers.notna().replace({True: "observed", False: "missing"}).astype(object)
    for name, values in {**_scores(tables), **_prices(tables)}.items():
        numbers.loc[values.index, name] = values.to_numpy(float)
        status.loc[values.index, name] = "observed"
    for name, rows in _peaks(tables["peaks"]).items():
        numbers.loc[rows.index, name] = rows["ops_per_s"].to_numpy(float)
        status.loc[rows.index, name] = rows["status"].to_numpy()
    by_rule = tables["provenance"]
    by_rule = by_rule[by_rule["chosen"].astype(bool) & (by_rule["status"] != "observed")]
    for figure, part in by_rule.groupby("figure"):
        status.loc[part["gpu_id"], str(figure)] = part["status"].to_numpy()
    keyed = pd.Index(cards["key"], name="key")
    table = pd.concat([cards[list(IDENTITY)], numbers], axis=1).set_axis(keyed)
    return Specs(table, status.set_axis(keyed))


def _cards(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The table ``gpus`` by number, with what it refers to."""
    makers = tables["manufacturers"].set_index("id")
    # Who was taken over sells under its owner's name today.
    owner = makers["parent_id"].map(makers["name"]).fillna(makers["name"])
    cards = tables["gpus"].set_index("id")
    memory = tables["memory_specs"].set_index("gpu_id")
    processes = tables["process_technologies"].set_index("id").reindex(columns=["foundry", "nm"])
    cards = cards.assign(
        vendor=cards["manufacturer_id"].map(owner),
        architecture=_looked_up(cards["architecture_id"], tables["architectures"], "name"),
        category=_looked_up(cards["category_id"], tables["categories"], "name"),
        foundry=cards["process_id"].map(processes["foundry"]),
        process_nm=cards["process_id"].map(processes["nm"]),
        memory_type=memory["type"],
        memory_bytes=memory["memory_bytes"],
        bandwidth_bytes_per_s=memory["bandwidth_bytes_per_s"],
        bus_bits=memory["bus_bits"],
        launched=[day.isoformat() if hasattr(day, "isoformat") else day for day in cards["launched"]],
        canonical=cards["canonical"].astype(bool),
    )
    texts = [name for name in IDENTITY if name != "canonical"]
    cards[texts] = cards[texts].fillna("").astype(str)
    return cards


def _looked_up(numbers: "pd.Series[int]", table: pd.DataFrame, column: str) -> "pd.Series[str]":
    return numbers.map(table.set_index("id")[column]) if len(table) else numbers.map({})


def _peaks(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Figure → the rows of it by accelerator: dense, and not accumulating in FP16."""
    if rows.empty:
        return {}
    plain = rows[~rows["sparse"].astype(bool) & (rows["accumulate"] != "fp16")]
    ways = {figure: peak for figure in PEAKS if (peak := Peak.of(figure)) is not None}
    return {
        figure: plain[(plain["precision"] == peak.precision) & (plain["engine"] == peak.engine)].set_index(
            "gpu_id"
        )
        for figure, peak in ways.items()
    }


def _scores(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.Series]:
    """The best score of each suite, of accelerators that several names mean."""
    rows = tables["graphics_scores"]
    if rows.empty:
        return {}
    best = rows.dropna(subset="gpu_id").groupby(["suite", "gpu_id"])["score"].max()
    return {str(suite): best[suite] for suite in best.index.get_level_values("suite").unique()}


def _prices(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.Series]:
    rows = tables["prices"]
    if rows.empty:
        return {}
    known = rows.dropna(subset="gpu_id")
    usd = {str(kind): part.groupby("gpu_id")["usd"] for kind, part in known.groupby("kind")}
    found = {f"price_{kind}_usd": usd[kind].median() for kind in ("launch", "retail") if kind in usd}
    if "on-demand" not in usd:
        return found
    offers = usd["on-demand"]
    summaries: dict[str, Callable[[], pd.Series]] = {
        "cloud_low_usd_per_h": offers.min,
        "cloud_median_usd_per_h": offers.median,
        "cloud_high_usd_per_h": offers.max,
        "cloud_offers": offers.size,
    }
    return found | {name: summary() for name, summary in summaries.items()}
