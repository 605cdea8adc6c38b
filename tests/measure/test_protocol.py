import re
from dataclasses import fields

import pytest

from perfseer.errors import PerfseerError
from perfseer.measure.settings import CollectSettings, Protocol
from tests.helpers.places import PARAMS

SECTION = PARAMS["collect"]


def changed(**changes):
    """The shipped section with some keys changed; dots reach into `protocol`."""
    section = {**SECTION, "protocol": dict(SECTION["protocol"])}
    for name, value in changes.items():
        place = section["protocol"] if name in section["protocol"] else section
        place[name] = value
    return section


def test_shipped_parameters_are_complete_and_keep_their_values():
    settings = CollectSettings.from_mapping(SECTION)
    assert settings.batch_sizes == tuple(SECTION["batch_sizes"])
    assert settings.protocol.phase_budget_s == SECTION["protocol"]["phase_budget_s"]
    assert {field.name for field in fields(CollectSettings)} == set(SECTION)
    assert {field.name for field in fields(Protocol)} == set(SECTION["protocol"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device": "tpu"}, "collect.device is 'tpu' (str), expected one of ['cpu', 'cuda']"),
        ({"device": 3}, "collect.device is '3' (int), expected one of ['cpu', 'cuda']"),
        ({"precision": "tf32"}, r"precision is 'tf32', allowed: fp32, bf16 (cpu)"),
        ({"memory_format": "nhcw"}, "memory_format is 'nhcw'"),
        ({"batch_sizes": []}, r"batch_sizes is []"),
        ({"batch_sizes": [1, 1]}, "distinct"),
        ({"batch_sizes": [0, 1]}, "from 1 to 65536"),
        ({"batch_sizes": 8}, "collect.batch_sizes is '8' (int), expected a list"),
        ({"batch_sizes": [1, 2.5]}, r"batch_sizes[1] is '2.5' (float), expected int"),
        ({"batches_per_architecture": 99}, "1 to the number of batch sizes"),
        ({"time_budget_s": 0}, "time_budget_s is 0.0, allowed: above 0"),
        ({"time_budget_s": float("nan")}, "collect.time_budget_s is 'nan' (float), expected a finite number"),
        ({"time_budget_s": "210"}, "collect.time_budget_s is '210' (str), expected float"),
        ({"threads": True}, "threads is 'True' (bool), expected int"),
        ({"ci_width": 0}, "ci_width is 0.0"),
        ({"confidence": 1.0}, "confidence is 1.0"),
        ({"min_iterations": 5}, "min_iterations is 5"),  # min to max of 5 covers only 93.75 %
        ({"max_iterations": 5}, "max_iterations is 5"),
        ({"timeout_s": 0.1}, "timeout_s is 0.1"),
        ({"surprise": 1}, "collect has unknown keys ['surprise']"),
        ({"protocol": None}, "there is no collect.protocol, expected a mapping of settings"),
    ],
)
def test_hostile_parameters_are_refused_by_name_value_and_range(changes, message):
    with pytest.raises(PerfseerError, match=re.escape(message)):
        CollectSettings.from_mapping(changed(**changes))


def test_missing_keys_are_named():
    section = {name: value for name, value in SECTION.items() if name != "threads"}
    with pytest.raises(PerfseerError, match=r"collect .*\[.threads.\]"):
        CollectSettings.from_mapping(section)


def test_whole_numbers_pass_as_seconds():
    assert CollectSettings.from_mapping(changed(time_budget_s=60)).time_budget_s == 60.0


def test_cuda_allows_every_precision():
    for precision in ("fp32", "tf32", "amp-fp16", "bf16"):
        assert (
            CollectSettings.from_mapping(changed(device="cuda", precision=precision)).precision == precision
        )
    with pytest.raises(PerfseerError, match="'fp8'"):
        CollectSettings.from_mapping(changed(device="cuda", precision="fp8"))


def test_where_pydantic_is_installed_it_applies_the_same_rules():
    pydantic = pytest.importorskip("pydantic")
    adapter = pydantic.TypeAdapter(CollectSettings)
    assert adapter.validate_python(SECTION) == CollectSettings.from_mapping(SECTION)
    for changes in ({"surprise": 1}, {"threads": 0}, {"ci_width": 2}):
        with pytest.raises(pydantic.ValidationError):
            adapter.validate_python(changed(**changes))
