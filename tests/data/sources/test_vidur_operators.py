"""Vidur's operators through the contract of sources."""

import pandas as pd
import pytest

from perfseer.data.platforms import Platform
from perfseer.data.sources.vidur_operators.source import VidurOperators
from perfseer.errors import PerfseerError
from perfseer.measure.table import read_table, write_table
from tests.helpers.mirrors import needs_mirror

PARTS = (
    *("emb", "input_layernorm", "attn_pre_proj", "attn_rope", "attn_post_proj", "post_attention_layernorm"),
    *("mlp_up_proj", "mlp_act", "mlp_down_proj", "add"),
)
# Llama-3 8B.
SIZES = {
    **{"n_head": 32, "n_kv_head": 8, "n_embd": 4096, "n_expanded_embd": 14336, "vocab_size": 128256},
    **{"use_gated_mlp": True, "num_tokens": 100, "num_tensor_parallel_workers": 2},
}


def row(parts=PARTS, time=0.5, **sizes):
    return {f"time_stats.{part}.median": time for part in parts} | SIZES | sizes


def write(place, *rows, model="Meta-Llama-3-8B", device="a100"):
    folder = place / device / "owner" / model
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / "mlp.csv", index=False)
    return folder / "mlp.csv"


def calls(path):
    return [ref.removeprefix("operator:") for ref in VidurOperators([path]).table["model_ref"]]


def test_a_row_is_the_operators_of_a_block_on_one_of_two_gpus(tmp_path):
    assert calls(write(tmp_path, row())) == [
        "embedding(100->4096,rows=64128)@fp16",
        "rms_norm(100x4096)@fp16",  # both norms are one row
        "linear_no_bias(100x4096->3072)@fp16",  # (32 + 2 x 8) heads of 128, halved
        "rotary(100x20x128)@fp16",
        "linear_no_bias(100x2048->4096)@fp16",
        "linear_no_bias(100x4096->14336)@fp16",  # 2 x 14336, halved
        "silu_and_mul(100x14336)@fp16",
        "linear_no_bias(100x7168->4096)@fp16",
        "add(100x4096,100x4096)@fp16",
    ]


def test_whole_numbers_may_be_written_with_a_point(tmp_path):
    with_points = {name: float(size) for name, size in SIZES.items() if name != "use_gated_mlp"}
    assert calls(write(tmp_path, row(**with_points))) == calls(write(tmp_path / "other", row()))


def test_phi_is_another_block(tmp_path):
    parts = [part for part in PARTS if part != "post_attention_layernorm"]
    sizes = {"n_kv_head": 32, "n_embd": 2560, "n_expanded_embd": 10240, "vocab_size": 51200}
    one = row(parts, use_gated_mlp=False, num_tensor_parallel_workers=1, **sizes)
    assert calls(write(tmp_path, one, model="phi-2")) == [
        "embedding(100->2560,rows=51200)@fp16",
        "layer_norm(100x2560)@fp16",
        "linear(100x2560->7680)@fp16",
        "rotary(100x64x80)@fp16",
        "linear_no_bias(100x2560->2560)@fp16",
        "linear(100x2560->10240)@fp16",
        "gelu(100x10240)@fp16",
        "linear_no_bias(100x10240->2560)@fp16",
        "add(100x2560,100x2560,100x2560)@fp16",
    ]


def test_qwen_has_a_bias_before_attention_alone(tmp_path):
    found = calls(write(tmp_path, row(), model="Qwen-72B"))
    assert [call.partition("(")[0] for call in found if call.startswith("linear")] == [
        "linear",
        "linear_no_bias",
        "linear_no_bias",
        "linear_no_bias",
    ]


def test_rows_say_what_they_were_measured_on(tmp_path):
    paths = [write(tmp_path, row(), device=device) for device in ("a100", "h100")]
    table = VidurOperators(paths).table
    platforms = [platform.key for platform in dict.fromkeys(Platform.of_rows(table))]
    assert platforms == [
        "a100-pcie-80gb-fp16-nchw-eager-torch-unknown",
        "h100-sxm-fp16-nchw-eager-torch-unknown",
    ]
    first = table.iloc[0]
    assert (first["family"], first["input_shape"], first["batch_size"]) == ("embedding", "1", 100)
    assert table["status"].eq("ok").all()
    assert table.set_index("family").loc["rotary", "input_shape"].tolist() == ["20x128"] * 2
    write_table(table, tmp_path / "table.parquet")
    assert read_table(tmp_path / "table.parquet").equals(table)


def test_repeats_are_the_median_of_all(tmp_path):
    source = VidurOperators([write(tmp_path, row(time=0.25), row(time=0.75))])
    assert source.table["infer_time_ms"].eq(0.5).all()
    assert source.table.set_index("family")["infer_iterations"].loc[["rms_norm", "add"]].tolist() == [80, 40]
    assert source.repeats == 2 * len(PARTS) - 9


def test_every_operator_has_a_graph(tmp_path):
    source = VidurOperators([write(tmp_path, row())])
    graphs, index = source.graphs()
    assert len(graphs) == len(index) == len(source.table) == 9
    assert index["reason"].isna().all()
    by_ref = index.set_index("model_ref")["graph"]
    qkv = graphs.graph(by_ref["operator:linear_no_bias(100x4096->3072)@fp16"])
    assert qkv.total_flops == 2 * 100 * 4096 * 3072
    assert qkv.weight_bytes.tolist() == [2 * 4096 * 3072]


def test_rows_that_cannot_be_have_failed_with_a_reason(tmp_path):
    table = VidurOperators([write(tmp_path, row(time=1e-5, num_tokens=4096))]).table
    linear = table[table["family"] == "linear_no_bias"]
    assert linear["status"].eq("error").all()
    assert linear["reason"].str.len().gt(0).all()
    table = VidurOperators([write(tmp_path, row(time=float("nan")))]).table
    assert table["status"].eq("error").all()
    assert table["infer_time_ms"].isna().all()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda frame: frame.drop(columns="n_head"), "n_head"),
        (lambda frame: frame.assign(num_tokens=0), "line 2"),
        (lambda frame: frame.assign(n_embd=1.5), "line 2"),
        (lambda frame: frame.assign(num_tensor_parallel_workers=3), "line 2"),
        (lambda frame: frame.assign(use_gated_mlp="perhaps"), "line 2"),
        (lambda frame: frame[list(SIZES)], "no times"),
        (lambda frame: frame[:0], "no times"),
    ],
)
def test_what_is_no_table_of_operators_is_refused(tmp_path, spoil, told):
    path = write(tmp_path, row())
    spoil(pd.DataFrame([row()])).to_csv(path, index=False)
    with pytest.raises(PerfseerError, match=told):
        VidurOperators([path]).read()


def test_a_file_of_no_known_device_is_refused(tmp_path):
    with pytest.raises(PerfseerError, match="a100 or h100"):
        VidurOperators([write(tmp_path, row(), device="a40")]).read()


def test_some_of_the_rows_are_chosen(tmp_path):
    path = write(tmp_path, *(row(num_tokens=n, time=n / 100) for n in range(1, 50)))
    table = VidurOperators([path], sample=60).table
    assert len(table) == 60
    assert set(table["family"]) == {
        *("embedding", "rms_norm", "linear_no_bias", "rotary", "silu_and_mul", "add"),
    }


@needs_mirror
def test_the_published_rows_are_all_read():
    source = VidurOperators()
    table = source.table
    assert len(source.files) == 14
    assert len(table) + source.repeats == 145_578  # 14,616 lines with nine or ten operators
    assert len(table) == 82_687
    assert table["status"].eq("ok").all()
