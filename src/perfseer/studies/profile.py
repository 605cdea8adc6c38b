"""What was measured: the dataset's profile, its coverage, what was refused, how it was split."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.evaluation.breakdowns import by_style
from perfseer.plain_data import PlainDataError, parse_json
from perfseer.reporting.tables import escape, markdown_table, table
from perfseer.reporting.units import MISSING, choose_scale, count, number, percent
from perfseer.studies.experiment import Experiment
from perfseer.studies.published import DISTRIBUTION, Distribution
from perfseer.targets import PHASES, Phase

SHOWN_REASONS = 12
FloatArray = npt.NDArray[np.float64]


def profile_table(experiment: Experiment) -> str:
    """Mean, minimum, median and maximum of the quantities there are, units chosen from the data."""
    header, lines = ["statistic"], [["mean"], ["minimum"], ["median"], ["maximum"]]
    for entry in (entry for entry in DISTRIBUTION if _measured(experiment.rows, entry.column)):
        values = experiment.rows[entry.column].to_numpy(dtype=np.float64)
        scale = choose_scale(values, entry.kind)
        header.append(f"{entry.title} [{scale.unit}]" if scale.unit else entry.title)
        for line, value in zip(lines, summary(values), strict=True):
            line.append(scale.show(value))
    return markdown_table(header, lines)


def summary(values: FloatArray) -> tuple[float, float, float, float]:
    """Mean, minimum, median, maximum."""
    return float(values.mean()), float(values.min()), float(np.median(values)), float(values.max())


def spread_pct(values: FloatArray) -> float:
    """Width of the middle 90 % of positive values over their median [%]."""
    low, median, high = np.percentile(values, [5, 50, 95])
    return float(100.0 * (high - low) / median)


def constant_labels(experiment: Experiment) -> dict[str, float]:
    """Labels that hardly vary here, in words, with the spread [%] that says so (`spread_pct`)."""
    bound = experiment.report.judgement.constant_pct
    spreads = {
        target.title: spread_pct(experiment.rows[target.name].to_numpy(dtype=np.float64))
        for target in experiment.targets
    }
    return {title: spread for title, spread in spreads.items() if spread < bound}


def constant_note(experiment: Experiment) -> str:
    """A warning to readers of the accuracy tables; empty when every label varies."""
    found = constant_labels(experiment)
    if not found:
        return ""
    listed = " and ".join(f"{title} (middle 90 % within {percent(s)})" for title, s in found.items())
    return (
        f"**Practically constant here: {listed}.** Errors on such a label are small for any predictor and "
        "rank correlations mean little; means over six labels are smaller for it."
    )


def distribution_table(experiment: Experiment) -> str:
    """The paper's dataset beside the measured one and the surveyed search space (medians and ranges)."""
    survey = experiment.survey
    return table(
        DISTRIBUTION,
        [
            ("quantity", lambda entry: entry.title),
            (
                "paper",
                lambda entry: _spread((entry.mean, entry.minimum, entry.median, entry.maximum), entry.kind),
            ),
            ("measured here", lambda entry: _tabled(experiment.rows, entry)),
            ("search space, surveyed", lambda entry: MISSING if survey is None else _tabled(survey, entry)),
        ],
    )


def _spread(values: Sequence[float], kind: str) -> str:
    # No-break spaces keep a number and its unit on one line.
    named = (choose_scale([value], kind).named(value).replace(" ", "\u00a0") for value in values)
    mean, low, median, high = named
    return f"{median} ({low} – {high}), mean {mean}"


def _tabled(rows: pd.DataFrame, entry: Distribution) -> str:
    if not _measured(rows, entry.column):
        return "not measured"
    return _spread(summary(rows[entry.column].to_numpy(dtype=np.float64)), entry.kind)


def _measured(rows: pd.DataFrame, column: str) -> bool:
    """Whether the rows have the quantity; a label that was not measured is NaN throughout."""
    return column in rows.columns and bool(rows[column].notna().all())


def facts(experiment: Experiment) -> dict[str, str]:
    """Counts and names for the running text."""
    rows, captured = experiment.rows, experiment.index["reason"].isna()
    columns = ("device", "device_kind", "precision", "memory_format", "mode", "input_shape")
    return {
        "configurations": count(len(rows)),
        "attempted": count(len(rows) + n_refused(experiment)),
        "architectures": count(rows["architecture"].nunique()),
        "batch_sizes": ", ".join(map(str, sorted(rows["batch_size"].unique()))),
        "graphs": count(int(captured.sum())),
        "graphs_failed": count(int((~captured).sum())),
        "protocol_versions": distinct(rows, "protocol_version"),
        **{f"{column}s": distinct(rows, column) for column in columns},
    }


def distinct(rows: pd.DataFrame, column: str) -> str:
    """The distinct values of a column, in words; ``missing`` without the column or a value."""
    if column not in rows.columns:
        return MISSING
    values = sorted({escape(str(value)) for value in rows[column].dropna()})
    return ", ".join(values) if values else MISSING


def described(rows: pd.DataFrame, column: str) -> str:
    """A table of a JSON column (environment, protocol): one line per key, distinct values side by side."""
    texts = sorted(set(rows[column].dropna().astype(str)) - {""}) if column in rows.columns else []
    if not texts:
        return f"The measurement table has no {column}."
    found: dict[str, set[str]] = {}
    for text in texts:
        for key, value in _flatten(_parse(text)).items():
            found.setdefault(key, set()).add(escape(value))
    return table(
        sorted(found.items()),
        [("key", lambda item: escape(item[0])), ("value", lambda item: ", ".join(sorted(item[1])))],
        align="ll",
    )


def _parse(text: str) -> object:
    try:
        return parse_json(text)
    except PlainDataError:
        return text


def _flatten(value: object, prefix: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        return {
            key: text
            for name, entry in value.items()
            for key, text in _flatten(entry, f"{prefix}.{name}" if prefix else str(name)).items()
        }
    if isinstance(value, list):
        return {prefix or "value": ", ".join(map(str, value))}
    return {prefix or "value": str(value)}


def half_widths_pct(rows: pd.DataFrame, phase: Phase) -> FloatArray:
    """[n] half width of the time's own confidence interval over its median [%]; NaN without an interval."""
    columns = [f"{phase}_time_{name}" for name in ("ci_low_ms", "ci_high_ms", "ms")]
    low, high, middle = rows.reindex(columns=columns).to_numpy(dtype=np.float64, na_value=np.nan).T
    widths: FloatArray = 100.0 * (high - low) / 2.0 / middle
    return widths


def measurement_intervals(rows: pd.DataFrame) -> dict[str, FloatArray]:
    """`half_widths_pct` by time label.

    Rows without an interval (too few iterations for one) are left out; a label without any is absent.
    """
    widths = {f"{phase}_time_ms": half_widths_pct(rows, phase) for phase in PHASES}
    return {name: known[np.isfinite(known)] for name, known in widths.items() if np.isfinite(known).any()}


def wide_share_pct(experiment: Experiment, target: str) -> float | None:
    """Share of rows that missed the precision the protocol asks [%]; None where no row has an interval.

    A row without an interval ran too few iterations for one, so it missed the aim too.
    """
    widths = measurement_intervals(experiment.rows).get(target)
    if widths is None:
        return None
    asked = 100.0 * float(experiment.parameters["collect"]["protocol"]["ci_width"]) / 2.0
    reached = int((widths <= asked * (1 + 1e-9)).sum())
    return 100.0 * (1.0 - reached / len(experiment.rows))


def foreign_cores(experiment: Experiment, target: str) -> FloatArray | None:
    """Cores other processes kept busy while each row's time was measured; None where nobody recorded it."""
    column = target.replace("time_ms", "foreign_cores")
    if column not in experiment.rows.columns:
        return None
    values = experiment.rows[column].to_numpy(dtype=np.float64)
    known = values[np.isfinite(values)]
    return known if len(known) else None


def interval_table(experiment: Experiment) -> str:
    """How precise the time labels are: half width of the confidence interval, and how many missed the aim."""
    widths = measurement_intervals(experiment.rows)
    if not widths:
        return "The measurement table has no confidence intervals."

    def quantile(target: str, percentile: int) -> str:
        return number(float(np.percentile(widths[target], percentile)))

    def load(target: str) -> str:
        busy = foreign_cores(experiment, target)
        return MISSING if busy is None else number(float(busy.mean()), 2)

    return table(
        widths,
        [
            ("label", str),
            ("rows with an interval", lambda target: count(len(widths[target]))),
            ("rows without", lambda target: count(len(experiment.rows) - len(widths[target]))),
            ("median [± %]", lambda target: quantile(target, 50)),
            ("90th percentile [± %]", lambda target: quantile(target, 90)),
            ("widest [± %]", lambda target: quantile(target, 100)),
            ("missed the aim", lambda target: percent(wide_share_pct(experiment, target) or 0.0)),
            ("cores other processes used, mean", load),
        ],
    )


def style_table(experiment: Experiment) -> str:
    """Configurations by stage style; a network counts under each of its styles."""
    styles, rows = by_style(experiment.rows), experiment.rows
    return table(
        list(styles.groupby(styles)),
        [
            ("stage style", lambda group: escape(str(group[0]))),
            ("configurations", lambda group: count(len(group[1]))),
            ("architectures", lambda group: count(rows.loc[group[1].index, "architecture"].nunique())),
        ],
    )


def batch_table(experiment: Experiment) -> str:
    """Configurations by batch size."""
    return table(
        list(experiment.rows.groupby("batch_size")),
        [
            ("batch size", lambda group: str(group[0])),
            ("configurations", lambda group: count(len(group[1]))),
            ("median training time", lambda group: _median(group[1]["train_time_ms"])),
            ("median inference time", lambda group: _median(group[1]["infer_time_ms"])),
        ],
    )


def _median(values: pd.Series) -> str:
    if values.isna().any():
        return "not measured"
    middle = float(values.median())
    return choose_scale([middle], "ms").named(middle)


def n_refused(experiment: Experiment) -> int:
    """Rows in quarantine; a row with several faults counts once."""
    refused = experiment.quarantine
    return int(refused["row"].nunique()) if "row" in refused.columns else len(refused)


def quarantine_table(experiment: Experiment) -> str:
    """Refused rows by reason, the most frequent first; a row with several faults counts in each."""
    refused = experiment.quarantine
    if not len(refused):
        return ""
    grouped = refused.assign(reason=refused["reason"].astype(str).map(escape)).groupby(["column", "reason"])
    counts = (
        grouped.size()
        .reset_index(name="rows")
        .sort_values(["rows", "column", "reason"], ascending=[False, True, True])
    )
    listed = [
        (escape(str(entry["column"])), str(entry["reason"]), int(entry["rows"]))
        for entry in counts.head(SHOWN_REASONS).to_dict("records")
    ]
    rest = counts["rows"].iloc[SHOWN_REASONS:]
    if len(rest):
        listed.append(("…", f"{len(rest)} further reasons, see quarantine.csv", int(rest.sum())))
    return table(
        listed,
        [("column", lambda row: row[0]), ("reason", lambda row: row[1]), ("rows", lambda row: count(row[2]))],
        align="ll",
    )


def split_table(experiment: Experiment) -> str:
    """Rows of each fold by split and seed, and how many test rows share their architecture with training."""
    parts = {
        (split, seed): fold_rows(experiment, split, seed)
        for split, seed in product(experiment.splits, experiment.seeds)
    }

    def rows_in(fold: str) -> Callable[[tuple[str, int]], str]:
        return lambda key: count(int((parts[key]["fold"] == fold).sum()))

    def shared(key: tuple[str, int]) -> str:
        share = shared_architectures_pct(parts[key])
        return MISSING if share is None else percent(share)

    return table(
        parts,
        [
            ("split", lambda key: _titled(experiment, *key)),
            ("seed", lambda key: str(key[1])),
            ("train", rows_in("train")),
            ("validation", rows_in("valid")),
            ("test", rows_in("test")),
            ("unused", rows_in("unused")),
            ("test rows whose network is in train", shared),
        ],
    )


def leak_sentence(experiment: Experiment) -> str:
    """Which splits share networks between training and test, from the assignment itself."""
    clean: list[str] = []
    leaking: dict[str, float] = {}
    for split in experiment.splits:
        parts = [fold_rows(experiment, split, seed) for seed in experiment.seeds]
        share = max(shared_architectures_pct(part) or 0.0 for part in parts)
        if share > 0:
            leaking[split] = share
        else:
            clean.append(f"`{split}`")
    sentences = [f"No network is in both training and test under {', '.join(clean)}."] if clean else []
    sentences += [
        f"Under `{name}`, up to {percent(share)} of the test rows are of networks seen in training at "
        "another batch size: it leaks, and is reported for comparison only."
        for name, share in leaking.items()
    ]
    return " ".join(sentences)


def fold_rows(experiment: Experiment, split: str, seed: int) -> pd.DataFrame:
    """Fold and architecture of every row under one split and seed."""
    drawn = experiment.assignment
    part = drawn[(drawn["split"] == split) & (drawn["seed"] == seed)]
    architecture = experiment.rows.set_index("configuration")["architecture"]
    return part.assign(architecture=part["configuration"].map(architecture))


def _titled(experiment: Experiment, split: str, seed: int) -> str:
    """The split, and what this seed holds out where the split says so."""
    described = experiment.manifest.get("splits", {}).get(split, {}).get(str(seed), {})
    held_out = escape(str(described.get("held_out", "")))
    return f"{split}, {held_out} held out" if held_out else split


def unknown_operators(experiment: Experiment) -> str:
    """Operators the graphs keep as ``other``, in one sentence."""
    found = experiment.manifest.get("unknown_operators", {})
    if not found.get("counts"):
        return "Every operator of every graph is in the vocabulary."
    names = ", ".join(f"{escape(name)} ({count(n)})" for name, n in sorted(found["counts"].items()))
    share = percent(100.0 * found["bytes_share"])
    return f"Outside the vocabulary, kept as `other`: {names}; {share} of all bytes moved."


def shared_architectures_pct(part: pd.DataFrame) -> float | None:
    """Share of test rows whose architecture also occurs in training [%]; None without test rows."""
    test, train = part[part["fold"] == "test"], part[part["fold"] == "train"]
    if not len(test):
        return None
    return float(100.0 * test["architecture"].isin(set(train["architecture"])).mean())
