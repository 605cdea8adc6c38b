"""Variants of the ablation: resolved from changes of parameters, refused before anything runs."""

import copy

import pytest
import yaml

from perfseer.cli.schema import Parameters
from perfseer.errors import PerfseerError
from perfseer.studies.ablation.variants import resolve, variant_digests


@pytest.fixture
def mapping(repository):
    return yaml.safe_load((repository / "params.yaml").read_text(encoding="utf-8"))


def study(mapping, variants, **changes):
    """params.yaml with these variants and other keys of the section."""
    changed = copy.deepcopy(mapping)
    changed["ablation"] |= {"variants": variants, **changes}
    return changed


def test_the_base_comes_first_and_carries_its_changes(mapping):
    variants = resolve(mapping)
    assert list(variants) == ["base", *mapping["ablation"]["variants"]]
    settings = variants["base"].parameters["predictors"]["seernet"]
    assert (settings["roofline_input"], settings["roofline_residual"]) == (False, False)
    assert mapping["predictors"]["seernet"]["roofline_input"], "the given mapping is left alone"


def test_a_variant_is_the_base_with_its_changes(mapping):
    variants = resolve(mapping)
    for name, changes in mapping["ablation"]["variants"].items():
        base, variant = variants["base"].fitting, variants[name].fitting
        if "ablation.predictor" not in changes:
            different = [
                f"{section}.{key}"
                for section in ("settings", "training", "labels")
                for key in base[section]
                if base[section][key] != variant[section][key]
            ]
            assert different, name
            assert len(different) <= len(changes), name


def test_a_variant_may_fit_another_predictor_and_other_labels(mapping):
    variant = resolve(mapping)["multi_pcgrad"]
    assert variant.predictor == "seernet_multi"
    assert variant.targets == ("train_time_ms", "train_mem_mib", "infer_time_ms", "infer_mem_mib")
    assert set(resolve(mapping)["base"].targets) < set(variant.targets)


def test_the_variants_that_were_asked_for_are_declared(mapping):
    """One switch each; the issue lists them."""
    changes = [dict(entry) for entry in mapping["ablation"]["variants"].values()]
    for expected in (
        {"predictors.seernet.node_features": False},
        {"predictors.seernet.edge_features": False},
        {"predictors.seernet.global_features": False},
        {"predictors.seernet.aggregation": "max"},
        {"predictors.seernet.aggregation": "mean"},
        {"predictors.seernet.aggregation": "sum"},
        {"predictors.seernet.global_node": False},
        {"predictors.seernet.blocks": 2},
        {"predictors.seernet.blocks": 3},
        {"predictors.seernet.operator_one_hot": True},
        {"predictors.seernet.global_in_edge_update": False},
        {"training.loss": "relative"},
        {"predictors.seernet.roofline_input": True},
        {"predictors.seernet.roofline_residual": True},
    ):
        assert expected in changes
    rules = {entry.get("predictors.seernet_multi.gradients") for entry in changes}
    assert rules == {None, "pcgrad", "sum", "uncertainty"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"predictors.seernet.width": 3}, "predictors.seernet.width"),
        ({"training.loss.name": "mse"}, "training.loss.name"),
        ({"predictors.seernet.blocks": 0}, "predictors.seernet.blocks = 0: Input should be greater"),
        ({"predictors.seernet.aggregation": "median"}, "aggregation = 'median'"),
        ({"predictors.seernet_multi.gradients": "best"}, "gradients = 'best'"),
        ({"training.learning_rate": -1}, "training.learning_rate = -1"),
        ({"labels.time.transform": "sqrt"}, r"labels\.time\.transform = 'sqrt'"),
        ({"zoo.seed": 1}, "zoo.seed has no effect on fitting"),
        ({"splits.headline": "random"}, "splits.headline has no effect"),
        ({"ablation.split": "random"}, "ablation.split has no effect"),
        ({"ablation.predictor": "oracle"}, "no section predictors.oracle"),
        ({"ablation.targets": ["speed"]}, "no targets"),
        ({"ablation.targets": []}, "at least 1"),
    ],
)
def test_a_fault_names_the_variant(mapping, changes, message):
    for check in (resolve, Parameters.from_mapping):
        with pytest.raises(PerfseerError, match=r"ablation\.variants\.odd") as caught:
            check(study(mapping, {"odd": changes}))
        assert message.replace("\\", "") in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"predictors.seernet.blocks": 1},
        # The base fits seernet, so settings of another predictor change nothing.
        {"predictors.seernet_multi.gradients": "sum"},
    ],
)
def test_a_variant_equal_to_the_base_is_refused(mapping, changes):
    with pytest.raises(PerfseerError, match=r"ablation\.variants\.same .* base"):
        resolve(study(mapping, {"same": changes}))


def test_two_equal_variants_are_refused(mapping):
    change = {"predictors.seernet.blocks": 2}
    with pytest.raises(PerfseerError, match=r"ablation\.variants\.b .* a:"):
        resolve(study(mapping, {"a": change, "b": change}))


def test_faults_of_the_base_are_named(mapping):
    with pytest.raises(PerfseerError, match=r"ablation\.base: predictors\.seernet\.blocks = 0"):
        resolve(study(mapping, {}, base={"predictors.seernet.blocks": 0}))
    with pytest.raises(PerfseerError, match=r"called 'base'"):
        resolve(study(mapping, {"base": {"training.loss": "relative"}}))
    unsplit = study(mapping, {}, split="family")
    unsplit["splits"]["names"] = ["architecture", "random"]
    with pytest.raises(PerfseerError, match=r"splits\.names has"):
        Parameters.from_mapping(unsplit)


@pytest.mark.parametrize("name", ["With Space", "a/b", "", "../up"])
def test_a_name_is_a_folder_name(mapping, name):
    with pytest.raises(PerfseerError, match="ablation"):
        resolve(study(mapping, {name: {"training.loss": "relative"}}))


def test_digests_tell_labels_and_changes_apart(mapping, tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    found = {
        name: variant_digests(variant, tmp_path).params
        for name, variant in resolve(
            study(
                mapping,
                {
                    "fewer": {"ablation.targets": ["train_time_ms"]},
                    "loss": {"training.loss": "relative"},
                    "raw": {"labels.time.transform": "identity"},
                },
            )
        ).items()
    }
    assert len(set(found.values())) == 4
    renamed = study(mapping, {"other": {"training.loss": "relative"}})
    assert variant_digests(resolve(renamed)["other"], tmp_path).params == found["loss"]
