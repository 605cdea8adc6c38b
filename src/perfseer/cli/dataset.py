"""``perfseer dataset``: from a measurement table to what is learnt from."""

from pathlib import Path
from typing import Annotated, Any

import typer

from perfseer.console.places import DATASET, GRAPHS, INDEX, MEASUREMENTS, Graphs, Index, Measurements


def dataset(
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    measurements: Measurements = MEASUREMENTS,
    graphs: Graphs = GRAPHS,
    index: Index = INDEX,
    out: Annotated[Path, typer.Option(help="Folder to write the dataset to.")] = DATASET,
) -> None:
    """Quarantine unusable rows, draw the splits and fit the normalisers on training rows only."""
    from perfseer.data.assembly import assemble, read_index, write_dataset
    from perfseer.data.packed import PackedGraphs
    from perfseer.data.settings import DatasetSettings
    from perfseer.measure.table import read_as_written
    from perfseer.parameters import load_mapping

    settings = DatasetSettings.from_mapping(load_mapping(params))
    assembled = assemble(
        read_as_written(measurements), PackedGraphs.load(graphs), read_index(index), settings
    )
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
