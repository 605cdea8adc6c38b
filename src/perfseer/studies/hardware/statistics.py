"""All statistics of the document, computed once."""

from dataclasses import dataclass

import pandas as pd

from perfseer.studies.hardware.correlation import Pair, correlation_rows, correlations
from perfseer.studies.hardware.patterns import Contrast, contrast_rows, contrasts, pattern_rows
from perfseer.studies.hardware.prices import Hedonic, hedonic_rows, hedonics, price_rows
from perfseer.studies.hardware.shares import Share, absolute, share_rows, shares
from perfseer.studies.hardware.spread import Floor, floors, spread_rows
from perfseer.studies.hardware.study import HardwareStudy
from perfseer.studies.hardware.trends import Trend, trend_rows, trends


@dataclass(frozen=True)
class Statistics:
    """What the figures of accelerators say together.

    Attributes:
        pairs: rank correlations.
        trends: peak per watt over years.
        generations: patterns by generation.
        vendors: patterns by vendor.
        contrasts: vendors against each other.
        shares: share of the peak reached in MLPerf against the middle of a family.
        absolute: share of the peak itself, where a benchmark's work is known.
        prices: price and performance of each kind.
        hedonics: how prices go with figures and years.
        spread: every submitter against the others of its cell.
        floors: the same by scenario.
    """

    pairs: list[Pair]
    trends: list[Trend]
    generations: pd.DataFrame
    vendors: pd.DataFrame
    contrasts: list[Contrast]
    shares: list[Share]
    absolute: pd.DataFrame
    prices: pd.DataFrame
    hedonics: list[Hedonic]
    spread: pd.DataFrame
    floors: list[Floor]

    def tables(self) -> dict[str, pd.DataFrame]:
        """File stem → table for ``plots/``."""
        return {
            "hardware_correlations": correlation_rows(self.pairs),
            "hardware_trends": trend_rows(self.trends),
            "hardware_generations": self.generations,
            "hardware_vendors": contrast_rows(self.contrasts),
            "hardware_shares": share_rows(self.shares),
            "hardware_prices": self.prices,
            "hardware_hedonic": hedonic_rows(self.hedonics),
            "hardware_spread": self.spread,
        }


def statistics(study: HardwareStudy) -> Statistics:
    """All of them; what a study has no data for comes out empty."""
    spread = spread_rows(study)
    return Statistics(
        pairs=correlations(study),
        trends=trends(study),
        generations=pattern_rows(study, "generation"),
        vendors=pattern_rows(study, "vendor"),
        contrasts=contrasts(study),
        shares=shares(study),
        absolute=absolute(study),
        prices=price_rows(study),
        hedonics=hedonics(study),
        spread=spread,
        floors=floors(study, spread),
    )
