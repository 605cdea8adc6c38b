"""A study of accelerators that nobody makes, with or without what sources would tell of them."""

from typing import Any

import numpy as np
import pandas as pd

from perfseer.hardware.metric_registry import METRICS
from perfseer.hardware.quality import check_all
from perfseer.hardware.specs import Specs
from perfseer.studies.hardware.study import FRAMES, MODIFIERS, HardwareStudy, Judging
from tests.helpers.specifications import settings, specs

_VENDORS = (("Ayla", ("One", "Two")), ("Borea", ("Three",)), ("Cyra", ("Four",)))
JUDGING = Judging(resamples=60, least=4)


def empty(name: str) -> pd.DataFrame:
    """A table of a study without rows."""
    return pd.DataFrame({column: pd.Series(dtype=object) for column in FRAMES[name]})


def study(figures: Specs, **tables: Any) -> HardwareStudy:
    """A study of these accelerators; every table that is not given has no rows."""
    index = figures.table.index
    metrics = pd.DataFrame(np.nan, index=index, columns=list(METRICS))
    given: dict[str, Any] = {
        **{name: empty(name) for name in FRAMES},
        **{"metrics": metrics, "metric_status": metrics.astype(object).fillna("missing")},
        "tiers": pd.DataFrame("", index=index, columns=list(FRAMES["tiers"])),
        "judging": JUDGING,
        "settings": settings(),
        "quality": check_all(figures, settings().quality)[0],
        **tables,
    }
    return HardwareStudy(specs=figures, **given)


def many_specs(n: int = 24) -> Specs:
    """Two cards of every die, over three vendors; each generation is a tenth better per watt every year."""
    rows = {}
    for i in range(n):
        vendor, generations = _VENDORS[i % 3]
        year = 2012 + (i // 2) * 0.6
        watts = 100 + 17 * (i * 7 % 11)
        peak = watts * 1e11 * 1.1 ** (year - 2012) * (1 + 0.2 * (i % 3))
        rows[f"a{i:02d}"] = {
            **{"name": f"{vendor} Model | $\\{i}$", "vendor": vendor, "canonical": i % 2 == 0},
            **{"generation": generations[i // 3 % len(generations)], "architecture": "any"},
            **{"category": ("Desktop", "Datacenter")[i // 3 % 2], "chip": f"chip {i // 2}"},
            **{"year": year, "tdp_w": watts, "fp32_flops": peak, "fp16_vector_flops": 2 * peak},
            **{"fp16_flops": 8 * peak, "bandwidth_bytes_per_s": peak / (20 + i % 5)},
            **{"memory_bytes": 2.0 ** (33 + i % 4), "g3d": peak / 1e9 * (1 + 0.1 * (i % 4))},
        }
    return specs(rows)


def full_study() -> HardwareStudy:
    """Every table has rows, with text from outside that would break a table."""
    figures = many_specs()
    keys = list(figures.table.index)
    metrics = pd.DataFrame(np.nan, index=figures.table.index, columns=list(METRICS))
    ways = pd.DataFrame("missing", index=figures.table.index, columns=list(METRICS))
    metrics["tflops_per_watt_fp16"] = figures.table["fp16_flops"] / figures.table["tdp_w"]
    ways["tflops_per_watt_fp16"] = "derived"
    return study(
        figures,
        metrics=metrics,
        metric_status=ways,
        ledger=pd.DataFrame([_source("sheet", True), _source("other", False)]),
        quarantine=pd.DataFrame([("sheet", 3, "tdp", "<b>", "not | a number")], columns=FRAMES["quarantine"]),
        conflicts=pd.DataFrame(
            [
                (keys[0], "tdp_w", "sheet", 400.0, "other", 500.0, 1.25, "", "the vendor's"),
                (keys[1], "memory_bytes", "sheet", 8e9, "other", 2e9, 0.25, "die against card", "the card's"),
            ],
            columns=FRAMES["conflicts"],
        ),
        results=_results(figures),
        names=pd.DataFrame([("sheet", 4, 3, 1, 2, 40, 39)], columns=FRAMES["names"]),
        prices=pd.DataFrame(
            [
                (key, kind, usd, "2025-03")
                for i, key in enumerate(keys)
                for kind, usd in (
                    ("launch", 300 + 50 * (i % 7)),
                    ("retail", 200 + 9 * i),
                    ("on-demand", 1 + i),
                )
            ],
            columns=FRAMES["prices"],
        ),
        work={"net": 1e9},
    )


def result(key: str, submitter: str, rate: float, **other: Any) -> dict[str, Any]:
    """One result of MLPerf."""
    plain = dict.fromkeys(MODIFIERS, False)
    return {
        **{"round": "v1.0", "submitter": submitter, "key": key, "n_accelerators": 8.0, "benchmark": "net"},
        **{"family": "classification", "scenario": "Offline", "division": "closed", "per_accelerator": rate},
        **plain,
        **other,
    }


def _source(name: str, present: bool) -> dict[str, Any]:
    counts = (10, 9, 1) if present else (0, 0, 0)
    return {
        **{"name": name, "title": f"A {name}", "licence": "MIT", "url": "https://example.org"},
        **{"sha256": "0123456789abcdef", "present": present},
        "absent_reason": "" if present else "not | there",
        **dict(zip(("n_read", "n_loaded", "n_quarantined"), counts, strict=True)),
    }


def _results(figures: Specs) -> pd.DataFrame:
    return pd.DataFrame(
        [
            result(
                key, submitter, figures.table["fp16_flops"].loc[key] / 1e10 * (1 + 0.02 * j), benchmark=task
            )
            for key in figures.table.index
            for task in ("net", "other net")
            for j, submitter in enumerate(("X", "Y", "Z"))
        ]
    )
