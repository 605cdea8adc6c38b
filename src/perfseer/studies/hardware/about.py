"""What the study is about: accelerators, what they do per watt, dollar and byte, and how sure that is."""

from perfseer.reporting.outputs import Document
from perfseer.studies.shelf import Study

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
ABOUT = Study(document=DOCUMENT, by_default=False, reads=("results/hardware",))
