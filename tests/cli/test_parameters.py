"""params.yaml is complete, validated, and a fault names the parameter."""

import json

import pytest
import yaml

from perfseer.cli.pipeline import stages_of
from perfseer.cli.schema import Parameters
from perfseer.errors import PerfseerError
from perfseer.evaluation.parameters import training_parameters
from perfseer.parameters import load_mapping, taking_part
from perfseer.studies.ablation.variants import resolve


@pytest.fixture
def mapping(repository):
    return load_mapping(str(repository / "params.yaml"))


def changed(mapping, path, value):
    copy = json.loads(json.dumps(mapping))
    *parents, last = path.split(".")
    inner = copy
    for name in parents:
        inner = inner[name]
    inner[last] = value
    return copy


def test_the_file_is_complete_so_there_are_no_hidden_defaults(mapping):
    assert Parameters.from_mapping(mapping).as_mapping() == mapping


def test_the_schema_in_the_repository_is_the_generated_one(repository):
    stored = json.loads((repository / "workflow/schemas/params.schema.json").read_text())
    assert stored == Parameters.json_schema(), (
        "run: perfseer params schema > workflow/schemas/params.schema.json"
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("predictors.boosting.num_leaves", -3),
        ("predictors.boosting.leaves", 3),
        ("predictors.seernett", {}),
        ("predictors.seernet.aggregation", "median"),
        ("training.learning_rate", 0),
        ("training.learning_rate", float("nan")),
        ("training.learning_rate", "fast"),
        ("training.learning_rate", "0.01"),
        ("training.learning_rate", True),
        ("training.max_epochs", True),
        ("training.max_epochs", "3"),
        ("training.max_epochs", 3.0),
        ("predictors.seernet.global_node", 1),
        ("predictors.seernet.global_node", "yes"),
        ("kernels.time_budget_s", float("nan")),
        ("kernels.time_budget_s", float("inf")),
        ("kernels.time_budget_s", True),
        ("kernels.error_pct", float("nan")),
        ("kernels.error_pct", float("inf")),
        ("kernels.seed", True),
        ("report.grades.fair", float("inf")),
        ("report.grades.fair", True),
        ("report.predictor", "nobody"),
        ("report.reference", "nobody"),
        ("report.beside", ["nobody"]),
        ("report.sample_seed", -1),
        ("report.comparison.resample_seed", -1),
        ("report.samples", 0),
        ("seeds", [-1]),
        ("seeds", [True]),
        ("survey.batch_sizes", [True]),
        ("benchmark.overrides", {"training.max_epochs": float("inf")}),
        ("collect.time_budget_s", -1),
        ("collect.batch_sizes", [0]),
        ("collect.protocol.ci_width", 0),
        ("collect.protocol.confidence", 1.5),
        ("collect.device", "tpu"),
        ("zoo.width", [128, 16]),
        ("zoo.styles", ["transformer"]),
        ("zoo.resolution", "big"),
        ("splits.fractions.train", 0.9),
        ("splits.headline", "nonsense"),
        ("labels.time.transform", "square"),
        ("seeds", []),
        ("seeds", [0, 0]),
        ("sede", [1]),
        ("evaluation.confidence", 95),
    ],
)
def test_a_fault_names_the_parameter(mapping, path, value):
    with pytest.raises(PerfseerError) as caught:
        Parameters.from_mapping(changed(mapping, path, value))
    assert path.split(".")[0] in str(caught.value)
    assert path.split(".")[-1] in str(caught.value)


@pytest.mark.parametrize("section", ["seeds", "zoo", "collect", "predictors", "report"])
def test_a_missing_section_is_named(mapping, section):
    del mapping[section]
    with pytest.raises(PerfseerError, match=section):
        Parameters.from_mapping(mapping)


@pytest.mark.parametrize("text", ["[1, 2]", "just words", "a: [1,", "key: !!python/object:os.system {}"])
def test_what_is_not_a_mapping_is_refused(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(PerfseerError):
        load_mapping(str(path))


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(PerfseerError, match="--params"):
        load_mapping(str(tmp_path / "nowhere.yaml"))


@pytest.mark.parametrize("preset", ["ci", "gpu", "paper"])
def test_every_preset_is_valid_over_the_defaults(repository, mapping, preset):
    overlay = yaml.safe_load((repository / f"workflow/presets/{preset}.yaml").read_text())

    def merged(base, top):
        return {
            key: merged(base[key], top[key])
            if isinstance(top.get(key), dict) and isinstance(base.get(key), dict)
            else top.get(key, base.get(key))
            for key in {*base, *top}
        }

    Parameters.from_mapping(merged(mapping, overlay))


def test_training_parameters_need_only_their_sections(mapping):
    own = {name: mapping[name] for name in ("seeds", "splits", "labels", "training", "evaluation")}
    own["predictors"] = {"roofline": {}}
    parameters = training_parameters(own, "roofline", "architecture")
    assert parameters.seeds == tuple(mapping["seeds"])


@pytest.mark.parametrize(("predictor", "split"), [("oracle", "architecture"), ("roofline", "sideways")])
def test_an_unknown_predictor_or_split_is_named(mapping, predictor, split):
    with pytest.raises(PerfseerError, match=r"oracle|sideways"):
        training_parameters(mapping, predictor, split)


NULLS = {
    "predictors": {"nn_meter": None, "mlp5d": None},
    "ensembles": {"ensemble": None},
    "ablation": {"variants": {"multi_sum": None, "blocks_2": None}},
}


def without(mapping):
    """The parameters with `NULLS` over them, as Snakemake lays presets over params.yaml."""
    copy = json.loads(json.dumps(mapping))
    for section, entries in NULLS.items():
        for name, entry in entries.items():
            copy[section][name] = copy[section][name] | entry if isinstance(entry, dict) else entry
    return copy


def test_what_is_null_takes_part_nowhere(mapping, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(without(mapping)))
    read = load_mapping(str(path))
    assert read == load_mapping(json.dumps(without(mapping)))
    parameters = Parameters.from_mapping(read)
    assert not {"nn_meter", "mlp5d"} & set(parameters.predictor_names)
    assert parameters.ensemble_names == ()
    names = {stage.name for stage in stages_of(read)}
    assert "train-boosting" in names
    assert not {"train-nn_meter", "train-mlp5d", "combine-ensemble"} & names
    variants = set(resolve(read))
    assert "mean" in variants
    assert not {"multi_sum", "blocks_2"} & variants


def test_a_null_that_was_not_taken_out_is_valid_and_takes_no_part(mapping):
    given = without(mapping)
    assert Parameters.from_mapping(given).ensemble_names == ()
    assert set(resolve(given)) == set(resolve(taking_part(given)))


def test_a_list_that_is_null_is_empty_and_a_study_that_is_null_stays():
    found = taking_part({"ensembles": None, "public": None, "seeds": [0], "zoo": {"depth": None}})
    assert found == {"ensembles": {}, "public": None, "seeds": [0], "zoo": {"depth": None}}
