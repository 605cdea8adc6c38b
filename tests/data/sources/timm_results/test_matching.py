"""Which network each row timed."""

import numpy as np
import pytest

from perfseer.data.building import KEY, NO_GRAPH
from perfseer.data.captures import WRITTEN_BY
from perfseer.data.features import GLOBAL_COLUMNS
from perfseer.data.sources.timm_results.names import MERGED
from perfseer.data.sources.timm_results.source import TimmResults, join
from perfseer.data.sources.timm_results.tables import read_results
from perfseer.errors import PerfseerError
from tests.helpers.timm_files import HEADER, STEM, WIDTHS, millions, row, write


def test_rows_are_joined_to_graphs_at_their_own_batch_size(tmp_path, captures):
    one = read_results(write(tmp_path, row("plain"), row("plain", 1), row("plain", 1024)))
    two = read_results(write(tmp_path, row("plain"), stem=STEM.replace("3090", "4090")))
    joined = join([one, two], captures)
    data = joined.data
    assert len(data) == 4
    assert len(data.graphs) == 3  # the two files share one
    sizes = np.asarray(data.graphs["batch_size"])[data.graph_rows]
    assert sizes.tolist() == data.rows["batch_size"].tolist() == [64, 1, 1024, 64]
    assert data.rows["source"].tolist() == [STEM] * 3 + [STEM.replace("3090", "4090")]
    assert data.rows["configuration"].is_unique
    assert data.targets == ("infer_time_ms",)
    assert data.labels[:, 3].tolist() == [10.0] * 4
    flops = data.features.globals_[data.graph_rows, GLOBAL_COLUMNS.index("total_flops")]
    assert flops[0] == 64 * 2 * 13 * WIDTHS["plain"]
    assert len(joined.refused) == 0


def test_mixed_precision_has_graphs_of_its_own(tmp_path, captures):
    file = read_results(write(tmp_path, row("plain")))
    single, mixed = (join([file], captures, as_measured=flag).data for flag in (False, True))
    assert mixed.graphs["operators"].size > single.graphs["operators"].size  # casts
    assert single.rows["precision"].tolist() == mixed.rows["precision"].tolist() == ["amp-fp16"]


def test_a_file_of_merged_models_is_recognised(tmp_path, captures):
    merged = f"branchy{MERGED}"
    file = read_results(write(tmp_path, row("plain"), row(merged), row("branchy2")))
    refs = join([file], captures).data.rows["model_ref"].tolist()
    assert refs == ["timm:plain", f"timm:{merged}", f"timm:branchy2{MERGED}"]
    file = read_results(write(tmp_path, row("plain"), row("branchy"), row("branchy2")))
    refs = join([file], captures).data.rows["model_ref"].tolist()
    assert refs == ["timm:plain", "timm:branchy", "timm:branchy2"]


def test_models_are_trained_with_their_branches(tmp_path, captures):
    header, stem = HEADER.replace("infer_", "train_"), STEM.replace("infer", "train")
    file = read_results(write(tmp_path, row("branchy"), header=header, stem=stem))
    assert join([file], captures).data.rows["model_ref"].tolist() == ["timm:branchy"]


def test_rows_without_their_graph_are_left_out_with_a_reason(tmp_path, captures):
    wrong = millions(WIDTHS["plain"]) * 1.05
    lines = [row("plain"), row("plain", 2, wrong), "gone,1,1000,1,224,1,1", "gone,1,2000,2,224,1,1"]
    lines += ["new,1,2000,2,224,1,1", "plain,1,4000,4,224,,1"]  # no count published: nothing to compare
    joined = join([read_results(write(tmp_path, *lines))], captures)
    assert joined.data.rows["batch_size"].tolist() == [64, 4]
    assert joined.refused["published"].tolist() == ["plain", "gone", "gone", "new"]
    other, unknown, *uncaptured = joined.refused["reason"]
    assert all(f"{size:.2f}" in other for size in (millions(WIDTHS["plain"]), wrong))
    assert [WRITTEN_BY in reason for reason in (unknown, *uncaptured)] == [True, False, True]


def test_nothing_to_learn_from_is_refused(tmp_path, captures):
    file = read_results(write(tmp_path, "new,1,1000,1,224,1,1"))
    with pytest.raises(PerfseerError, match=WRITTEN_BY):
        join([file], captures)
    with pytest.raises(PerfseerError, match=f"{STEM}, {STEM}"):
        join([file, file], captures)


def test_the_index_names_models_as_the_table_does(tmp_path, captures):
    merged = f"branchy{MERGED}"
    source = TimmResults([write(tmp_path, row("plain"), row(merged), "gone,1,2000,2,224,1,1")])
    source.captures = captures
    graphs, index = source.graphs()
    assert index["model_ref"].tolist() == ["timm:branchy", "timm:gone", "timm:plain"]
    assert index["graph"].tolist() == [1, NO_GRAPH, 0]
    assert index["reason"].notna().tolist() == [False, True, False]
    assert graphs["n_parameters"].tolist() == [13 * WIDTHS[name] for name in ("plain", merged)]
    assert index.set_index(list(KEY)).index.is_unique


def test_files_that_timed_two_networks_under_one_name_have_no_common_index(tmp_path, captures):
    source = TimmResults(
        [
            write(tmp_path, row(f"branchy{MERGED}")),
            write(tmp_path, row("branchy"), stem=STEM.replace("3090", "4090")),
        ]
    )
    source.captures = captures
    with pytest.raises(PerfseerError, match="timm:branchy"):
        source.graphs()
