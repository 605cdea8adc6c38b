"""A small made-up PerfSeer release, as its authors' tools would have pickled and written it."""

import itertools
import pickle
import zipfile
from pathlib import Path
from typing import Any

import networkx as nx

ARGUMENTS = (
    *("conv_kernel_size", "conv_stride", "conv_padding", "conv_dilation", "conv_groups", "conv_bias"),
    *("linear_in_features", "linear_out_features", "linear_bias"),
    *("pool_kernel_size", "pool_stride", "pool_padding", "pool_ceil_mode"),
)
SIDE = 8


def node(kind: str, batch_size: int, channels: tuple[int, int], weights: int, flops: int) -> dict[str, Any]:
    """The ``feature`` of a node that keeps the image's size; sizes are texts where the release has texts."""
    read, written = channels
    input_size, output_size = (4 * batch_size * c * SIDE * SIDE for c in channels)
    total = input_size + output_size + 4 * weights
    return {
        "type": kind,
        "args": dict.fromkeys(ARGUMENTS, 0)
        | ({"conv_kernel_size": 3, "conv_stride": 1, "conv_padding": 1} if kind == "Conv" else {})
        | ({"conv_dilation": 1, "conv_groups": 1} if kind == "Conv" else {}),
        "memory_info": {
            "bytes": str(total),
            "weight_size": weights,
            "batch_size": batch_size,
            "input_size_with_weight": input_size + weights,
            "input_size": str(input_size),
            **{"input_channels": read, "input_w": SIDE, "input_h": SIDE},
            "output_size": str(output_size),
            **{"output_channels": written, "output_w": SIDE, "output_h": SIDE},
        },
        "flops": flops,
        "arith_intensity": flops / total,
    }


def make_digraph(width: int = 4, batch_size: int = 2) -> nx.DiGraph:
    """Conv, BatchNormalization, Relu, Conv, Add, with a link that skips the second Conv."""
    flops = 2 * 9 * batch_size * SIDE * SIDE * width
    graph = nx.DiGraph()
    layers = [
        ("Conv", (3, width), 27 * width, 3 * flops),
        ("BatchNormalization", (width, width), 4 * width, 0),
        ("Relu", (width, width), 0, 0),
        ("Conv", (width, width), 9 * width * width, width * flops),
        ("Add", (width, width), 0, 0),
    ]
    names = [f"{kind}_{number}" for number, (kind, *_) in enumerate(layers)]
    for name, (kind, channels, weights, count) in zip(names, layers, strict=True):
        graph.add_node(name, feature=node(kind, batch_size, channels, weights, count))
    graph.add_edges_from(itertools.pairwise(names))
    graph.add_edge(names[2], names[4])
    return graph


def label_text(train_ms: float = 1.5, infer_ms: float = 0.5) -> str:
    """Labels with a time per sample, 60 and 70 % utilisation, 2000 and 1500 MiB."""
    phases = {"train": (train_ms, 60.5, 2000), "infer": (infer_ms, 70.25, 1500)}
    texts = {name: f"{t}|{u}|31.5|1400.5|99|45|{m}" for name, (t, u, m) in phases.items()}
    return repr(texts)


def make_files(
    widths: tuple[int, ...] = (4, 6, 8), batch_sizes: tuple[int, ...] = (1, 2)
) -> dict[str, bytes]:
    """Content by name, ``cg/bs1_4.pkl`` and ``label/bs1_4.txt``, for every width and batch size."""
    files: dict[str, bytes] = {}
    for width in widths:
        for size in batch_sizes:
            files[f"cg/bs{size}_{width}.pkl"] = pickle.dumps(make_digraph(width, size), protocol=4)
            files[f"label/bs{size}_{width}.txt"] = label_text(train_ms=width).encode()
    return files


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    """The files below ``root``."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def write_archives(root: Path, files: dict[str, bytes]) -> Path:
    """``cg.zip`` and ``label.zip`` in ``root``, with the files as members."""
    root.mkdir(parents=True, exist_ok=True)
    for part in ("cg", "label"):
        with zipfile.ZipFile(root / f"{part}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                if name.startswith(f"{part}/"):
                    archive.writestr(name, content)
    return root
