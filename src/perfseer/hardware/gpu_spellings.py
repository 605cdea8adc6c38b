"""GPUs' names as benchmarks and drivers write them: normal form, other ways of writing, what is no GPU."""

import re

from perfseer.hardware.modifiers import lowered

_VENDOR_WORDS = re.compile(r"\b(?:nvidia|amd|ati|intel|corporation|inc)\b\.?")
_LEFT = re.compile(r"[^a-z0-9+]")
_TRAILING = re.compile(r"\s*(?:\[[^\]]*\]|\((?:[^)]*\bgt\d\w*|[^)]*\d+x\d+[^)]*|[a-z]{3} \d)\))\s*$")
# What board makers and drivers write before the series of a GPU.
_BEFORE_SERIES = re.compile(
    r"^(?!all-in-wonder|embedded).*?(?=(?:mobility )?(?:radeont?|geforce|quadro|firegl|firepro)\b)"
    r"|^.*?intel (?=u?hd \d)|^incredible (?=hd \d)"
)
_SIZE = re.compile(r"[ -]*\(?(\d+(?:\.\d+)?) ?(gb|mb)\)?")
_DUAL = re.compile(r" \+ ?|\bdual\b|\bn hd\b")
_CHIPSET = re.compile(r"\s*/?\s*\bnforce \w+$")
_PROFILE = re.compile(r"-\d{1,3}[qabc]\b|^grid .*-\d{1,2}$|\bmxgpu\b|\bmig\b")
_SOFTWARE = re.compile(
    r"\bradv\b|\bllvm|llvmpipe|swiftshader|virtual device|paravirtual|mirr|indirect display|basicdisplay"
    r"|display (?:port )?driver|\bqxl\b|^mxgpu$|prototype|unknown"
)
_PHONE = re.compile(
    r"\b(?:adreno|mali|powervr|xclipse|videocore|v3d|verisilicon|tegra)\b|^a\d+[xz]? gpu$|^a\d+z$"
)


def plain_gpu_name(name: str) -> str:
    """A GPU's name without vendor, marks, blanks and case: ``geforcertx3080mobile`` of its laptop form.

    ``Laptop GPU`` and ``(Mobile)`` are Mobile, ``with Max-Q Design`` is Max-Q, as the GPU database has it.
    """
    text = re.sub(r"\bradeont\b|\bradeon\.", "radeon", lowered(name))
    text = re.sub(r"\(mobile\)|\blaptop gpu\b", "mobile", text)
    text = re.sub(r"\bwith max-q design\b", "max-q", text)
    return _LEFT.sub("", _VENDOR_WORDS.sub(" ", text))


def without_chipset(spelling: str) -> str:
    """``GeForce 7050`` of ``GeForce 7050 / nForce 630i``; empty where no chipset is named."""
    text = lowered(spelling)
    alone = _CHIPSET.sub("", text)
    return "" if alone == text else alone


def without_size(spelling: str) -> tuple[str, float | None]:
    """A name without its memory, and that memory, GB; None where it states none or is nothing else."""
    text = lowered(spelling)
    size = _SIZE.search(text)
    bare = _SIZE.sub(" ", text).strip()
    if not size or not bare:
        return text, None
    return bare, float(size[1]) / (1024 if size[2] == "mb" else 1)


def is_software(text: str) -> bool:
    """Whether a name in lower case is a driver's or a renderer's."""
    return bool(_SOFTWARE.search(text))


def refusal(spelling: str) -> str:
    """Why a spelling means no single GPU; empty where it may."""
    text = lowered(spelling)
    if _PROFILE.search(text):
        return "a share of a GPU, not a whole one"
    if _SOFTWARE.search(text):
        return "a driver or software, not a GPU"
    if len(pair_of(text)) > 1:
        return "two GPUs together, not one"
    if _PHONE.search(text):
        return "a GPU of a phone or a small computer"
    if re.search(r"\w /|/ ?\w", text) and len(re.split(r" ?/ ?", text)) > 1:
        return "one name for several GPUs"
    return ""


def pair_of(text: str) -> list[str]:
    """The two GPUs of a name such as ``Radeon HD 6520G + HD 6470M Dual``."""
    if not _DUAL.search(text):
        return [text]
    text = re.sub(r"\bdual\b.*$|\bn hd.*?(?=\+|$)", "", text).strip()
    return _full_names([piece.strip() for piece in text.split("+") if piece.strip()])


def pieces_of(text: str) -> list[str]:
    """All GPUs of a name: a pair, or one name for several such as ``Radeon HD 7970 / R9 280X``."""
    text = re.sub(r"(?<=\w)\s*/\s*(?=\w)", "/", text)
    pairs = pair_of(text)
    return [
        piece for pair in pairs for piece in _full_names([word.strip() for word in pair.split("/") if word])
    ]


def _full_names(pieces: list[str]) -> list[str]:
    """Each piece with the series that only the first has written out."""
    if not pieces:
        return []
    series = re.match(
        r"((?:mobility )?radeon|geforce|quadro|tesla|firepro)(?: (hd|rx|gt|gtx|r\d))?\b", pieces[0]
    )
    if not series:
        return pieces
    named = [pieces[0]]
    for piece in pieces[1:]:
        bare = re.fullmatch(r"\d{3,4}[a-z]?", piece) and series[2]
        own = re.match(series[1], piece)
        if re.fullmatch(r"[a-z]{2,5}", piece):  # as in GeForce 7900 GT/GTO
            named.append(f"{pieces[0].rsplit(' ', 1)[0]} {piece}")
            continue
        named.append(piece if own else f"{series[1]} {series[2] + ' ' if bare else ''}{piece}")
    return named


def series_of(name: str, dropped: int) -> str:
    """The name's words before its number, and the number without its last digits; empty where it has none."""
    text = re.sub(
        r"\bwith max-q design|\blaptop gpu|\(mobile\)",
        " mobile",
        _BEFORE_SERIES.sub("", lowered(name), count=1),
    )
    text = text.replace("radeont", "radeon")
    text = re.sub(r"\b\d+ ?(?:gb|mb|bit)\b|\([^)]*\)", " ", _VENDOR_WORDS.sub(" ", text))
    mobile = "m" if re.search(r"\bmobile\b|max-q", text) else ""
    found = re.search(r"^(.*?)\b([a-z]*)(\d{3,4})([a-z]{0,2})\b", text.strip())
    if not found:
        return ""
    before = _LEFT.sub("", found[1])
    kind = found[4] if found[4] in ("m", "g", "d", "a", "p", "u", "e") else mobile
    return f"{before} {found[2]}{found[3][:-dropped]}{'x' * dropped}{kind}"


def card_of_profile(text: str) -> str | None:
    """The card that a virtual GPU is a share of."""
    if text.endswith("mxgpu") and len(text.split()) > 1:
        return text.removesuffix("mxgpu").strip()
    found = re.search(r"(?:grid )?(?:gtx )?(\w[\w ]*?)(?:-\d)?-\d{1,3}[qabc]?\b", text)
    if not found or not _PROFILE.search(text):
        return None
    model = found[1].removeprefix("grid ").strip()
    model = re.sub(r"^rtx ?(\d{4})p?$", r"quadro rtx \1", model)
    model = re.sub(r"^v100[ds]$", "v100", model)
    return {"v100": "tesla v100 sxm2 16 gb"}.get(
        model, f"tesla {model}" if re.match(r"[pmtk]\d", model) else model
    )


def stripped(spelling: str) -> str:
    """The spelling without the chip that some drivers write behind the name."""
    text = _BEFORE_SERIES.sub("", _TRAILING.sub("", lowered(spelling)), count=1)
    return re.sub(r"(?<!radeon )\b(u?hd|iris(?: (?:pro|plus))?) (?=p?\d)", r"\1 graphics ", text)


def rewritten(spelling: str) -> list[tuple[str, str]]:
    """Other ways of writing the same name, each with the rule it follows."""
    text = stripped(spelling)
    ways = [
        (text, "without what stands around the name, and with the word Graphics"),
        (re.sub(r"\bgpu\b|\bgraphics?\b$", " ", text), "without the word GPU"),
        (re.sub(r"^firepro 3d\b", "firepro", text), "FirePro 3D is FirePro"),
        (re.sub(r"\bfiregl v$|\bmobility pro$", "", text), "without what follows the model"),
        (re.sub(r"\bprocessor$|\bprd$", "", text), "without what follows the model"),
        (re.sub(r"\bradeon (?:pro )?(?:radeon )?rx ?(?=\d)", "radeon rx ", text), "Radeon RX"),
        (re.sub(r"\brx vega ?(?=\d+\b)", "vega ", text), "Vega, integrated, without RX"),
        (re.sub(r"\bradeon vega ?(?=\d+\b)", "radeon rx vega ", text), "Vega with RX"),
        (re.sub(r"\bradeon (hd )?hd ?(?=\d)", "radeon hd ", text), "Radeon HD"),
        (f"tesla {text.replace('nvidia', '')}", "Tesla, which NVIDIA wrote before such names until 2020"),
        (f"geforce {text}", "GeForce"),
        (re.sub(r"\s*\(\d+-bit\)", "", text), "without the width of the bus"),
        (re.sub(r"(\d+) ?gb (pcie|sxm\d?)", r"\2 \1gb", text), "form before memory"),
        (text.replace("pcle", "pcie"), "PCIe misspelt"),
        (re.sub(r"\bpcie\b", " ", text.replace("pcle", "pcie")), "without the form, of which there is one"),
        (re.sub(r"\bradeon instinct\b", "instinct", text), "Instinct"),
        (re.sub(r"(?<!radeon )\binstinct\b", "radeon instinct", text), "Radeon Instinct"),
        (re.sub(r"\b(?:collectors|ceo) edition$", "", text), "without the edition"),
        (
            re.sub(r"^(.*?) (\d+gb) mobile$", r"\1 mobile \2", text.replace("laptop gpu", "mobile")),
            "memory last",
        ),
        (re.sub(r"\b(?:family|seri(?:si|es|e)|crossfire)$", "", text), "without Family"),
        (re.sub(r"\bplatinum edition$", "pe", text), "Platinum Edition"),
        (re.sub(r"\blow profile$", "lp", text), "Low Profile"),
        (re.sub(r"\bgeforce g ?(?=\d{3}m)", "geforce g", text), "GeForce G"),
        (re.sub(r"^(?:hgx|geforce) ", "", text.replace("nvidia ", "")), "without the series"),
    ]
    reasons: dict[str, str] = {}
    for way, reason in ways:
        reasons.setdefault(way, reason)
    plain = plain_gpu_name(spelling)
    named = [(plain_gpu_name(way), reason) for way, reason in reasons.items()]
    return [(way, reason) for way, reason in named if way != plain]
