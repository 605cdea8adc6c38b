"""The worst predictions, with a reason where a rule finds one.

A rule compares what can be known without the prediction: other files of the same device, the graph's
operators, the family, the batch. It names a cause that fits the direction of the error; it proves none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from perfseer.evaluation.group_folds import Grouping
from perfseer.reporting.tables import escape, table
from perfseer.reporting.units import number, percent, plural
from perfseer.studies.public.agreement import common, comparable
from perfseer.studies.public.study import Study
from perfseer.studies.public.wording import title

NONE_FOUND = "none found"
_DISAGREEMENT = ("configuration", "other", "ms", "other_ms", "log_deviation", "only_software")
# A deviation between files explains an error of which it is at least this share.
_EXPLAINS = 0.5
_SUSPECT = np.log(1.2)  # deviations between files below this are ordinary
_CONFIRMS = 0.05  # deviations below this confirm a label
_OTHER_SHARE, _RARE_SHARE, _GROUPED_SHARE = 0.01, 0.05, 0.15
_FEW_ARCHITECTURES = 3
_FAR_BATCH = 8.0  # times smaller or larger than the file's median
_LAUNCH_US = 10.0  # of a GPU per operator: below, launching takes as long as computing
_EXTREME = 0.01  # quantile of the sizes in a file


@dataclass(frozen=True, eq=False)
class Miss:
    """One of the worst predictions, and what rules look at besides it.

    Attributes:
        facts: of the row (`studies.public.facts.FACT_COLUMNS`).
        log_error: ln(predicted / measured), mean over seeds.
        all_facts: of all rows, by configuration.
        log_errors: of all rows under the same grouping, by configuration.
        disagreements: what other files of the device say of all rows, as `disagreements` gives it.
    """

    facts: "pd.Series[Any]"
    log_error: float
    all_facts: pd.DataFrame
    log_errors: "pd.Series[float]"
    disagreements: pd.DataFrame

    @property
    def predicted_ms(self) -> float:
        """Geometric mean over seeds [ms]."""
        return self.value("time_ms") * float(np.exp(self.log_error))

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """In words; empty where no rule found one."""
        return tuple(reason for rule in RULES if (reason := rule(self)))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What explains nothing but rules something out."""
        confirmed = None if self.reasons else _label_confirmed(self)
        return (confirmed,) if confirmed else ()

    def value(self, name: str) -> float:
        """A number of the row's facts."""
        return float(self.facts[name])

    def alike(self, *names: str) -> pd.DataFrame:
        """Facts of all rows that are as this one in the named columns."""
        same = self.all_facts[list(names)] == self.facts[list(names)]
        return self.all_facts[same.all(axis=1)]

    def peers(self) -> pd.DataFrame:
        """The same model in other files of the device."""
        return self.disagreements[self.disagreements["configuration"] == self.facts["configuration"]]


Rule = Callable[[Miss], str | None]


def worst(study: Study, grouping: Grouping, n: int) -> list[Miss]:
    """The rows that the subject predicts worst, either way, over all its files.

    Args:
        study: with facts.
        grouping: of the folds.
        n: how many.
    """
    table = study.tables.get(study.settings.subject)
    if table is None or study.facts.empty:
        return []
    chosen = table[(table["grouping"] == grouping) & table["configuration"].isin(study.facts.index)]
    logs = np.log1p(chosen["error_pct"].clip(lower=-100 + 1e-9) / 100)
    logs = pd.Series(logs.to_numpy(), index=chosen["configuration"]).groupby(level=0).mean()
    around = study.facts, logs, disagreements(study.facts)
    order = logs.abs().sort_values(ascending=False, kind="stable").index[:n]
    return [Miss(study.facts.loc[name], float(logs[name]), *around) for name in order]


def disagreements(facts: pd.DataFrame) -> pd.DataFrame:
    """How far each row lies from the same model in every comparable file.

    Returns:
        One row per configuration and other file: configuration, other (file), ms and other_ms (ms per
        sample), log_deviation (of their ratio from its median), only_software.
    """
    parts = []
    for first, second, only_software in comparable(facts):
        joined = common(facts, first, second)
        logs = np.log1p(joined["deviation"])
        for side, back, sign, other in (("first", "second", 1, second), ("second", "first", -1, first)):
            part = {
                "configuration": joined[f"configuration_{side}"],
                "other": other,
                "ms": joined[f"ms_{side}"],
                "other_ms": joined[f"ms_{back}"],
                "log_deviation": sign * logs,
                "only_software": only_software,
            }
            parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(_DISAGREEMENT))


def worst_table(misses: Sequence[Miss]) -> str:
    """The worst predictions, largest first."""
    return table(
        misses,
        [
            ("model", lambda miss: escape(f"{miss.facts['model']}")),
            ("labels", lambda miss: title(str(miss.facts["source"]))),
            ("batch", lambda miss: f"{miss.facts['batch_size']}"),
            ("measured [ms]", lambda miss: number(miss.value("time_ms"))),
            ("predicted [ms]", lambda miss: number(miss.predicted_ms)),
            ("error [%]", lambda miss: _signed_pct(miss.log_error)),
            ("reason", lambda miss: "; ".join((*(miss.reasons or (NONE_FOUND,)), *miss.remarks))),
        ],
        align="llrrrrl",
    )


def _signed_pct(log_error: float) -> str:
    return f"{100 * np.expm1(log_error):+.0f}".replace("-", "−")


def _other_files_disagree(miss: Miss) -> str | None:
    """Another file of the device has this model where the prediction is.

    Under another version of the software alone, the label is suspect; in another layout or mode, the model is
    one that gains or suffers from it more than others.
    """
    peers = miss.peers()
    same = peers[peers["only_software"].astype(bool)]
    peers = same if len(same) else peers
    deviation = peers["log_deviation"].astype(float)
    least = max(_EXPLAINS * abs(miss.log_error), _SUSPECT)
    fits = (np.sign(deviation) == -np.sign(miss.log_error)) & (deviation.abs() >= least)
    if not fits.any():
        return None
    peer = peers.loc[deviation[fits].abs().idxmax()]
    times = float(np.exp(peer["log_deviation"]))
    ratio = f"{number(times)} times" if times > 1 else f"1/{number(1 / times)} of"
    what = "label suspect" if peer["only_software"] else "unlike others in this layout and mode"
    return (
        f"{what}: {number(float(peer['ms']))} ms a sample here, {number(float(peer['other_ms']))} in "
        f"{title(str(peer['other']))}, {ratio} the usual ratio of the two files"
    )


def _label_confirmed(miss: Miss) -> str | None:
    """Another version of the software measured the same, after the common factor."""
    peers = miss.peers()
    peers = peers[peers["only_software"].astype(bool)]
    deviation = peers["log_deviation"].astype(float).abs()
    if deviation.empty or deviation.min() > _CONFIRMS:
        return None
    other = title(str(peers["other"].iloc[int(np.argmin(deviation))]))
    return f"the label is confirmed by {other} within {percent(100 * float(np.expm1(deviation.min())))}"


def _relatives_err_alike(miss: Miss) -> str | None:
    """The whole family is over- or underestimated in this file."""
    relatives = miss.alike("family", "source")
    relatives = relatives[relatives["architecture"] != miss.facts["architecture"]]
    errors = miss.log_errors.reindex(relatives.index).dropna()
    n = relatives.loc[errors.index, "architecture"].nunique()
    middle = float(errors.median()) if n >= _FEW_ARCHITECTURES else 0.0
    if np.sign(middle) != np.sign(miss.log_error) or abs(middle) < _EXPLAINS * abs(miss.log_error):
        return None
    family = miss.facts["family"]
    return f"its family errs alike: median {_signed_pct(middle)} % over {n} other {family} models"


def _few_relatives(miss: Miss) -> str | None:
    """Hardly any model of the family is there to learn from."""
    n = miss.alike("family", "source")["architecture"].nunique()
    few = f"family {miss.facts['family']} has {plural(n, 'architecture')} in this file"
    return few if n < _FEW_ARCHITECTURES else None


def _unknown_operators(miss: Miss) -> str | None:
    """Operators outside the vocabulary move much of the bytes."""
    share = miss.value("other_share")
    return f"unknown operators move {percent(100 * share)} of the bytes" if share > _OTHER_SHARE else None


def _rare_operators(miss: Miss) -> str | None:
    """Kinds of operators that hardly any other family has move much of the bytes."""
    share = miss.value("rare_share")
    words = f"of the bytes in operators few families have ({miss.facts['rare']})"
    return f"{percent(100 * share)} {words}" if share > _RARE_SHARE else None


def _grouped_nhwc(miss: Miss) -> str | None:
    """Grouped convolutions in channels-last, for which some versions have no fast kernel."""
    share = miss.value("grouped_share")
    is_slow = miss.facts["memory_format"] == "nhwc" and share > _GROUPED_SHARE and miss.log_error <= 0
    return f"grouped convolutions in nhwc move {percent(100 * share)} of the bytes" if is_slow else None


def _far_batch(miss: Miss) -> str | None:
    """A batch unlike the others of the file: memory ran out, or the model is tiny."""
    middle = float(miss.alike("source")["batch_size"].median())
    size = miss.value("batch_size")
    is_near = 1 / _FAR_BATCH < size / middle < _FAR_BATCH
    return None if is_near else f"batch of {size:g} where the file's median is {middle:g}"


def _launches(miss: Miss) -> str | None:
    """So short that a GPU waits for launches, in eager mode."""
    per_node_us = 1e3 * miss.value("time_ms") / max(miss.value("n_nodes"), 1.0)
    on_gpu = miss.facts["precision"] != "fp32" and miss.facts["mode"] == "eager"
    if not on_gpu or per_node_us > _LAUNCH_US or miss.log_error > 0:
        return None
    return f"{number(per_node_us)} µs per operator: waiting for launches, not computing"


def _extreme_size(miss: Miss) -> str | None:
    """Among the smallest or largest of the file."""
    there = miss.alike("source")
    sizes = there["flops"] / there["batch_size"]
    size = miss.value("flops") / miss.value("batch_size")
    low, high = (float(value) for value in sizes.quantile([_EXTREME, 1 - _EXTREME]))
    if low <= size <= high:
        return None
    return f"among the {'smallest' if size < low else 'largest'} {100 * _EXTREME:g} % of the file by FLOPs"


# In the order in which reasons are given: what speaks against the label first.
RULES: tuple[Rule, ...] = (
    _other_files_disagree,
    _unknown_operators,
    _rare_operators,
    _grouped_nhwc,
    _launches,
    _relatives_err_alike,
    _few_relatives,
    _far_batch,
    _extreme_size,
)
