"""Valid input made wrong, from a seeded generator: bytes, protobuf messages, JSON, archives, arguments."""

import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import onnx

COMMON = (2, 3, 4, 5, 7, 8, 16, 32, 48, 64)
EXTREMES = (0, 1, -1, 2, 255, 2**16, 2**31 - 1, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63))
ODD_TEXT = (
    *("", "\0", "\x1b[31m", "é", "x" * 3000, "../../etc/passwd", "=1+1", "nan", "-0", "1e400", "s0 // 0"),
    *("__import__('os').system('touch executed')", "torch.ops.aten.item.default", "builtins.eval"),
)
ODD_NUMBERS = (float("inf"), float("-inf"), float("nan"), 1e308, -1e-308, 0.0)
ONNX_OPS = (
    *("Add", "Concat", "Split", "Reshape", "Resize", "Tile", "Expand", "Gather", "Range", "ConstantOfShape"),
    *("Conv", "Gemm", "MatMul", "LSTM", "Loop", "If", "Scan", "Pad", "Slice", "Shape", "NonZero", "TopK"),
)
ATEN = (
    *("add.Tensor", "remainder.Scalar", "floordiv", "mul.left_t", "str", "zfill", "count", "replace", "item"),
    *("view.default", "expand.default", "cat.default", "conv2d.default", "full.default", "sym_size.int"),
    *(
        "repeat.default",
        "pad.default",
        "embedding.default",
        "arange.default",
        "split.Tensor",
        "_assert_async",
    ),
)


def changed_bytes(source: bytes, generator: random.Random) -> bytes:
    """Flipped, cut, doubled, filled with extreme numbers."""
    content = bytearray(source)
    for _ in range(generator.choice((1, 1, 2, 6))):
        at = generator.randrange(max(len(content), 1))
        act = generator.randrange(5)
        if act == 0 and content:
            content[at % len(content)] ^= 1 << generator.randrange(8)
        elif act == 1:
            del content[at : at + generator.choice((1, 4, 64))]
        elif act == 2:
            content[at:at] = content[at : at + generator.choice((1, 8, 200))]
        elif act == 3:
            content[at : at + 8] = generator.choice(EXTREMES).to_bytes(8, "little", signed=True)
        else:
            del content[at:]
    return bytes(content)


def changed_onnx(source: bytes, generator: random.Random) -> bytes:
    """A file that the protobuf parser takes, with other operators, attributes, shapes and connections."""
    model = onnx.ModelProto.FromString(source)
    for _ in range(generator.choice((1, 1, 2, 4))):
        _change_message(model, generator)
    return bytes(model.SerializeToString())


def _change_message(model: Any, generator: random.Random) -> None:
    graph = model.graph
    node = generator.choice(graph.node)
    names = [name for one in graph.node for name in (*one.input, *one.output)]
    act = generator.randrange(8)
    if act == 0:
        node.op_type = generator.choice(ONNX_OPS)
    elif act == 1 and node.input:
        node.input[generator.randrange(len(node.input))] = generator.choice([*names, *ODD_TEXT])
    elif act == 2:
        _change_attribute(node, generator)
    elif act == 3 and graph.initializer:
        tensor = generator.choice(graph.initializer)
        tensor.dims.append(generator.choice(EXTREMES))
        tensor.ClearField("raw_data")
    elif act == 4 and graph.initializer:
        tensor = generator.choice(graph.initializer)
        if tensor.data_type == onnx.TensorProto.INT64 and tensor.raw_data:
            size = len(tensor.raw_data) // 8
            tensor.raw_data = b"".join(
                generator.choice(EXTREMES).to_bytes(8, "little", signed=True) for _ in range(size)
            )
    elif act == 5:
        dims = generator.choice(graph.input).type.tensor_type.shape.dim
        if dims:
            generator.choice(dims).dim_value = generator.choice(EXTREMES)
    elif act == 6:
        graph.node.append(node)
        graph.node[-1].output[0] = f"again{generator.randrange(10**6)}"
    else:
        del graph.node[generator.randrange(len(graph.node))]
        if not graph.node:
            graph.node.add(op_type="Relu", input=["x"], output=["y"])


def _change_attribute(node: Any, generator: random.Random) -> None:
    if not node.attribute:
        node.attribute.append(onnx.helper.make_attribute("axis", generator.choice(EXTREMES)))
        return
    attribute = generator.choice(node.attribute)
    value = generator.choice(
        [
            generator.choice(EXTREMES),
            [generator.choice(EXTREMES) for _ in range(generator.randrange(1, 5))],
            generator.choice(ODD_NUMBERS),
            generator.choice(ODD_TEXT),
        ]
    )
    attribute.CopyFrom(onnx.helper.make_attribute(attribute.name, value))


def changed_json(source: bytes, generator: random.Random) -> bytes:
    """JSON with some of its values replaced, doubled or taken out."""
    value = json.loads(source)
    for _ in range(generator.choice((1, 1, 2, 4))):
        _change_value(value, generator)
    return json.dumps(value).encode()


def _change_value(value: Any, generator: random.Random) -> None:
    places = list(_places(value))
    if not places:
        return
    holder, key = generator.choice(places)
    act = generator.randrange(4)
    old = holder[key]
    if act == 0 and isinstance(holder, dict):
        del holder[key]
    elif act == 1 and isinstance(old, list) and old:
        holder[key] = old * generator.choice((2, 50))
    elif isinstance(old, str) and old.startswith("torch.ops.aten."):
        holder[key] = f"torch.ops.aten.{generator.choice(ATEN)}"
    else:
        nothings: tuple[Any, ...] = (None, True, [], {}, [[]])
        holder[key] = generator.choice((*EXTREMES, *COMMON, *ODD_TEXT, *ODD_NUMBERS, *nothings))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)


def changed_archive(source: bytes, generator: random.Random) -> bytes:
    """An archive whose JSON is changed, or whose bytes are."""
    if generator.random() < 0.2:
        return changed_bytes(source, generator)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(source)) as archive, zipfile.ZipFile(out, "w") as made:
        for name in archive.namelist():
            content = archive.read(name)
            if name.endswith(".json"):
                content = changed_json(content, generator)
            made.writestr(name, content)
    return out.getvalue()


def command_line(models: list[str], generator: random.Random) -> list[str]:
    """Arguments of ``predict``, some of them odd."""
    sizes = (
        "1",
        "0",
        "-1",
        "3x8x8",
        "3x8x8x8x8",
        "x",
        "1,2",
        ",",
        "9" * 30,
        "3x-1",
        "1e3",
        "٣",
        "3x9999999999x9",
    )
    pools: dict[str, tuple[str, ...]] = {
        "--batch-size": sizes,
        "--input-shape": sizes,
        "--input-type": ("float32", "int64", "relu", "", "__class__", "float32,int64"),
        "--phase": ("infer", "train", "infer,train", "x", ""),
        "--target": ("rtx3090", "nothing", "", "\x1b[0m"),
        "--precision": ("fp32", "amp-fp16", "x"),
        "--confidence": ("0.9", "0", "1", "nan", "inf", "x"),
        "--device-memory": ("1", "0", "-1", "nan", "inf"),
        "--model-timeout": ("10", "0", "-1", "nan", "inf", "x"),
        "--model-memory": ("2", "0", "nan", "1e300"),
        "--format": ("json", "jsonl", "csv", "md", "table", "x"),
    }
    odd = [text for text in ODD_TEXT if text]
    arguments = [generator.choice([*models, *models, *odd]) for _ in range(generator.randrange(1, 4))]
    for option in generator.sample(sorted(pools), generator.randrange(4)):
        arguments += [option, generator.choice(pools[option])]
    generator.shuffle(arguments)
    return arguments


MUTATORS: dict[str, tuple[Callable[[bytes, random.Random], bytes], ...]] = {
    "onnx": (changed_bytes, changed_onnx, changed_onnx),
    "pt2": (changed_archive,),
    "json": (changed_json, changed_json, changed_bytes),
}
