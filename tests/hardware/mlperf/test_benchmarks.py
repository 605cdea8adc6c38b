"""Names of benchmarks: canonical, by round, known or not."""

import pandas as pd
import pytest

from perfseer.hardware.mlperf.benchmarks import BENCHMARK_COLUMNS, asked, benchmarks, family_of


@pytest.mark.parametrize(
    ("published", "of_round", "name", "target", "version", "family", "counts"),
    [
        ("resnet", "v5.1", "resnet50", "", "1", "classification", "samples"),
        ("resnet50", "v0.7", "resnet50", "", "1", "classification", "samples"),
        ("ssd-small", "v1.0", "ssd-mobilenet", "", "1", "detection", "samples"),
        ("bert-99.9", "v2.1", "bert", "99.9", "1", "language", "samples"),
        ("bert-99", "v2.1", "bert", "99", "1", "language", "samples"),
        ("3d-unet-99", "v1.1", "3d-unet", "99", "1", "segmentation", "samples"),  # BraTS
        ("3d-unet-99", "v2.0", "3d-unet", "99", "2", "segmentation", "samples"),  # KiTS19
        ("dlrm-99.9", "v3.0", "dlrm", "99.9", "1", "recommendation", "samples"),
        ("dlrm-99.9", "v3.1", "dlrm-v2", "99.9", "2", "recommendation", "samples"),
        ("dlrm-v2-99", "v5.1", "dlrm-v2", "99", "2", "recommendation", "samples"),
        ("llama3_1-405b", "v5.1", "llama3.1-405b", "", "1", "generation", "tokens"),
        ("llama3_1-70b-fp8_dyn", "v5.1", "llama3.1-70b-fp8_dyn", "", "1", "generation", None),
        ("gptj-99", "v4.1", "gptj", "99", "1", "generation", "tokens"),
        ("gptj-99", "v3.1", "gptj", "99", "1", "generation", None),  # was counted in queries then
        ("whisper", "v5.1", "whisper", "", "1", "speech", "tokens"),
        ("gpt-oss-120b", "v6.0", "gpt-oss-120b", "", "1", "generation", None),
        ("yolo-95", "v6.0", "yolo", "95", "1", "detection", None),
        ("mobilenet-v2-precision_float-1.0-96", "v3.0", "mobilenet-v2-precision_float-1.0-96", "", "1",
         "classification", None),
        ("nobody-knows", "v9.0", "nobody-knows", "", "1", "other", None),
    ],
)  # fmt: skip
def test_what_a_name_asks_for(published, of_round, name, target, version, family, counts):
    found = asked(published, of_round)
    assert (found.benchmark, found.accuracy_target, found.version) == (name, target, version)
    assert (found.family, found.counts) == (family, counts)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("ssd-resnet50-v1-fpn", "detection"),
        ("mobilebert-base", "language"),
        ("ssd-mobilenet", "detection"),
        ("efficientnet-lite4", "classification"),
        ("dlrm-v3", "recommendation"),
    ],
)
def test_family_by_the_first_word_that_decides(name, family):
    assert family_of(name) == family


def test_table_of_benchmarks_has_figures_only_with_a_source():
    table = benchmarks()
    assert list(table.columns) == list(BENCHMARK_COLUMNS)
    figures = table[["parameters", "active_parameters", "model_flops"]].notna().any(axis=1)
    assert (table["source"] != "")[figures].all()
    assert (table["source"] == "")[~figures].all()
    assert not table.duplicated(["name", "version"]).any()
    llama = table.set_index("name").loc["llama2-70b"]
    assert llama["model_flops"] == 2 * llama["active_parameters"] == 140e9
    assert table.set_index("name").loc["mixtral-8x7b", "model_flops"] == 26e9


def test_flops_of_bert_follow_from_its_size():
    # 54 % of the 384 tokens are padding.
    layers, width, tokens = 24, 1024, round(0.46 * 384)
    flops = 2 * 12 * width**2 * layers * tokens + 4 * tokens**2 * width * layers
    assert benchmarks().set_index("name").loc["bert", "model_flops"] == pytest.approx(flops, rel=1e-3)


def test_benchmarks_that_only_occur_in_results_are_added():
    rows = pd.DataFrame(
        {
            "benchmark": ["new", "new", "bert"],
            "benchmark_version": "1",
            "family": ["other", "other", "language"],
            "metric": ["tokens_per_s", "latency_p90_s", "samples_per_s"],
        }
    )
    table = benchmarks(rows)
    assert len(table) == len(benchmarks()) + 1
    new = table.set_index("name").loc["new"]
    assert (new["metric"], new["family"], new["source"]) == ("tokens_per_s", "other", "")
    assert pd.isna(new["model_flops"])
