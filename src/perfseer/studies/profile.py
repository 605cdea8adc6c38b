"""What was measured: the dataset's profile, its coverage, what was refused, how it was split."""

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from perfseer.reporting.tables import escape, markdown_table
from perfseer.reporting.units import MISSING, choose_scale, count, number, percent
from perfseer.studies.experiment import Experiment
from perfseer.studies.published import DISTRIBUTION, Distribution
from perfseer.targets import PHASES, TARGETS

SHOWN_REASONS = 12
FOLDS = ("train", "valid", "test", "unused")
FloatArray = npt.NDArray[np.float64]


def profile_table(experiment: Experiment) -> str:
    """Mean, minimum, median and maximum of the quantities there are, units chosen from the data."""
    header, columns = ["statistic"], []
    for entry in (entry for entry in DISTRIBUTION if _measured(experiment.rows, entry.column)):
        values = experiment.rows[entry.column].to_numpy(dtype=np.float64)
        scale = choose_scale(values, entry.kind)
        header.append(f"{entry.title} [{scale.unit}]" if scale.unit else entry.title)
        columns.append([scale.show(value) for value in summary(values)])
    names = ("mean", "minimum", "median", "maximum")
    return markdown_table(
        header, [[name, *(column[i] for column in columns)] for i, name in enumerate(names)]
    )


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
    header = ["quantity", "paper", "measured here", "search space, surveyed"]
    rows = []
    for entry in DISTRIBUTION:
        rows.append(
            [
                entry.title,
                _spread((entry.mean, entry.minimum, entry.median, entry.maximum), entry.kind),
                _tabled(experiment.rows, entry),
                MISSING if experiment.survey is None else _tabled(experiment.survey, entry),
            ]
        )
    return markdown_table(header, rows)


def _spread(values: Sequence[float], kind: str) -> str:
    # No-break spaces keep a number and its unit on one line.
    named = (choose_scale([value], kind).named(value).replace(" ", "\u00a0") for value in values)
    mean, low, median, high = named
    return f"{median} ({low} – {high}), mean {mean}"


def _tabled(table: pd.DataFrame, entry: Distribution) -> str:
    if not _measured(table, entry.column):
        return "not measured"
    return _spread(summary(table[entry.column].to_numpy(dtype=np.float64)), entry.kind)


def _measured(table: pd.DataFrame, column: str) -> bool:
    """Whether the table has the quantity; a label that was not measured is NaN throughout."""
    return column in table.columns and bool(table[column].notna().all())


def facts(experiment: Experiment) -> dict[str, str]:
    """Counts and names for the running text."""
    rows = experiment.rows
    attempted = len(rows) + n_refused(experiment)
    return {
        "configurations": count(len(rows)),
        "attempted": count(attempted),
        "architectures": count(rows["architecture"].nunique()),
        "batch_sizes": ", ".join(map(str, sorted(rows["batch_size"].unique()))),
        "graphs": count(int(experiment.index["reason"].isna().sum())),
        "graphs_failed": count(int(experiment.index["reason"].notna().sum())),
        "devices": distinct(rows, "device"),
        "device_kinds": distinct(rows, "device_kind"),
        "precisions": distinct(rows, "precision"),
        "memory_formats": distinct(rows, "memory_format"),
        "modes": distinct(rows, "mode"),
        "input_shapes": distinct(rows, "input_shape"),
        "protocol_versions": distinct(rows, "protocol_version"),
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
    lines = [[escape(key), ", ".join(sorted(values))] for key, values in sorted(found.items())]
    return markdown_table(["key", "value"], lines, align="ll")


def _parse(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
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


def measurement_intervals(rows: pd.DataFrame) -> dict[str, FloatArray]:
    """Half widths of the measurement's own confidence intervals as share of the median [%], by time label.

    Rows without an interval (too few iterations for one) are left out; a label without any is absent.
    """
    found = {}
    for phase in PHASES:
        low, high, middle = f"{phase}_time_ci_low_ms", f"{phase}_time_ci_high_ms", f"{phase}_time_ms"
        if not {low, high} <= set(rows.columns):
            continue
        widths = 100.0 * (rows[high] - rows[low]).astype("float64") / 2.0 / rows[middle]
        finite = widths[np.isfinite(widths)].to_numpy()
        if len(finite):
            found[middle] = finite
    return found


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
    lines = []
    for target, widths in measurement_intervals(experiment.rows).items():
        quantiles = (number(float(value)) for value in np.percentile(widths, [50, 90, 100]))
        share = wide_share_pct(experiment, target)
        busy = foreign_cores(experiment, target)
        load = MISSING if busy is None else number(float(busy.mean()), 2)
        without = count(len(experiment.rows) - len(widths))
        lines.append([target, count(len(widths)), without, *quantiles, percent(share or 0.0), load])
    if not lines:
        return "The measurement table has no confidence intervals."
    header = [
        "label",
        "rows with an interval",
        "rows without",
        "median [± %]",
        "90th percentile [± %]",
        "widest [± %]",
        "missed the aim",
        "cores other processes used, mean",
    ]
    return markdown_table(header, lines)


def coverage_tables(experiment: Experiment) -> dict[str, str]:
    """Configurations by stage style and by batch size."""
    rows = experiment.rows
    styles = rows["family"].str.split("+").map(lambda tokens: sorted(set(tokens))).explode()
    return {
        "styles": markdown_table(
            ["stage style", "configurations", "architectures"],
            [
                [
                    escape(str(style)),
                    count(len(part)),
                    count(rows.loc[part.index, "architecture"].nunique()),
                ]
                for style, part in styles.groupby(styles)
            ],
        ),
        "batches": markdown_table(
            ["batch size", "configurations", "median training time", "median inference time"],
            [
                [
                    str(size),
                    count(len(part)),
                    *(_median(part[name]) for name in ("train_time_ms", "infer_time_ms")),
                ]
                for size, part in rows.groupby("batch_size")
            ],
        ),
    }


def _median(values: pd.Series) -> str:
    if values.isna().any():
        return "not measured"
    middle = float(values.median())
    return choose_scale([middle], "ms").named(middle)


def n_refused(experiment: Experiment) -> int:
    """Rows in quarantine; a row with several faults counts once."""
    table = experiment.quarantine
    return int(table["row"].nunique()) if "row" in table.columns else len(table)


def quarantine_table(experiment: Experiment) -> str:
    """Refused rows by reason, the most frequent first; a row with several faults counts in each."""
    table = experiment.quarantine
    if not len(table):
        return ""
    grouped = table.assign(reason=table["reason"].astype(str).map(escape)).groupby(["column", "reason"])
    counts = (
        grouped.size()
        .reset_index(name="rows")
        .sort_values(["rows", "column", "reason"], ascending=[False, True, True])
    )
    lines = [
        [escape(str(entry["column"])), str(entry["reason"]), count(int(entry["rows"]))]
        for entry in counts.head(SHOWN_REASONS).to_dict("records")
    ]
    rest = counts["rows"].iloc[SHOWN_REASONS:]
    if len(rest):
        lines.append(["…", f"{len(rest)} further reasons, see quarantine.csv", count(int(rest.sum()))])
    return markdown_table(["column", "reason", "rows"], lines, align="ll")


def split_table(experiment: Experiment) -> str:
    """Rows of each fold by split and seed, and how many test rows share their architecture with training."""
    lines = []
    for split in experiment.splits:
        for seed in experiment.seeds:
            part = fold_rows(experiment, split, seed)
            sizes = part["fold"].value_counts()
            shared = shared_architectures_pct(part)
            held_out = _held_out(experiment, split, seed)
            lines.append(
                [
                    f"{split}, {held_out} held out" if held_out else split,
                    str(seed),
                    *(count(int(sizes.get(name, 0))) for name in FOLDS),
                    MISSING if shared is None else percent(shared),
                ]
            )
    header = ["split", "seed", "train", "validation", "test", "unused", "test rows whose network is in train"]
    return markdown_table(header, lines)


def fold_rows(experiment: Experiment, split: str, seed: int) -> pd.DataFrame:
    """Fold and architecture of every row under one split and seed."""
    table = experiment.assignment
    part = table[(table["split"] == split) & (table["seed"] == seed)]
    architecture = experiment.rows.set_index("configuration")["architecture"]
    return part.assign(architecture=part["configuration"].map(architecture))


def _held_out(experiment: Experiment, split: str, seed: int) -> str:
    described = experiment.manifest.get("splits", {}).get(split, {}).get(str(seed), {})
    return escape(str(described.get("held_out", "")))


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


def label_list() -> str:
    """The six labels with their units, in words."""
    return ", ".join(f"{target.title} [{target.unit}]" for target in TARGETS)
