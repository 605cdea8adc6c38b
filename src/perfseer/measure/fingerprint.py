"""What a measurement depends on besides the model: device, libraries, threads, kernel."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from perfseer.digests import digest
from perfseer.measure.settings import DeviceKind

GIB = 1024**3
_THP = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
# Variables that change times or memory of one and the same program; others are paths and versions.
_VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_LAUNCH_BLOCKING",
    "DNNL_MAX_CPU_ISA",
    "GLIBC_TUNABLES",
    "GOMP_CPU_AFFINITY",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "LD_PRELOAD",
    "MALLOC_ARENA_MAX",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_TRIM_THRESHOLD_",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_PLACES",
    "OMP_PROC_BIND",
    "ONEDNN_MAX_CPU_ISA",
    "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_NO_CUDA_MEMORY_CACHING",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)


def fingerprint(device_kind: DeviceKind, threads: int) -> dict[str, Any]:
    """Describe device and environment by values that stay the same from run to run on one machine.

    No host name, date, free memory or clock speed: the same machine and software give the same digest.
    ``variables`` is there only if one is set that changes times or memory.

    Args:
        device_kind: ``cpu`` or ``cuda``.
        threads: intra-operator threads of the measuring process.

    Returns:
        JSON-ready mapping; ``digest`` is the digest of everything else in it.
    """
    environment: dict[str, Any] = {
        "device": cpu_name() if device_kind == "cpu" else torch.cuda.get_device_name(0),
        "device_kind": device_kind,
        "cores": usable_cores(),
        "memory_gib": total_memory_gib(),
        "threads": threads,
        "machine": platform.machine(),
        "kernel": f"{platform.system()} {kernel_version(platform.release())}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": installed_version("numpy"),
    }
    environment |= _cpu_facts() if device_kind == "cpu" else _cuda_facts()
    if variables := _variables():
        environment["variables"] = variables
    return {**environment, "digest": digest(environment)}


def usable_cores() -> int:
    """Cores this process may use: its affinity, or a container's CPU quota rounded up if that is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = parse_cpu_quota(_CPU_QUOTA.read_text(encoding="ascii")) if _CPU_QUOTA.is_file() else None
    return cores if quota is None else max(1, min(cores, quota))


def parse_cpu_quota(text: str) -> int | None:
    """Cores allowed by the text of cgroup's ``cpu.max``, rounded up; None for no limit."""
    quota, _, period = text.strip().partition(" ")
    return -(-int(quota) // int(period)) if quota.isdigit() and period.isdigit() else None


def kernel_version(release: str) -> str:
    """The numbers of a kernel release, without a distribution's or a builder's suffix."""
    found = re.match(r"\d+(\.\d+)*", release)
    return found.group() if found else release


def total_memory_gib() -> int:
    """Memory of the machine in whole GiB; rounded, because kernels reserve varying amounts of it."""
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB)


def cpu_name() -> str:
    """Name of the processor, for example ``AMD EPYC``; the architecture where the system does not tell."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _cpu_facts() -> dict[str, Any]:
    # Huge pages change peak memory, spinning changes time and CPU time.
    huge_pages = _THP.read_text(encoding="ascii").strip() if _THP.is_file() else "unknown"
    return {
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "onednn": torch.backends.mkldnn.is_available(),
        "openmp_spin_count": os.environ.get("GOMP_SPINCOUNT", "default"),
        "huge_pages": huge_pages,
    }


def _cuda_facts() -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(0)
    return {
        "device_memory_gib": round(properties.total_memory / GIB),
        "multiprocessors": properties.multi_processor_count,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": _driver_version(),
        "cpu": cpu_name(),
    }


def _variables() -> dict[str, str]:
    """Those of `_VARIABLES` that are set; of a library its name, since its place differs between machines."""
    found = {name: os.environ[name] for name in _VARIABLES if os.environ.get(name)}
    if "LD_PRELOAD" in found:
        found["LD_PRELOAD"] = " ".join(Path(place).name for place in re.split("[ :]+", found["LD_PRELOAD"]))
    return found


def _driver_version() -> str:
    info = Path("/proc/driver/nvidia/version")
    lines = info.read_text(encoding="ascii", errors="replace").splitlines() if info.is_file() else []
    return " ".join(lines[0].split()) if lines else "unknown"


def installed_version(package: str) -> str:
    """Version of a package; ``absent`` where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
