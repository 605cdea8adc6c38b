"""``perfseer graph build`` and ``perfseer dataset``: from a measurement table to what is learnt from."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from perfseer.cli.progress import progress

_MEASUREMENTS = Path("results/measurements/local.parquet")
_MEASUREMENTS_HELP = "Measurement table written by `perfseer collect`."
_GRAPHS = Path("results/graphs/graphs.safetensors")
_INDEX = Path("results/graphs/index.parquet")


def graph_build(
    measurements: Annotated[Path, typer.Option(help=_MEASUREMENTS_HELP)] = _MEASUREMENTS,
    out: Annotated[Path, typer.Option(help="The packed graphs to write.")] = _GRAPHS,
    index: Annotated[Path, typer.Option(help="Which graph belongs to which row, to write.")] = _INDEX,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Capture a graph of every distinct model, input and batch size of a measurement table."""
    from perfseer.data.building import build_graphs
    from perfseer.data.files import write_parquet
    from perfseer.measure.table import read_table

    started = time.monotonic()
    with progress("capturing graphs of models") as report:
        packed, table = build_graphs(read_table(measurements), workers, report)
    packed.save(out)
    write_parquet(index, table)
    failed = table[table["reason"].notna()]
    for reason, count in failed["reason"].value_counts().items():
        typer.echo(f"no graph for {count} configurations: {reason}", err=True)
    _warn_of_unknown(packed.unknown)
    typer.echo(
        f"{len(packed)} graphs with {packed.node_ptr[-1]} nodes in {out}, {len(failed)} failed, "
        f"{time.monotonic() - started:.1f} s"
    )


def dataset(
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    measurements: Annotated[Path, typer.Option(help=_MEASUREMENTS_HELP)] = _MEASUREMENTS,
    graphs: Annotated[Path, typer.Option(help="Graphs written by `perfseer graph build`.")] = _GRAPHS,
    index: Annotated[Path, typer.Option(help="Index written by `perfseer graph build`.")] = _INDEX,
    out: Annotated[Path, typer.Option(help="Folder to write the dataset to.")] = Path("results/dataset"),
) -> None:
    """Quarantine unusable rows, draw the splits and fit the normalisers on training rows only."""
    from perfseer.data.assembly import assemble, read_index, write_dataset
    from perfseer.data.packed import PackedGraphs
    from perfseer.data.settings import DatasetSettings
    from perfseer.measure.table import read_table
    from perfseer.parameters import load_mapping

    settings = DatasetSettings.from_mapping(load_mapping(params))
    assembled = assemble(read_table(measurements), PackedGraphs.load(graphs), read_index(index), settings)
    inputs = {"measurements": measurements, "graphs": graphs, "index": index}
    manifest = write_dataset(assembled, out, inputs=inputs, settings=settings)
    _report(manifest, out)


def _report(manifest: dict[str, Any], out: Path) -> None:
    """A summary to stdout; what was refused to stderr."""
    counts = manifest["counts"]
    for reason, count in counts["quarantine"].items():
        typer.echo(f"quarantined: {count} × {reason}", err=True)
    headline = manifest["settings"]["splits"]["headline"]
    first = manifest["splits"][headline][str(manifest["seeds"][0])]["rows"]
    folds = ", ".join(f"{first.get(fold, 0)} {fold}" for fold in ("train", "valid", "test"))
    typer.echo(
        f"{counts['rows']} rows of {counts['architectures']} architectures in {out}, "
        f"{counts['quarantined_rows']} rows in quarantine; {headline} split: {folds}"
    )


def _warn_of_unknown(unknown: Any) -> None:
    totals: dict[str, int] = {}
    for counts in unknown.values():
        for name, count in counts.items():
            totals[name] = totals.get(name, 0) + count
    if totals:
        listed = ", ".join(f"{name} ×{count}" for name, count in sorted(totals.items()))
        typer.echo(f"operators outside the vocabulary, kept as other: {listed}", err=True)
