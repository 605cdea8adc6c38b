"""Which platform a name means: a key, a device, a device nobody measured, or nothing."""

from dataclasses import replace

import pandas as pd
import pytest

from perfseer.data.platforms import Platform
from perfseer.errors import PerfseerError
from perfseer.forecast.asking import platform_row
from perfseer.forecast.platform_choice import Platforms, Wanted
from tests.helpers.forecasts import CPU, R3090, R3090_NHWC, R3090_OLD, R4090

TRAINED = (R3090_OLD, R3090_NHWC, R3090, R4090, CPU)
KNOWN = Platforms(TRAINED, {R3090_OLD.key: ("train",), R3090.key: ("infer",)}, R3090.key, shared=True)


def codes(chosen):
    return [(notice.level, notice.code) for notice in chosen.notices]


@pytest.mark.parametrize("platform", [*TRAINED, replace(CPU, units=8)])
def test_the_row_of_a_platform_names_that_platform(platform):
    assert Platform.of_rows(pd.DataFrame([platform_row(platform)])) == [platform]


@pytest.mark.parametrize("name", ["rtx3090", "RTX 3090", "NVIDIA GeForce RTX 3090"])
def test_a_device_by_any_name_is_its_usual_platform(name):
    chosen = KNOWN.choose(name, "infer", Wanted())
    assert chosen.platform == R3090
    assert chosen.trained_on
    assert codes(chosen) == [("note", "target_chosen")]
    assert R3090_NHWC.key in chosen.notices[0].message


def test_the_platform_that_knows_the_phase_is_taken():
    assert KNOWN.choose("rtx3090", "train", Wanted()).platform == R3090_OLD


def test_a_key_is_taken_as_it_is_and_said_if_it_lacks_the_phase():
    exact = KNOWN.choose(R4090.key, "train", Wanted())
    assert (exact.platform, codes(exact)) == (R4090, [])
    other = KNOWN.choose(R3090.key, "train", Wanted())
    assert (other.platform, codes(other)) == (R3090, [("warning", "phase_not_trained")])
    assert not other.trained_on


def test_what_is_wanted_narrows():
    chosen = KNOWN.choose("rtx3090", "infer", Wanted(memory_format="nhwc"))
    assert (chosen.platform, codes(chosen)) == (R3090_NHWC, [])


def test_without_a_target_the_default_answers():
    assert KNOWN.choose(None, "infer", Wanted()).platform == R3090
    # the default was never trained on
    assert KNOWN.choose(None, "train", Wanted()).platform == R3090_OLD
    assert KNOWN.choose(None, "infer", Wanted(mode="compiled")).platform == CPU
    single = Platforms((R4090,), {}, None, shared=False).choose(None, "infer", Wanted())
    assert (single.platform, single.notices) == (R4090, ())


def test_a_device_nobody_measured_is_answered_for_with_a_warning():
    chosen = KNOWN.choose("rtx3080", "infer", Wanted())
    assert chosen.platform is not None
    assert chosen.platform.device.endswith(" RTX 3080")
    assert (chosen.platform.precision, chosen.platform.mode) == ("amp-fp16", "eager")
    assert codes(chosen) == [("warning", "target_not_trained")]
    assert not chosen.trained_on


def test_a_trained_device_in_an_untrained_setting_too():
    chosen = KNOWN.choose("rtx4090", "infer", Wanted(precision="fp32", mode="compiled"))
    assert chosen.platform == replace(R4090, precision="fp32", mode="compiled")
    assert codes(chosen) == [("warning", "target_not_trained")]


def test_unknown_devices_are_refused_with_what_there_is():
    with pytest.raises(PerfseerError, match=r"'abacus': .*rtx3090-"):
        KNOWN.choose("abacus", "infer", Wanted())


def test_a_predictor_of_one_platform_answers_for_no_other():
    with pytest.raises(PerfseerError, match=r"rtx4090-.*calibrate"):
        Platforms((R4090,), {}, None, shared=False).choose("rtx3090", "infer", Wanted())


def test_a_predictor_that_does_not_say_answers_for_no_target():
    silent = Platforms((), {}, None, shared=False)
    assert silent.choose(None, "infer", Wanted()).platform is None
    with pytest.raises(PerfseerError, match="not say"):
        silent.choose("rtx3090", "infer", Wanted())
    with pytest.raises(PerfseerError, match="fp32"):
        silent.choose(None, "infer", Wanted(precision="fp32"))


def test_what_is_wanted_is_checked():
    with pytest.raises(PerfseerError, match=r"'fp12' .*fp32"):
        Wanted(precision="fp12")
    with pytest.raises(PerfseerError, match=r"bf16 .*inference"):
        KNOWN.choose(None, "infer", Wanted(precision="bf16"))
