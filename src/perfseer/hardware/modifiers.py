"""What stands around an accelerator's name in free text: slices, profiles, caps, counts, memory, form."""

import re
import unicodedata
from dataclasses import dataclass, replace

# Word → vendor it tells of. "" as a vendor: a word of vendors we know no accelerator of.
VENDOR_WORDS: dict[str, str] = {
    **dict.fromkeys(("nvidia", "geforce", "quadro", "tesla", "jetson", "grid", "rtx", "gtx"), "nvidia"),
    **dict.fromkeys(("amd", "ati", "radeon", "instinct", "firepro"), "amd"),
    **dict.fromkeys(("intel", "arc"), "intel"),
    **dict.fromkeys(("aws", "amazon", "annapurna"), "amazon"),
    **dict.fromkeys(("google", "tpu", "tpu7x"), "google"),
    **dict.fromkeys(("arm", "mali"), "arm"),
    **dict.fromkeys(("furiosa", "furiosaai"), "furiosa"),
    **dict.fromkeys(("rebellions", "rbln"), "rebellions"),
    **dict.fromkeys(("untether", "untetherai"), "untether"),
    **dict.fromkeys(("huawei", "ascend", "hisilicon"), "huawei"),
    **dict.fromkeys(("iva", "ivatech"), "iva"),
    **dict.fromkeys(("biren", "birentech"), "biren"),
    **dict.fromkeys(("sima", "simaai"), "sima"),
    **dict.fromkeys(("moffett", "sparseone"), "moffett"),
    **dict.fromkeys(("mtt", "moore"), "moore threads"),
    **dict.fromkeys(("baidu", "kunlun", "kunlunxin"), "baidu"),
    **dict.fromkeys(("metax", "mxc"), "metax"),
    **dict.fromkeys(("cambricon", "mlu"), "cambricon"),
    **{
        name: name
        for name in (
            *("habana", "qualcomm", "apple", "neuchips", "sapeon", "centaur", "xilinx", "alibaba"),
            *("hygon", "iluvatar", "tianshu", "microsoft", "meta", "groq", "graphcore", "cerebras", "coral"),
            *("samsung", "powervr", "tenstorrent", "sambanova", "mobilint", "hailo", "pezy", "sunway"),
        )
    },
}
# Vendors' words that say nothing about the model, and words that any accelerator's name may carry.
_EMPTY_WORDS = frozenset(
    (
        *("nvidia", "geforce", "tesla", "grid", "amd", "ati", "intel", "qualcomm", "google", "arm", "apple"),
        *(
            "biren",
            "sapeon",
            "untetherai",
            "untether",
            "neuchips",
            "xilinx",
            "sima",
            "ivatech",
            "corporation",
        ),
        *("gpu", "gpus", "accelerator", "accelerators", "card", "cards", "graphics", "generation", "gen"),
        *("edition", "series", "superchip", "hopper", "blackwell", "lovelace", "tensor", "core", "aarch64"),
        *("x86", "the", "of", "inc", "developer", "devkit", "kit", "module", "desktop", "npu", "ai-chip"),
        *("spx", "dpx", "cpx", "tensorrt", "ms", "asus", "msi", "gigabyte", "pny", "turbo", "board"),
        *(
            "grace",
            "technologies",
            "mps",
            "birentech",
            "amazon",
            "aws",
            "ac",
            "battlemage",
            "alchemist",
            "hbm",
            "gddr",
            "lpddr",
            "memory",
            "virtual",
            "vgpu",
        ),
    )
)
_FORMS: dict[str, str] = {
    **{f"sxm{n}": "sxm" for n in ("", 2, 3, 4, 5, 6)},
    **dict.fromkeys(("hgx", "dgx", "oam"), "sxm"),
    **dict.fromkeys(("pcie", "pcle", "pci", "hhhl", "fhfl"), "pcie"),
    "nvl": "nvl",
}

_MARKS = re.compile(r"\((?:r|tm|c)\)|[®™©]", re.IGNORECASE)
_MIG = re.compile(r"\(?\b(?:mig[ _-]*)?(?:(\d+)x)?(\d+g\.\d+gb)\b(?:[ _-]*mig\b)?\)?|\bmig\b")
_VGPU = re.compile(r"(?:-\d)?-(\d{1,3}[qcab])\b")
_POWER = re.compile(r"\(?\b(\d{2,4})[ ]?w\b\)?")
_MEMORY = re.compile(r"(?<![\w.])\(?(\d+(?:\.\d+)?)[ -]*(gib|gb|gi|g|mib|mb|mi|tb|tib)\b\)?")
_MEMORY_KIND = re.compile(r"\b(?:lp)?(?:hbm|g?ddr)\d*\w?\b")
_THEM = r"(?:gpus?|accelerators?|cards?|chips?)"
_COUNT = re.compile(
    rf"^\s*(\d+)\s*x\s*(?=[a-z])|\(\s*x\s*(\d+)\s*\)|(?:\s+|(?<=\dgb))x\s?(\d+)(?:\s+{_THEM})?$"
    rf"|\((\d+)\s*x\)$|\s(\d+)x$|\((\d+)\s*{_THEM}\)$|^(\d+)\s+{_THEM}\s+(?:of\s+)?(?=[a-z])"
    r"|^(\d+)\s+(?=(?:nvidia|amd|intel|google)\s)|(?<=\bv[56]e)-(\d+)$"  # a slice of v5e or v6e counts chips
)
_MAXQ = re.compile(r"\bmax[ _-]?q\b")
_VIRTUAL = re.compile(r"\bvirtuali[sz]ed\b|\(vf\)|\bvf\b|\bvmware|\bvsphere|\besxi\b|\bkvm\b|\bhypervisor\b")
_PREVIEW = re.compile(r"\bpreview\b|\bengineering sample\b|\bprototype\b")
_CLOCK = re.compile(r"\(?\b\d+(?:\.\d+)?\s?[gm]hz\b\)?")
_NUMBERING = re.compile(r"(?<=gb)-0\d$")
_MALI_CORES = re.compile(r"\s*\bm[pc]\d+\b|(?<=\d)m[pc]\d+\b|\(\d+ee\)|\br\dp\d\b")


@dataclass(frozen=True)
class Modifiers:
    """How an accelerator was set up or cut, apart from which it is.

    Attributes:
        mig: slices of a partitioned GPU, for example ``1x1g.10gb``; empty: the whole.
        vgpu: profile of a virtual GPU, for example ``24Q``; empty: none.
        maxq: run at a lowered power limit for efficiency.
        power_cap_w: power limit that the spelling states, W; None: the card's own.
        cts: custom thermal solution, that is, cooled for a higher limit.
        mixed: the system has several kinds of accelerators.
        virtual: inside a virtual machine.
        preview: hardware that could not be bought yet.
        reduced: a variant with slower links or units than the card it is held for.
    """

    mig: str = ""
    vgpu: str = ""
    maxq: bool = False
    power_cap_w: float | None = None
    cts: bool = False
    mixed: bool = False
    virtual: bool = False
    preview: bool = False
    reduced: bool = False

    @property
    def plain(self) -> bool:
        """Whether whole accelerators ran as their vendor sells them."""
        return self == Modifiers()


@dataclass(frozen=True)
class Spelled:
    """A spelling taken apart.

    Attributes:
        words: what is left of it, the model's name.
        forms: sxm, pcie, nvl: how it is built, as the words say.
        memory_gb: size of memory stated, GB as vendors count (that is, GiB of most); None: not stated.
        count: number of accelerators stated; None: not stated.
        vendors: whose the words say it is.
        modifiers: the rest that was understood.
    """

    words: tuple[str, ...]
    forms: frozenset[str]
    memory_gb: float | None
    count: int | None
    vendors: frozenset[str]
    modifiers: Modifiers


def lowered(text: str) -> str:
    """``text`` in lower case without trade marks, odd blanks and underscores."""
    plain = unicodedata.normalize("NFKC", _MARKS.sub(" ", text)).lower().replace("_", " ")
    plain = re.sub(r"(?<=[\d ])[×*]|[×*](?=\s?\d)", "x", plain)  # signs of multiplication, as in 8 × B200
    return re.sub(r"\s+", " ", re.sub(r"[–—‑]", "-", plain)).strip()


def memory_gb(text: str) -> float | None:
    """The one size that ``text`` states, in GB as vendors count; None where it states none or several.

    A mebibyte is 1/1024, since cards sold as 80 GB have about 81559 MiB.
    """
    sizes = {_in_gb(found) for found in _MEMORY.finditer(lowered(text))}
    return sizes.pop() if len(sizes) == 1 else None


def _in_gb(found: re.Match[str]) -> float:
    size, unit = float(found[1]), found[2][0]
    return size / 1024 if unit == "m" else size * 1024 if unit == "t" else size


def system_modifiers(text: str) -> Modifiers:
    """What the name of a system tells: MaxQ, virtualisation."""
    plain = lowered(text)
    return Modifiers(maxq=bool(_MAXQ.search(plain)), virtual=bool(_VIRTUAL.search(plain)))


def joined(one: Modifiers, other: Modifiers) -> Modifiers:
    """Both together; where both name a slice, profile or cap, that of ``one``."""
    return Modifiers(
        mig=one.mig or other.mig,
        vgpu=one.vgpu or other.vgpu,
        maxq=one.maxq or other.maxq,
        power_cap_w=one.power_cap_w if one.power_cap_w is not None else other.power_cap_w,
        cts=one.cts or other.cts,
        mixed=one.mixed or other.mixed,
        virtual=one.virtual or other.virtual,
        preview=one.preview or other.preview,
        reduced=one.reduced or other.reduced,
    )


def taken_apart(spelling: str) -> Spelled:
    """The parts of one accelerator's name in free text."""
    text = lowered(spelling)
    text = re.sub(r"\[[^\]]*\]", " ", text)  # a board partner
    text = re.sub(r"^.*\bon (?=alveo|xilinx|versal|agilex|stratix)", "", text)  # a design on an FPGA card
    text = re.sub(r"\(ada lovelace\)|\bblackwell ultra\b", " ", text).replace("ada lovelace", "ada")
    text = text.replace("radeon instinct", "instinct")
    text = text.replace("h100 80gb hbm3", "h100 sxm 80gb")  # as the driver writes it; the PCIe card has HBM2e
    text = re.sub(r"\bnvl(?=\d+ ?gb)", "nvl ", text)
    text = re.sub(r"\bnvl\d+\b|\bnps\d\b", " ", _CLOCK.sub(" ", _NUMBERING.sub("", text)))
    text = _MALI_CORES.sub(" ", text) if "mali" in text else text
    text, modifiers = _modifiers(text)
    count = _COUNT.search(text)
    text = _COUNT.sub(" ", text)
    sizes = {_in_gb(found) for found in _MEMORY.finditer(text)}
    text = _MEMORY_KIND.sub(" ", _MEMORY.sub(" ", text))
    words = re.findall(r"[a-z0-9+]+", text.replace(".", ""))
    forms = frozenset(_FORMS[word] for word in words if word in _FORMS)
    vendors = frozenset(VENDOR_WORDS[word] for word in words if word in VENDOR_WORDS)
    return Spelled(
        words=tuple(word for word in words if word not in _EMPTY_WORDS),
        forms=forms,
        memory_gb=sizes.pop() if len(sizes) == 1 else None,
        count=int(next(group for group in count.groups() if group)) if count else None,
        vendors=vendors,
        modifiers=modifiers,
    )


def without_forms(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words that do not say how a card is built."""
    return tuple(word for word in words if word not in _FORMS)


def without_maxq(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words without MaxQ, which `taken_apart` leaves in: some cards are named so."""
    return tuple(re.findall(r"[a-z0-9+]+", _MAXQ.sub(" ", " ".join(words))))


def slice_memory_gb(mig: str) -> float | None:
    """Memory of the whole GPU that a MIG profile belongs to, GB: eight times that of ``1g`` slices."""
    found = re.search(r"(\d)g\.(\d+)gb", mig)
    eighths = {"1": 1, "2": 2, "3": 4, "4": 4, "7": 8}.get(found[1]) if found else None
    return None if found is None or eighths is None else float(found[2]) * 8 / eighths


def profile_memory_gb(profile: str) -> float | None:
    """Memory of a vGPU profile, GB: 80 of ``80C``; what a whole card has at least."""
    digits = re.match(r"\d+", profile)
    return float(digits[0]) if digits else None


def _modifiers(text: str) -> tuple[str, Modifiers]:
    mig = _MIG.search(text)
    profile = f"{mig[1] or 1}x{mig[2]}" if mig and mig[2] else "MIG" if mig else ""
    text = _MIG.sub(" ", text)
    vgpu = _VGPU.search(text)
    text = _VGPU.sub(" ", text)
    power = _POWER.search(text)
    text = _POWER.sub(" ", text)
    found = Modifiers(
        mig=profile,
        vgpu=vgpu[1].upper() if vgpu else "",
        power_cap_w=float(power[1]) if power else None,
        cts=bool(re.search(r"\bcts\b", text)),
        virtual=bool(vgpu or _VIRTUAL.search(text)),
        preview=bool(_PREVIEW.search(text)),
    )
    for pattern in (re.compile(r"\bcts\b"), _VIRTUAL, _PREVIEW):
        text = pattern.sub(" ", text)
    return text, found


def with_maxq(modifiers: Modifiers) -> Modifiers:
    """The same, at a lowered power limit."""
    return replace(modifiers, maxq=True)
