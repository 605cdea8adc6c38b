"""What the study is about: accelerators, what they do per watt, dollar and byte, and how sure that is."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from perfseer.reporting.outputs import Document
from perfseer.studies.shelf import Study

if TYPE_CHECKING:
    from perfseer.stages import Stage

# Below the root of the repository.
DATABASE = "results/hardware/hardware.sqlite"


def _stages(parameters: Mapping[str, Any]) -> Iterator["Stage"]:
    from perfseer.hardware.source import hardware_source_names
    from perfseer.stages import Stage

    del parameters
    sources = (f"perfseer.hardware.sources.{name}" for name in hardware_source_names())
    yield Stage(
        name="hardware",
        target=DATABASE,
        modules=("perfseer.studies.hardware.verbs", "perfseer.hardware.build", *sources),
        rules=("hardware",),
        params=("hardware",),
        writes=(DATABASE,),
    )


DOCUMENT = Document(
    name="hardware",
    title="Accelerators: what they do per watt, dollar and byte, and how sure that is",
    tables=(
        *("hardware_correlations", "hardware_trends", "hardware_generations", "hardware_vendors"),
        *("hardware_shares", "hardware_prices", "hardware_hedonic", "hardware_spread"),
    ),
    figures={
        "hardware_roofline": "Peak against bandwidth of all accelerators",
        "hardware_efficiency": "Peak per watt by year of launch",
        "hardware_prices": "Price against performance",
        "hardware_coverage": "What is known of accelerators, figure by figure",
        "hardware_correlations": "Rank correlations between figures",
        "hardware_shares": "Share of the peak reached in MLPerf",
    },
)
ABOUT = Study(document=DOCUMENT, by_default=True, reads=(DATABASE,), stages=_stages)
