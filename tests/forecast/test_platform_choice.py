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


@pytest.mark.parametrize("platform", [*TRAINED, replace(CPU, units=8), replace(R3090, mode="cuda-graphs")])
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
    assert codes(chosen) == [("warning", "target_not_trained"), ("note", "software_assumed")]
    assert not chosen.trained_on


def test_a_trained_device_in_an_untrained_setting_too():
    chosen = KNOWN.choose("rtx4090", "infer", Wanted(precision="fp32", mode="compiled"))
    assert chosen.platform == replace(R4090, precision="fp32", mode="compiled")
    assert codes(chosen) == [("warning", "target_not_trained"), ("note", "software_assumed")]


# -- software ---------------------------------------------------------------------------------------------


def test_a_version_that_was_trained_with_is_taken():
    for named in ("1.12", "torch1.12", "torch 1.12.1 cu116"):
        chosen = KNOWN.choose("rtx3090", "train", Wanted(software=named))
        assert (chosen.platform, chosen.trained_on, codes(chosen)) == (R3090_OLD, True, [])


def test_by_name_alone_the_newest_that_knows_the_phase_is_taken():
    newer = replace(R3090, software="torch 2.9.1 cu128")
    known = replace(KNOWN, trained=(*TRAINED, newer))
    assert known.choose("rtx3090", "infer", Wanted()).platform == newer
    only_training = replace(known, phases={**known.phases, newer.key: ("train",)})
    assert only_training.choose("rtx3090", "infer", Wanted()).platform == R3090


@pytest.mark.parametrize(
    ("named", "nearest"), [("2.6", R3090), ("2.3", R3090), ("1.13", R3090), ("2.40", R3090)]
)
def test_a_version_nobody_measured_is_answered_for_by_the_nearest_on_the_device(named, nearest):
    chosen = KNOWN.choose("rtx3090", "infer", Wanted(software=named))
    assert chosen.platform == replace(nearest, software=f"torch {named}")
    assert chosen.stand_in == nearest
    assert not chosen.trained_on
    assert codes(chosen) == [("warning", "target_not_trained")]
    assert nearest.key in chosen.notices[0].message
    by_default = KNOWN.choose(None, "infer", Wanted(software=named))
    assert (by_default.platform, by_default.stand_in) == (chosen.platform, nearest)
    assert codes(by_default) == [("note", "target_chosen"), ("warning", "target_not_trained")]


def test_a_version_known_in_the_other_phase_alone_is_answered_for_by_the_nearest_too():
    for target in ("rtx3090", None):
        chosen = KNOWN.choose(target, "infer", Wanted(software="1.12"))
        assert (chosen.stand_in, chosen.trained_on) == (R3090, False)
        assert chosen.platform == replace(R3090, software="torch 1.12")
    only_old = replace(KNOWN, trained=(R3090_OLD, R4090, CPU))
    chosen = only_old.choose("rtx3090", "infer", Wanted(software="1.12"))
    assert (chosen.platform, codes(chosen)) == (R3090_OLD, [("warning", "phase_not_trained")])


def test_of_two_versions_the_nearer_one_that_knows_the_phase_answers():
    old = replace(R3090, software="torch 2.1.0 cu121")
    known = replace(KNOWN, trained=(*TRAINED, old))
    assert known.choose("rtx3090", "infer", Wanted(software="2.2")).stand_in == old
    assert known.choose("rtx3090", "infer", Wanted(software="2.3")).stand_in == R3090
    blind = replace(known, phases={**known.phases, old.key: ("train",)})
    assert blind.choose("rtx3090", "infer", Wanted(software="2.2")).stand_in == R3090


def test_training_on_a_device_nobody_measured_is_under_current_software():
    only_old = {platform.key: ("infer",) for platform in TRAINED} | {R3090_OLD.key: ("train",)}
    known = replace(KNOWN, phases=only_old)
    chosen = known.choose("rtx3080", "train", Wanted())
    assert chosen.platform is not None
    assert chosen.platform.software == R3090.software
    assert codes(chosen) == [("warning", "target_not_trained"), ("note", "software_assumed")]
    said = chosen.notices[1].message
    assert "torch 2.4" in said
    assert "learnt under torch 1.12" in said
    asked = known.choose("rtx3080", "train", Wanted(software="1.12"))
    assert asked.platform is not None
    assert asked.platform.software == "torch 1.12"
    assert codes(asked) == [("warning", "target_not_trained")]


def test_a_key_and_another_version_contradict_each_other():
    for wanted in (Wanted(software="2.6"), Wanted(precision="fp32")):
        with pytest.raises(PerfseerError, match=R3090.key):
            KNOWN.choose(R3090.key, "infer", wanted)
    assert KNOWN.choose(R3090.key, "infer", Wanted(software="2.4")).platform == R3090


def test_a_predictor_of_one_platform_answers_for_no_other_version():
    with pytest.raises(PerfseerError, match=r"torch 2\.6"):
        Platforms((R4090,), {}, None, shared=False).choose("rtx4090", "infer", Wanted(software="2.6"))


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


def test_replayed_steps_are_those_of_the_eager_platform():
    chosen = KNOWN.choose("rtx3090", "infer", Wanted(mode="cuda-graphs"))
    assert (chosen.platform, chosen.stand_in) == (replace(R3090, mode="cuda-graphs"), R3090)
    assert ("warning", "cuda_graphs_assumed") in codes(chosen)
    assert not chosen.trained_on
    unseen = KNOWN.choose("h100", "infer", Wanted(mode="cuda-graphs"))
    assert unseen.platform == replace(unseen.stand_in, mode="cuda-graphs")
    assert unseen.stand_in == KNOWN.choose("h100", "infer", Wanted(mode="eager")).platform
    with pytest.raises(PerfseerError, match="expected a GPU"):
        KNOWN.choose("Core i9-12900K", "infer", Wanted(mode="cuda-graphs"))
