"""Section `source`: paths that its kind needs, and no others."""

import pytest
from pydantic import ValidationError

from perfseer.cli.schema import Parameters
from perfseer.data.settings import SourceSettings
from perfseer.errors import PerfseerError
from tests.helpers.places import PARAMS


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "measured"},
        {"kind": "table", "tables": ["a.parquet", "b.parquet"]},
        {"kind": "table", "tables": ["a.parquet"], "repeats": "r.parquet", "protocol_study": "p.parquet"},
        {"kind": "perfseer_release", "release": "folder"},
        {"kind": "nasbench201", "release": "1080ti_256"},
        {"kind": "timm_results"},
    ],
)
def test_each_kind_takes_its_paths(given):
    assert SourceSettings.model_validate(given).kind == given["kind"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "table"}, "needs source.tables"),
        ({"kind": "perfseer_release"}, "needs source.release"),
        ({"kind": "measured", "tables": ["a.parquet"]}, "takes no tables"),
        ({"kind": "measured", "repeats": "r.parquet"}, "takes no repeats"),
        ({"kind": "perfseer_release", "release": "folder", "repeats": "r"}, "takes no repeats"),
        ({"kind": "nasbench201", "tables": ["a.parquet"]}, "takes no tables"),
        ({"kind": "thin air"}, r"measured, table, .*perfseer_release"),
    ],
)
def test_paths_that_do_not_fit_are_named(given, message):
    with pytest.raises(ValidationError, match=message):
        SourceSettings.model_validate(given)


def test_a_release_that_is_no_published_file_is_a_path(tmp_path):
    own = tmp_path / "own.csv"
    own.write_text("")
    given = [("perfseer_release", "nowhere"), ("timm_results", str(own)), ("nasbench201", "1080ti_256")]
    found = [SourceSettings(kind=kind, release=release) for kind, release in given]
    assert [source.path for source in found] == ["nowhere", str(own), None]
    assert all(source.is_published for source in found)
    assert not SourceSettings(kind="measured").is_published


def test_kernels_of_this_machine_are_not_used_with_a_table_of_another():
    source = {"kind": "table", "tables": ["a.parquet"]}
    with pytest.raises(PerfseerError, match=r"predictors\.nn_meter"):
        Parameters.from_mapping(PARAMS | {"source": source})
    without = PARAMS | {"source": source, "predictors": PARAMS["predictors"] | {"nn_meter": None}}
    assert "nn_meter" not in Parameters.from_mapping(without).predictor_names


@pytest.mark.parametrize(
    ("kind", "lacking"), [("timm_results", "train_mem_mib"), ("nasbench201", "train_time_ms")]
)
def test_a_source_that_lacks_labels_stops_before_any_job(kind, lacking):
    predictors = {name: own for name, own in PARAMS["predictors"].items() if "nn_meter" not in name}
    with pytest.raises(PerfseerError, match=lacking):
        Parameters.from_mapping(PARAMS | {"source": {"kind": kind}, "predictors": predictors})
