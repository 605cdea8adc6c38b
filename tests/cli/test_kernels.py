import json
import re
import shutil
import subprocess
import sys
from itertools import count

import pandas as pd
import pytest
from typer import Typer
from typer.testing import CliRunner

from perfseer.cli.kernels import kernels
from perfseer.errors import PerfseerError
from perfseer.graphs.kernels import CONFIGURATION, FusionRules
from perfseer.measure.kernels import campaign
from perfseer.measure.kernels.table import COLUMNS
from tests.helpers.commands import perfseer
from tests.helpers.places import PARAMS

SECTIONS = {
    "zoo": {**PARAMS["zoo"], "depth": [1, 1], "width": [8, 16], "styles": ["vgg", "resnet"]},
    "collect": {**PARAMS["collect"], "threads": 1, "batch_sizes": [2, 3]},
    "kernels": {
        **PARAMS["kernels"],
        "architectures": 2,
        "time_budget_s": 2,
        "sizes": {"conv": 12, "dwconv": 6, "other": 6},
        "rounds": 1,
        "rounds_share": 0.1,
        "fusion": {**PARAMS["kernels"]["fusion"], "repetitions": 6, "side": 8, "channels_in": 4},
        "protocol": {**PARAMS["kernels"]["protocol"], "phase_budget_s": 0.003},
    },
}

app = Typer()
app.command()(kernels)


def run(folder, *options):
    """The verb with a real worker, by a clock that gives every pair and every phase a tenth of a second."""
    clock = count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(campaign, "_clock", lambda: 0.1 * next(clock))
        command = ["kernels", "--params", json.dumps(SECTIONS), "--out", "k.parquet", "--fusion", "f.json"]
        return perfseer(*command, "--journal", "journal", *options, cwd=folder)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_table_holds_kernels_of_the_networks_with_times_and_costs(measured):
    table = pd.read_parquet(measured[0] / "k.parquet")
    assert list(table.columns) == list(COLUMNS)
    assert {"conv", "batch_norm", "relu", "linear"} & set(table["name"])
    good = table[table["status"] == "ok"]
    assert len(good) > len(table) / 2
    assert (good["train_time_ms"] > 0).all()
    assert (good["infer_time_ms"].isna() == (good["name"] == "optimiser")).all()
    assert (good["bytes"] > 0).all()
    assert set(good["batch"]) <= {0, 2, 3}
    assert not good.duplicated(["name", *CONFIGURATION]).any()


def test_the_rules_say_pair_times_decision_device_and_protocol(measured):
    fusion = json.loads((measured[0] / "f.json").read_text())
    assert {"producer", "consumer", "a_ms", "b_ms", "ab_ms", "saving", "fuses"} <= set(fusion["pairs"][0])
    assert fusion["protocol"]["alpha"] == 0.5
    assert fusion["environment"]["device_kind"] == "cpu"
    assert FusionRules.from_json(fusion["rules"]).multiple_outputs == fusion["multiple_outputs"]["rule"]


def test_results_are_two_lines_on_stdout(measured):
    first, second = measured[1].stdout.splitlines()
    assert first.startswith("f.json: ")
    assert second.startswith("k.parquet: ")


def test_the_same_command_again_measures_nothing_and_gives_the_same_table(measured):
    folder, _ = measured
    before = pd.read_parquet(folder / "k.parquet")
    again = run(folder)
    assert again.returncode == 0, again.stderr
    assert re.search(r"\b0 of them measured", again.stdout)
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "k.parquet"), before)


def first_round(folder):
    """Kernels of the first round; later ones depend on what the forests then did not tell."""
    table = pd.read_parquet(folder / "k.parquet")
    return set(
        table[table["round"] == table["round"].min()][["name", *CONFIGURATION]].itertuples(index=False)
    )


def test_a_larger_budget_goes_on_where_the_first_ended(measured, tmp_path):
    """On a copy: what it adds is none of the other tests' business."""
    folder = shutil.copytree(measured[0], tmp_path / "copy")
    before = first_round(folder)
    more = run(folder, "--time-budget", "3")
    assert more.returncode == 0, more.stderr
    assert first_round(folder) >= before


def test_a_budget_without_time_for_a_kernel_is_refused(tmp_path):
    done = run(tmp_path, "--time-budget", "0.01")
    assert done.returncode == 2
    assert "time_budget_s" in done.stderr
    assert not (tmp_path / "k.parquet").exists()


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, ["--device", "tpu"], "collect.device is 'tpu'"),
        ({}, ["--time-budget", "-1"], "time_budget_s is -1.0"),
        ({"kernels": None}, [], "there is no kernels,"),
    ],
)
def test_what_is_given_wrongly_stops_before_anything_starts(tmp_path, changes, options, message):
    out = ["--out", str(tmp_path / "k.parquet"), "--fusion", str(tmp_path / "f.json")]
    result = CliRunner().invoke(app, ["--params", json.dumps({**SECTIONS, **changes}), *out, *options])
    assert isinstance(result.exception, PerfseerError)
    assert message in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_bare_machine_is_told_what_adaptive_sampling_needs():
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"sklearn", "pydantic", "safetensors", "scipy"}:
            raise ModuleNotFoundError(name=name)
sys.meta_path.insert(0, Block())
import perfseer.measure.kernels.campaign, perfseer.measure.kernels.worker
from perfseer.cli.kernels import _learner
try:
    _learner("cpu")
except Exception as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "kernels.rounds" in done.stdout
