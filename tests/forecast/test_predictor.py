"""Asking a fitted predictor: numbers, phases, targets, failures, provenance, and nothing left behind."""

import gc
import json
import os
import re
import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import perfseer
from perfseer.errors import PerfseerError
from perfseer.forecast.ask import Ask
from perfseer.forecast.card import Card, HeldOut, read_card, write_card
from perfseer.forecast.host_clock import FASTEST_US
from perfseer.forecast.inputs import Feed
from perfseer.forecast.models import ModuleModel
from perfseer.forecast.prediction import Failure, Prediction
from perfseer.forecast.predictor import Predictor
from perfseer.forecast.shelf import checkpoint_digest, find, saved_in, shipped
from perfseer.forecast.software import DRIFT
from perfseer.forecast.strangeness import STRANGE_COLUMNS
from perfseer.forecast.transfer import Regime, Transfer
from perfseer.graphs.capture import capture
from tests.helpers.forecasts import (
    CPU,
    IMAGE,
    R3090,
    R3090_OLD,
    R4090,
    Convolution,
    LawPredictor,
    law,
    save_roofline,
)
from tests.helpers.synthetic_graphs import make_dataset

KFLOPS = Convolution.KFLOPS
SMALL = Feed(shapes=((3, 8, 8),))


@pytest.fixture(scope="module")
def predictor():
    return law()


def codes(answer: Prediction) -> set[str]:
    return {notice.code for notice in answer.warnings}


# -- numbers ----------------------------------------------------------------------------------------------


def test_numbers_are_the_predictors(predictor):
    answer = predictor.predict(Convolution(), IMAGE, batch_size=4, confidence=0.8)
    assert answer.target.key == R3090.key
    assert answer.time.value == pytest.approx(4 * KFLOPS)
    assert answer.time.unit == "ms"
    assert (answer.time.low, answer.time.high) == pytest.approx((4 * KFLOPS * 0.6, 4 * KFLOPS * 1.8))
    assert answer.time.confidence == 0.8
    assert answer.utilisation is None


def test_phase_and_target_decide(predictor):
    train = predictor.predict(Convolution(), IMAGE, phase="train")
    assert train.target.key == R3090_OLD.key
    assert train.time.value == pytest.approx(3 * KFLOPS)
    faster = predictor.predict(Convolution(), IMAGE, target="rtx4090")
    assert faster.time.value == pytest.approx(0.5 * KFLOPS)
    unseen = predictor.predict(Convolution(), IMAGE, target="rtx3080")
    assert unseen.time.value == pytest.approx(2 * KFLOPS)
    assert not unseen.target.trained_on
    assert "target_not_trained" in codes(unseen)
    slow = predictor.predict(Convolution(), IMAGE, mode="compiled")
    assert slow.target.key == CPU.key


def test_examples_may_be_keywords_and_integers(predictor):
    class Text(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.head = nn.Embedding(50, 8), nn.Linear(8, 3, bias=False)

        def forward(self, *, tokens, normalise=True):
            return self.head(self.words(tokens))

    tokens = torch.zeros(1, 6, dtype=torch.int64)
    answer = predictor.predict(Text(), {"tokens": tokens, "normalise": False}, batch_size=2)
    assert answer.time.value == pytest.approx(2 * 6 * 2 * 8 * 3 / 1e3)
    assert answer.input.types == ("int64",)


def test_the_model_may_be_a_name_a_file_or_a_graph(predictor):
    named = predictor.predict("module:tests.helpers.forecasts.Convolution", IMAGE)
    graph = predictor.predict(capture(Convolution(), (IMAGE,)))
    module = predictor.predict(Convolution(), IMAGE)
    assert named.time == graph.time == module.time
    assert named.model == "module:tests.helpers.forecasts.Convolution"


def test_memory_is_computed_where_it_was_not_learnt(predictor):
    answer = predictor.predict(Convolution(), IMAGE)
    assert answer.memory.unit == "MiB"
    assert answer.memory.low < answer.memory.value < answer.memory.high
    assert answer.memory_fit.probability > 0.9  # a thousand numbers on 24 GiB
    assert "memory_may_not_fit" not in codes(answer)


def test_what_does_not_fit_is_said(predictor):
    ask = Ask(batch_sizes=(64,), phases=("train",), feed=SMALL, device_memory_bytes=2**20)
    (answer,) = predictor.predict_many([Convolution()], ask)
    assert answer.memory_fit.probability < 0.1
    assert "memory_may_not_fit" in codes(answer)
    assert answer.doubtful


def test_explanations_share_out_the_time(predictor):
    answer = predictor.predict(Convolution(), IMAGE, explain=True)
    shares = {entry.operator: entry for entry in answer.explanation.operators}
    conv = 2 * 27 * 4 * 64 / (1e3 * KFLOPS)
    assert shares["conv"].time_share == pytest.approx(conv)
    assert shares["conv"].flops_share == pytest.approx(conv)
    assert shares["linear"].time_share == pytest.approx(1 - conv)
    assert sum(entry.bytes_share for entry in shares.values()) == pytest.approx(1)
    assert answer.explanation.operators[0].operator == "conv"
    assert [reason.split()[0] for reason in answer.explanation.widened] == ["infer_time_ms"]
    assert predictor.predict(Convolution(), IMAGE).explanation is None


# -- what is new about a model ----------------------------------------------------------------------------


def test_unknown_operators_are_counted_with_their_share(predictor):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            return self.layer(x).erfinv().erfinv()

    coverage = predictor.predict(Odd(), torch.empty(1, 4)).coverage
    assert coverage.unknown_operators == {"erfinv": 2}
    assert coverage.unknown_calls_share == pytest.approx(2 / 3)
    # linear moves 16 + 80 + 16 bytes, each of the two others 32
    assert coverage.unknown_bytes_share == pytest.approx(64 / 176)
    assert coverage.unknown_flops_share == 0


@pytest.fixture
def foreign_operator():
    """An operator of somebody's own that shares its name with one of torch's."""
    with torch.library._scoped_library("perfseer_test_foreign", "DEF") as library:
        library.define("linear(Tensor x) -> Tensor")
        library.impl("linear", torch.empty_like, "Meta")
        yield lambda x: torch.ops.perfseer_test_foreign.linear(x)


def test_what_an_operator_from_elsewhere_computes_is_unknown(predictor, foreign_operator):
    class Custom(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            return foreign_operator(self.layer(x))

    answer = predictor.predict(Custom(), torch.empty(1, 4), explain=True)
    assert answer.coverage.unknown_operators == {"perfseer_test_foreign.linear": 1}
    assert answer.coverage.unknown_flops_share is None
    assert answer.to_dict()["coverage"]["unknown_flops_share"] is None
    (text,) = (notice.message for notice in answer.warnings if notice.code == "unknown_operators")
    assert "0 % of the FLOPs" not in text
    assert "unknown share of the FLOPs" in text
    shares = {entry.operator: entry.flops_share for entry in answer.explanation.operators}
    assert shares == {"linear": 1, "other": None}


def test_what_a_transform_computes_is_unknown_and_a_movement_nothing(predictor):
    class Transformed(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.layer, self.function = nn.Linear(4, 4), function

        def forward(self, x):
            return self.function(self.layer(x))

    for function, share in (
        (torch.fft.fft, None),
        (torch.linalg.inv, None),
        (torch.triu, 0),
        (torch.erfinv, 0),
    ):
        answer = predictor.predict(Transformed(function), torch.empty(4, 4))
        assert answer.coverage.unknown_flops_share == share


def test_operators_and_ranges_that_training_had_not(predictor):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Softmax(1))
    answer = predictor.predict(model, torch.empty(1, 3, 64, 64), batch_size=4096)
    assert {"unseen_operators", "batch_outside_training_range", "outside_training_range"} <= codes(answer)
    text = {notice.code: notice.message for notice in answer.warnings}
    assert "softmax (1x)" in text["unseen_operators"]
    assert "4096" in text["batch_outside_training_range"]
    batch = next(entry for entry in answer.coverage.outside if entry.feature == "batch_size")
    assert (batch.value, batch.highest) == (4096, predictor.model.range_.highest["batch_size"])


def test_inference_does_not_care_about_the_backward_pass(predictor):
    model, inputs = nn.Sequential(nn.Conv2d(3, 8, 3)), torch.empty(1, 3, 64, 64)
    infer = predictor.predict(model, inputs).coverage.outside
    train = predictor.predict(model, inputs, phase="train").coverage.outside
    assert not [entry.feature for entry in infer if "backward" in entry.feature or "train" in entry.feature]
    assert [entry.feature for entry in train if "backward" in entry.feature]


def test_a_model_that_cannot_be_trained_is_answered_for_in_inference(predictor):
    class Detached(Convolution):
        def forward(self, x):
            return super().forward(x).detach()

    ask = Ask(phases=("infer", "train"), feed=SMALL)
    infer, train = predictor.predict_many([Detached()], ask)
    assert infer.time.value == pytest.approx(KFLOPS)
    assert "backward_missing" in codes(infer)
    assert isinstance(train, Failure)
    assert (train.phase, train.batch_size) == ("train", None)
    assert "backward=False" in train.error


def test_a_predictor_that_needs_no_backward_pass_gets_none():
    asked = []

    class Watched(ModuleModel):
        def captured(self, batch_size, *, backward, **how):
            asked.append(backward)
            return super().captured(batch_size, backward=backward, **how)

    model = Watched("watched", Convolution(), (IMAGE,))
    law(forward_suffices=True).predict(model)
    law(forward_suffices=False).predict(model)
    list(law(forward_suffices=True).predict_many([model], Ask(phases=("infer", "train"))))
    assert asked == [False, True, False, True]


def test_a_predictor_of_graphs_as_they_run_gets_them_so():
    predictor = law()
    predictor.model.graphs_as_run = True
    asked = []

    class Watched(ModuleModel):
        def captured(self, batch_size, *, precision, **how):
            asked.append(precision)
            return super().captured(batch_size, precision=precision, **how)

    targets = (R4090.key, CPU.key, R3090.key)
    model = Watched("watched", Convolution(), (IMAGE,))
    answers = list(predictor.predict_many([model], Ask(targets=targets)))
    assert asked == [R4090.precision, "fp32"]
    assert [answer.target.key for answer in answers] == list(targets)
    assert [answer.input.nodes for answer in answers] == [6, 3, 6]  # three casts under autocast


# -- many -------------------------------------------------------------------------------------------------


def test_many_questions_are_answered_in_order(predictor):
    ask = Ask((1, 2), ("infer", "train"), ("rtx4090", "rtx3080"), feed=SMALL)
    answers = list(predictor.predict_many([Convolution(), "module:tests.helpers.forecasts.Convolution"], ask))
    first = [(a.model, a.batch_size, a.phase, a.target.key) for a in answers[:8]]
    other = answers[1].target.key
    assert first == [
        ("Convolution", batch, phase, key)
        for batch in (1, 2)
        for phase in ("infer", "train")
        for key in (R4090.key, other)
    ]
    assert [a.time for a in answers[8:]] == [a.time for a in answers[:8]]


def test_one_bad_model_does_not_stop_the_others(predictor, tmp_path):
    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError("jammed")

    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    models = [
        "nonsense",
        Broken(),
        tmp_path / "broken.onnx",
        "module:tests.helpers.forecasts.Nothing",
        Convolution(),
    ]
    answers = list(predictor.predict_many(models, Ask(feed=SMALL)))
    assert [type(answer) for answer in answers] == [Failure] * 4 + [Prediction]
    assert "'nonsense'" in answers[0].error
    assert "jammed" in answers[1].error
    assert answers[2].model == str(tmp_path / "broken.onnx")
    assert "'Nothing'" in answers[3].error
    with pytest.raises(PerfseerError, match="jammed"):
        predictor.predict(Broken(), IMAGE)


def test_a_batch_size_that_fails_leaves_the_others(predictor):
    class Even(Convolution):
        def forward(self, x):
            if x.shape[0] % 2:
                raise ValueError("odd batches are not for me")
            return super().forward(x)

    answers = list(predictor.predict_many([Even()], Ask((2, 3, 4), feed=SMALL)))
    assert [answer.status for answer in answers] == ["ok", "error", "ok"]
    assert answers[1].batch_size == 3


def test_a_prediction_that_is_no_number_is_a_failure_of_that_model(predictor):
    class Nothing(nn.Module):
        """Does no arithmetic, so that the law says 0 ms."""

        def forward(self, x):
            return x.clone()

    models = [Nothing(), Convolution()]
    answers = list(predictor.predict_many(models, Ask(feed=SMALL)))
    assert [answer.status for answer in answers] == ["error", "ok"]
    assert "not finite" in answers[0].error


def test_models_are_dropped_one_by_one(predictor):
    alive = weakref.WeakSet()

    def models():
        for _ in range(4):
            model = Convolution()
            alive.add(model)
            yield model
            del model

    most = 0
    for _ in predictor.predict_many(models(), Ask(feed=SMALL)):
        gc.collect()
        most = max(most, len(alive))
    assert most <= 2
    gc.collect()
    assert len(alive) == 0


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")  # noqa: PTH110
def test_many_models_take_no_more_memory_than_a_few(predictor):
    def resident_pages() -> int:
        gc.collect()
        with open("/proc/self/statm") as stream:  # noqa: PTH123
            return int(stream.read().split()[1])

    def ask(n: int) -> None:
        assert sum(1 for _ in predictor.predict_many((Convolution() for _ in range(n)), Ask(feed=SMALL))) == n

    ask(20)
    before = resident_pages()
    ask(100)
    assert (resident_pages() - before) * os.sysconf("SC_PAGE_SIZE") < 16 * 2**20


def test_faults_of_the_question_come_before_any_model(predictor):
    def models():
        raise AssertionError("no model may be opened")
        yield

    with pytest.raises(PerfseerError, match="'abacus'"):
        predictor.predict_many(models(), Ask(targets=("abacus",)))
    predictor_of_times = law(targets=("infer_time_ms",))
    with pytest.raises(PerfseerError, match=r"train; .*infer"):
        predictor_of_times.predict_many(models(), Ask(phases=("train",)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"batch_sizes": (0,)}, r"batch sizes \[0\], expected at least 1"),
        ({"phases": ("test",)}, "no phases test; there are infer and train"),
        ({"confidence": 1.0}, "a confidence of 1.0"),
        ({"targets": ()}, "no targets were given"),
        ({"device_memory_bytes": -1.0}, "device memory of -1.0 bytes"),
    ],
)
def test_questions_are_checked(given, message):
    with pytest.raises(PerfseerError, match=message):
        Ask(**given)


# -- saved predictors -------------------------------------------------------------------------------------


def test_a_saved_predictor_answers_with_its_provenance(tmp_path):
    folder = save_roofline(tmp_path / "run" / "model")
    for name in (folder, folder.parent, str(folder)):
        loaded = perfseer.Predictor.load(name)
        answer = loaded.predict(Convolution(), IMAGE, phase="train")
        assert answer.target is None
        assert answer.time is not None
        assert answer.memory is not None
        assert answer.memory_fit is None
        assert answer.provenance.source == str(name)
        assert answer.provenance.checkpoint_digest == checkpoint_digest(folder)
        assert answer.provenance.commit is None
    assert saved_in(tmp_path) == [folder]


def test_the_digest_is_of_the_predictor_and_not_of_its_card(tmp_path):
    folder = save_roofline(tmp_path)
    before = checkpoint_digest(folder)
    card = Card(
        description="x",
        held_out=(HeldOut(target=None, label="infer_time_ms", grouping="family", mape_pct=4, rows=2),),
    )
    write_card(folder, card)
    assert checkpoint_digest(folder) == before
    assert read_card(folder) == card
    graph = make_dataset(24, seed=0).graph(0)
    assert perfseer.Predictor.load(folder).predict(graph).time.held_out_mape_pct == 4
    (folder / "predictor.json").write_text((folder / "predictor.json").read_text() + " ")
    assert checkpoint_digest(folder) != before


def test_a_record_of_training_is_read_as_a_card(tmp_path):
    folder = save_roofline(tmp_path / "model")
    assert read_card(folder) == Card()
    record = {
        "predictor": "roofline",
        "split": "family",
        "seed": 1,
        "digests": {"data": "da7a"},
        "metrics": {"infer_time_ms": {"mape_pct": {"value": 12.5, "unit": "%", "n": 40}}},
    }
    (tmp_path / "record.json").write_text(json.dumps(record))
    card = read_card(folder)
    assert card.dataset_digest == "da7a"
    assert card.mape_pct(None, "infer_time_ms") == 12.5
    assert card.mape_pct("rtx3090", "infer_time_ms") == 12.5
    assert card.mape_pct(None, "train_time_ms") is None
    (tmp_path / "record.json").write_text(json.dumps(record | {"metrics": 3}))
    with pytest.raises(PerfseerError, match=r"record\.json"):
        read_card(folder)


def test_cards_are_checked(tmp_path):
    (tmp_path / "card.json").write_text('{"schema_version": 1, "surprise": 2}')
    with pytest.raises(PerfseerError, match=re.escape(str(tmp_path))):
        read_card(tmp_path)
    with pytest.raises(ValueError, match="'speed'"):
        HeldOut(target=None, label="speed", grouping="family", mape_pct=1, rows=1)


def test_what_is_no_predictor_is_refused(tmp_path):
    with pytest.raises(PerfseerError, match="'nowhere'"):
        find("nowhere")
    with pytest.raises(PerfseerError, match=r"predictor\.json"):
        find(tmp_path)
    with pytest.raises(PerfseerError, match="no folder"):
        saved_in(tmp_path / "none")


def test_every_shipped_predictor_answers():
    for name in shipped():
        answer = perfseer.Predictor.load(name).predict(Convolution(), torch.empty(1, 3, 64, 64), batch_size=8)
        assert answer.time.value > 0


def test_the_examples_of_the_documentation_run(repository, monkeypatch, capsys):
    text = (repository / "docs" / "predicting.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.setattr(perfseer.Predictor, "load", lambda: law())
    exec(compile(code, "docs/predicting.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "reference.vit_tiny, batch 8, training" in printed
    assert "no such model: " in printed


def test_the_package_offers_what_it_says():
    assert perfseer.Predictor.__module__ == "perfseer.forecast.predictor"
    assert {perfseer.Ask, perfseer.Failure, perfseer.Prediction} == {Ask, Failure, Prediction}
    with pytest.raises(AttributeError, match="'Oracle'"):
        _ = perfseer.Oracle


def test_a_gpu_that_waits_for_its_host_is_told(predictor):
    """So fast a device that three kernels are done before the next one is started."""
    nothing = Instant(predictor.model.settings)
    nothing.normaliser_, nothing.range_ = predictor.model.normaliser_, predictor.model.range_
    fast = Predictor(nothing, card=predictor.card)
    for target, least_us in ((R3090.key, FASTEST_US), ("rtx3080", 15.0)):
        for phase in ("infer", "train"):
            slow = fast.predict(Convolution(), IMAGE, target=target, phase=phase)
            assert "launch_bound" in codes(slow)
            assert slow.time.value >= slow.input.nodes * least_us / 1e3
            assert slow.time.low <= slow.time.value < slow.time.high < 12 * slow.time.value
    assert "launch_bound" not in codes(fast.predict(Convolution(), IMAGE, target=CPU.key))
    assert "launch_bound" not in codes(predictor.predict(Convolution(), IMAGE, target=R3090.key))


class Instant(LawPredictor):
    """Knows a device that takes a nanosecond for everything, give or take a factor of 20."""

    def _predict(self, dataset):
        return np.full((len(dataset), len(self.targets)), 1e-6)

    def intervals(self, dataset, confidence):
        predicted = self.predict(dataset)
        ends = {"low": 0.05, "high": 20.0}
        return pd.DataFrame(
            {f"{name}_{end}": predicted[name] * by for name in self.targets for end, by in ends.items()}
        )


def test_errors_on_held_out_models_are_told_where_they_are_of_the_like(predictor):
    known = make_dataset(12, seed=0).graph(0)
    answer = predictor.predict(known, target=R3090.key)
    assert answer.time.held_out_mape_pct == 3.5  # of unseen architectures, not of families
    assert not [notice for notice in answer.warnings if notice.level == "warning"]
    others = [
        predictor.predict(known, target=R4090.key),  # nothing is on record
        predictor.predict(known, target=R3090.key, phase="train"),  # nor of the phase
        predictor.predict(known, target="rtx3080"),
        predictor.predict(known, target="rtx3090", software="2.6"),
        predictor.predict(replace(known, batch_size=2**20), target=R3090.key),
        predictor.predict(Convolution(), IMAGE, target=R3090.key),  # operators nobody measured
    ]
    assert [answer.time.held_out_mape_pct for answer in others] == [None] * len(others)


def test_another_version_is_told_by_the_nearest_and_less_surely(predictor):
    known = make_dataset(12, seed=0).graph(0)
    sure = predictor.predict(known, target=R3090.key)
    told = predictor.predict(known, target="rtx3090", software="2.6")
    assert told.target.software == "torch 2.6"
    assert told.target.key.endswith("torch2.6")
    assert not told.target.trained_on
    assert told.time.value == sure.time.value
    drift = DRIFT * 1.6449
    for own, wider in ((sure.time.low, told.time.low), (sure.time.high, told.time.high)):
        reach = abs(np.log(own / sure.time.value))
        assert abs(np.log(wider / sure.time.value)) == pytest.approx(np.hypot(reach, drift), rel=1e-3)


class Uneven(LawPredictor):
    """Reaches less far at 99.5 % than at 99, as one whose platform has too few rows for the former does."""

    def intervals(self, dataset, confidence):
        return super().intervals(dataset, confidence if confidence <= 0.99 else 0.5)


def test_a_greater_confidence_reaches_no_less_far(predictor):
    uneven = Uneven(predictor.model.settings)
    uneven.normaliser_, uneven.range_ = predictor.model.normaliser_, predictor.model.range_
    ends = []
    for confidence in (0.5, 0.99, 0.995):
        time = (
            Predictor(uneven, card=predictor.card).predict(Convolution(), IMAGE, confidence=confidence).time
        )
        ends.append((time.low, time.high))
    assert ends[0][0] > ends[1][0] >= ends[2][0]
    assert ends[0][1] < ends[1][1] <= ends[2][1]


class Strange(LawPredictor):
    """Finds models strange: sure within a factor of 30 on devices it knows, of 2 on others."""

    def intervals(self, dataset, confidence):
        predicted = self.predict(dataset)
        reach = np.where(dataset.rows["device"].isin([R3090.device, R4090.device, CPU.device]), 30.0, 2.0)
        ends = {"low": 1 / reach, "high": reach}
        return pd.DataFrame(
            {f"{name}_{end}": predicted[name] * by for name in self.targets for end, by in ends.items()}
        )


@pytest.mark.parametrize("told", [False, True])
def test_no_answer_for_an_unseen_device_is_surer_than_for_a_trained_one(predictor, told):
    """A model unlike the training's is as strange there, whether or not anything is known of such devices."""
    model = Strange(predictor.model.settings)
    model.normaliser_, model.range_ = predictor.model.normaliser_, predictor.model.range_
    errors = np.repeat([-0.1, 0.0, 0.1], 5)
    regime = Regime.of(errors, np.zeros((15, len(STRANGE_COLUMNS))), np.repeat(["a", "b", "c"], 5))
    transfer = Transfer("x", {"cuda-infer": regime, "cuda-train": regime} if told else {})
    strange = Predictor(model, card=predictor.card, transfer=transfer)
    for phase in ("infer", "train"):
        for target in ("rtx3080", "Core i9-12900K"):
            answer = strange.predict(Convolution(), IMAGE, target=target, phase=phase)
            assert "unseen_operators" in codes(answer)
            trained = phase == "infer" or target == "rtx3080"
            least = 30.0 if trained else 2.0
            assert answer.time.high / answer.time.value >= least * (1 - 1e-9)
            assert answer.time.value / answer.time.low >= least * (1 - 1e-9)


def test_a_figure_of_other_batch_sizes_does_not_count():
    entry = HeldOut(
        target="a", label="infer_time_ms", grouping="family", mape_pct=4, rows=2, batch_sizes=(8, 32)
    )
    card = Card(held_out=(entry,))
    found = {size: card.mape_pct("a", "infer_time_ms", size) for size in (7, 8, 32, 33)}
    assert found == {7: None, 8: 4, 32: 4, 33: None}
