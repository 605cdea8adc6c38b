"""``perfseer kernels``: measure fusion rules and kernels one by one, for ``nn_meter``."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfseer.cli.measuring import Device, Journal, collect_settings, conclude, measuring

if TYPE_CHECKING:
    from perfseer.measure.kernels.sampling import Learner

# A tenth of the published trees is enough to tell good predictions from bad ones.
_LEARNER_SHARE = 0.1


def kernels(
    out: Annotated[Path, typer.Option(help="The table of measured kernels to write (Parquet).")],
    fusion: Annotated[Path, typer.Option(help="The measured fusion rules to write (JSON).")],
    params: Annotated[str, typer.Option(help="params.yaml, or inline JSON.")] = "params.yaml",
    device: Device = None,
    time_budget: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Measuring time, fusion tests and resumed runs included; default kernels.time_budget_s.",
        ),
    ] = None,
    journal: Journal = None,
) -> None:
    """Measure which operators this device fuses, and what kernels of the search space take by themselves.

    Results go to the journal at once: however this ends, the same command goes on where it stopped.
    """
    from perfseer.data.files import write_json, write_parquet
    from perfseer.errors import require
    from perfseer.measure.kernels.campaign import run_campaign
    from perfseer.measure.kernels.settings import KernelSettings
    from perfseer.measure.table import require_writable
    from perfseer.parameters import load_mapping, overridden, section

    mapping = load_mapping(params)
    kernel = overridden(section(mapping, "kernels"), {"time_budget_s": time_budget})
    space, collect = collect_settings(mapping, device=device)
    settings = KernelSettings.from_mapping(kernel)
    for path in (out, fusion):
        require_writable(path)
    learner = _learner(collect.device) if settings.rounds else None
    with measuring("kernels", journal, "kernel") as logbook:
        campaign = run_campaign(space, collect, settings, logbook, learner)
    require(
        len(campaign.table) > 0,
        f"the fusion tests used up all of time_budget_s = {settings.time_budget_s:g}: give more",
    )
    write_parquet(out, campaign.table)
    write_json(fusion, campaign.fusion)
    fused = sum(entry["fuses"] for entry in campaign.fusion["pairs"])
    typer.echo(f"{fusion}: {fused} of {len(campaign.fusion['pairs'])} pairs of operators fuse")
    conclude("kernels", f"{out}: {len(campaign.table)} kernels; ", campaign.tally)


def _learner(device: str) -> "Learner":
    """Forests of the published kind, if they can be had: a bare measuring machine has no scikit-learn."""
    try:
        from perfseer.predictors.parts.kernels.forests import learn_times
    except ModuleNotFoundError as error:
        from perfseer.errors import PerfseerError

        raise PerfseerError(
            f"adaptive sampling needs {error.name}, which is not installed here: install perfseer[pipeline], "
            "or set kernels.rounds to 0"
        ) from error
    return partial(learn_times, device_kind=device, share=_LEARNER_SHARE)
