"""Answers as Python and as JSON: units, ends of intervals, keys that stay, no NaN."""

import json
import math
from dataclasses import FrozenInstanceError, replace

import pytest
from pydantic import ValidationError

from perfseer.errors import PerfseerError
from perfseer.forecast.document import SCHEMA_VERSION, from_json, json_schema, to_json
from perfseer.forecast.parts import Estimate, Interval, Notice
from perfseer.forecast.prediction import Failure
from tests.helpers.forecasts import IMAGE, R4090, Convolution, law


@pytest.fixture(scope="module")
def answer():
    return law().predict(Convolution(), IMAGE, batch_size=2, target="rtx4090", explain=True)


def test_an_estimate_has_a_unit_and_ends():
    estimate = Estimate("time", 1234.5, "ms", Interval(1000.0, 1500.0, 0.9))
    assert (estimate.low, estimate.high, estimate.confidence) == (1000.0, 1500.0, 0.9)
    assert str(estimate) == "1,230 ms (1,000 to 1,500)"
    bare = Estimate("memory", 0.01234, "MiB")
    assert (bare.low, bare.high, bare.confidence) == (None, None, None)
    assert str(bare) == "0.0123 MiB"


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_an_estimate_is_positive_and_finite(value):
    with pytest.raises(PerfseerError, match="positive finite"):
        Estimate("time", value, "ms")


@pytest.mark.parametrize(("low", "high"), [(2.0, 1.0), (0.0, 1.0), (math.nan, 1.0), (1.0, math.inf)])
def test_the_ends_of_an_interval_are_in_order_and_finite(low, high):
    with pytest.raises(PerfseerError, match="0 < low <= high"):
        Interval(low, high, 0.9)


def test_notices_have_known_codes():
    with pytest.raises(PerfseerError, match="'odd'"):
        Notice("warning", "odd", "what is this?")


def test_an_answer_cannot_be_changed(answer):
    with pytest.raises(FrozenInstanceError):
        answer.phase = "train"


def test_an_answer_in_words_names_model_target_and_numbers(answer):
    expected = 2 * Convolution.KFLOPS * 0.5
    text = str(answer)
    assert text.startswith(f"Convolution, batch 2, inference on {R4090.key}: ")
    assert f" {expected:.3g} ms (" in text
    assert "MiB" in text
    doubts = sum(notice.level == "warning" for notice in answer.warnings)
    assert doubts > 1  # smaller than any model of the training
    assert text.endswith(f"; {doubts} warnings")


def test_keys_and_types_of_the_json(answer):
    row = answer.to_dict()
    assert list(row) == [
        *("input", "phase", "target", "predictions", "memory_fit", "coverage", "warnings"),
        *("provenance", "explanation", "status"),
    ]
    time = row["predictions"][0]
    assert time["metric"] == "time"
    assert time["unit"] == "ms"
    assert time["value"] == pytest.approx(2 * Convolution.KFLOPS * 0.5)
    assert set(time["interval"]) == {"low", "high", "confidence"}
    assert row["input"]["shapes"] == [[2, 3, 8, 8]]
    assert row["input"]["types"] == ["float32"]
    assert row["target"]["device"] == R4090.device
    assert row["provenance"] == {
        "predictor": "law",
        "source": "tests",
        "checkpoint_digest": "0123456789ab",
        "dataset_digest": "d1ge57",
        "commit": "abc1234",
        "perfseer_version": answer.provenance.perfseer_version,
    }


def test_a_document_reads_back_as_it_was(answer):
    failure = Failure("timm:none", "there is no such model", batch_size=4, phase="train")
    text = to_json([answer, failure], answer.provenance, complete=False)
    document = from_json(text)
    assert document.results == (answer, failure)
    assert document.complete is False
    assert json.loads(text)["schema_version"] == SCHEMA_VERSION
    assert "NaN" not in text


def test_other_versions_and_unknown_keys_are_refused(answer):
    value = json.loads(to_json([answer], answer.provenance))
    for changed in (value | {"schema_version": 2}, value | {"more": 1}):
        with pytest.raises(ValidationError):
            from_json(json.dumps(changed))


def test_the_schema_describes_the_document(answer):
    jsonschema = pytest.importorskip("jsonschema")
    without = replace(answer, target=None, memory_fit=None, explanation=None)
    text = to_json([answer, without, Failure("a", "b")], answer.provenance)
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    assert list(validator.iter_errors(json.loads(text))) == []
    spoilt = text.replace('"ms"', '"s"')
    assert list(validator.iter_errors(json.loads(spoilt)))


def test_the_schema_in_the_repository_is_this_one(repository):
    written = (repository / "schemas" / "prediction.schema.json").read_text(encoding="utf-8")
    fresh = json.dumps(json_schema(), indent=1, sort_keys=True) + "\n"
    assert written == fresh, "run: perfseer predict --schema > schemas/prediction.schema.json"
