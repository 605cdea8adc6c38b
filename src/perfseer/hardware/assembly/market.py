"""Tables ``graphics_scores``, ``prices`` and ``aliases``: what benchmarks and sellers say, by name."""

from collections.abc import Mapping
from typing import Any

from perfseer.hardware.assembly.reach import Reach, Reached
from perfseer.hardware.assembly.sourced import Numbers, Sourced, Tables
from perfseer.hardware.rows import Row, numbered, records

_PASSMARK = ("g3d", "g2d")
_GEEKBENCH = ("cuda", "metal", "opencl", "vulkan")


def add_market(tables: Tables, sourced: Mapping[str, Sourced], reach: Reach, numbers: Numbers) -> None:
    """Fill the three tables; those of MLPerf's spellings come later."""
    scores: list[Row] = []
    prices: list[Row] = []
    aliases: list[Row] = []
    for source, maker, suites in (
        ("passmark", "brand", _PASSMARK),
        ("geekbench", "manufacturer", _GEEKBENCH),
    ):
        for row in records(sourced[source].rows):
            said = _Said(source, row["name"], reach.gpu(row["name"], row[maker]), numbers)
            aliases.append(said.alias())
            scores += [said.row(suite=suite, score=float(row[suite])) for suite in suites if row[suite] > 0]
            if source == "passmark":
                day = sourced[source].kind.published
                prices += said.price("retail", row["price_usd"], date=day)
    for row in records(sourced["epoch"].rows):
        said = _Said("epoch", row["name"], reach.epoch(row["name"], row["manufacturer"]), numbers)
        aliases.append(said.alias())
        day = row["launched"] or sourced["epoch"].kind.published
        prices += said.price("launch", row["price_launch_usd"], date=day)
    clouds = sourced["cloud_prices"]
    for spelling, n_rows in clouds.rows["accelerator"].astype(str).value_counts().items():
        said = _Said("cloud_prices", str(spelling), reach.cloud(str(spelling)), numbers)
        aliases.append(said.alias(int(n_rows)))
    for row in records(clouds.rows):
        prices += _offer(row, reach, numbers, clouds.kind.published)
    tables["graphics_scores"], tables["prices"] = numbered(scores), numbered(prices)
    tables["aliases"] = aliases


class _Said:
    """What a source says under one spelling, as rows."""

    def __init__(self, source: str, spelling: str, reached: Reached, numbers: Numbers) -> None:
        self._reached = reached
        self._given: Row = {
            "gpu_id": numbers.gpus.get(reached.key),
            "source_id": numbers.sources[source],
            "spelling": spelling,
        }

    def row(self, **more: Any) -> Row:
        """With source, spelling and accelerator."""
        return self._given | more

    def alias(self, n_rows: int = 1) -> Row:
        """How the source calls it."""
        reached = self._reached
        told = {"how": reached.how, "architecture": reached.architecture}
        return self.row(context="", modifiers="", n_rows=n_rows, **told)

    def price(self, kind: str, usd: float, date: str, **more: Any) -> list[Row]:
        """A price; none where the source has none."""
        card = {"provider": "", "offer": "", "n_gpus": 1.0}
        return (
            [self.row(**(card | {"kind": kind, "usd": float(usd), "date": date} | more))] if usd > 0 else []
        )


def _offer(row: Row, reach: Reach, numbers: Numbers, day: str) -> list[Row]:
    """Prices per accelerator and hour of one offer."""
    said = _Said("cloud_prices", row["accelerator"], reach.cloud(row["accelerator"]), numbers)
    own, listed = row["per_accelerator_usd_per_h"], row["listed_per_accelerator_usd_per_h"]
    offer = {
        "provider": row["provider"],
        "offer": row["instance"],
        "n_gpus": float(row["accelerators"]),
        "date": day,
    }
    return [
        *said.price("on-demand", own if own > 0 else listed, **offer),
        *said.price("spot", row["spot_per_accelerator_usd_per_h"], **offer),
    ]
