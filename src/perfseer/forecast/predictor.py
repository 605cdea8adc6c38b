"""`perfseer.Predictor`: load a fitted predictor, ask it about models, get answers with units."""

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self

from perfseer.blame import described
from perfseer.data.platforms import Mode, Platform
from perfseer.errors import PerfseerError, require
from perfseer.forecast.answering import Answerer
from perfseer.forecast.ask import Ask
from perfseer.forecast.capturing import captured_for
from perfseer.forecast.card import Card, read_card
from perfseer.forecast.inputs import Feed
from perfseer.forecast.isolation import Isolation
from perfseer.forecast.models import FP32, Model, OpenModel, model_name
from perfseer.forecast.naming import expand
from perfseer.forecast.parts import Provenance
from perfseer.forecast.platform_choice import Chosen, Platforms, Wanted
from perfseer.forecast.prediction import Answer, Failure, Prediction
from perfseer.forecast.shelf import DEFAULT, checkpoint_digest, find
from perfseer.forecast.transfer import Transfer, read_transfer
from perfseer.measure.limits import Limits
from perfseer.predictors import base, registry
from perfseer.targets import PHASES, TARGET_BY_NAME, Phase

# One question about a model: in which phase, on which platform.
Asked = tuple[Phase, Chosen]


class Predictor:
    """A fitted predictor that answers questions about models.

    Args:
        model: fitted.
        source: name or folder it comes from, for the provenance of answers.
        card: what is on record about it.
        checkpoint: digest of its files; a predictor that was never saved has none.

    Attributes:
        model: the predictor itself.
        card: what is on record about it.
        transfer: what is known of it on devices it never saw.
        provenance: what every answer carries.
    """

    def __init__(
        self,
        model: base.Predictor,
        *,
        source: str = "memory",
        card: Card | None = None,
        checkpoint: str = "not saved",
        transfer: Transfer | None = None,
    ) -> None:
        self.model = model
        self.card = card or Card()
        self.transfer = transfer or Transfer(checkpoint, {})
        self.provenance = Provenance(
            predictor=model.name,
            source=source,
            checkpoint_digest=checkpoint,
            dataset_digest=self.card.dataset_digest,
            commit=self.card.commit,
            perfseer_version=version("perfseer"),
        )

    @classmethod
    def load(cls, name_or_path: str | Path = DEFAULT) -> Self:
        """A shipped predictor by its name, or the one saved in a folder.

        Raises:
            PerfseerError: there is none, or it is damaged.
        """
        folder = find(name_or_path)
        model = registry.load(folder)
        digest = checkpoint_digest(folder)
        return cls(
            model,
            source=str(name_or_path),
            card=read_card(folder),
            checkpoint=digest,
            transfer=read_transfer(folder, digest),
        )

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """What it was trained on; empty where it does not say."""
        return self.model.platforms

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases it has labels for."""
        known = {TARGET_BY_NAME[name].phase for name in self.model.targets}
        return tuple(phase for phase in PHASES if phase in known)

    def predict(
        self,
        model: Model,
        example_inputs: Any = None,
        *,
        batch_size: int | None = None,
        phase: Phase = "infer",
        target: str | None = None,
        confidence: float = 0.9,
        explain: bool = False,
        precision: str | None = None,
        memory_format: Literal["nchw", "nhwc"] | None = None,
        mode: Mode | None = None,
        software: str | None = None,
        feed: Feed | None = None,
        limits: Limits | None = None,
    ) -> Prediction:
        """What one model costs.

        Args:
            model: a module, the name of one (``timm:resnet50``), a file, or a captured graph.
            example_inputs: a tensor, a tuple of positional arguments or a mapping of keyword arguments; only
                shapes and types matter. None takes what the model's library names, or an image 3x224x224.
            batch_size: samples; None takes the example's. The batch is the first dimension, where that is
                plain; ``feed`` says otherwise.
            phase: ``infer`` (forward) or ``train`` (forward, loss, backward, optimiser step).
            target: a device or the key of a platform; None is the predictor's default.
            confidence: of the intervals, in (0, 1).
            explain: whether to say where the time goes.
            precision: fp32, tf32, amp-fp16, …; None takes what is usual on the device.
            memory_format: likewise.
            mode: likewise.
            software: a version of torch, such as ``2.6`` or ``torch 2.6.0 cu124``; None takes the newest that
                was measured on the device in that phase, or the newest of all where nobody measured it.
            feed: shapes, types and free dimensions of the inputs, and which dimension is the batch, where the
                example or the model does not say.
            limits: of opening a model that is named, and of capturing it once.

        Returns:
            The answer: time [ms], memory [MiB], utilisation [%], as far as the predictor knows them.

        Raises:
            PerfseerError: the model cannot be opened or captured, or the predictor cannot answer for the
                target.
        """
        ask = Ask(
            (batch_size,),
            (phase,),
            (target,),
            Wanted(precision, memory_format, mode, software),
            feed=feed or Feed(),
            confidence=confidence,
            explain=explain,
            limits=limits or Limits(),
        )
        choices = self._choices(ask)
        with Isolation(ask.limits) as isolation:
            opened = isolation.open(model, ask.feed, example_inputs)
            (answer,) = self._answers(opened, ask, choices)
        if isinstance(answer, Failure):
            raise PerfseerError(answer.error)
        return answer

    def predict_many(self, models: Iterable[Model], ask: Ask | None = None) -> Iterator[Answer]:
        """What many models cost, one after the other; a model is dropped before the next is opened.

        Args:
            models: as for `predict`; names may also be folders and patterns.
            ask: what to answer about each.

        Returns:
            An iterator over answers in the order model, batch size, phase, target. A model that cannot be
            answered for gives a `Failure` instead and does not stop the others.

        Raises:
            PerfseerError: the predictor cannot answer for a target at all; raised before the first model.
        """
        ask = ask or Ask()
        return self._many(models, ask, self._choices(ask))

    def _many(self, models: Iterable[Model], ask: Ask, choices: list[Asked]) -> Iterator[Answer]:
        with Isolation(ask.limits) as isolation:
            for model in models:
                try:
                    singles: list[Model] = [*expand(str(model))] if isinstance(model, str | Path) else [model]
                except PerfseerError as error:
                    yield Failure(str(model), str(error))
                    continue
                for single in singles:
                    yield from self._one(isolation, single, ask, choices)

    def _one(self, isolation: Isolation, model: Model, ask: Ask, choices: list[Asked]) -> Iterator[Answer]:
        try:
            opened = isolation.open(model, ask.feed)
        except PerfseerError as error:
            yield Failure(model_name(model), str(error))
            return
        yield from self._answers(opened, ask, choices)

    def _choices(self, ask: Ask) -> list[Asked]:
        """Every phase on every target; faults of the question itself are found here, before any model."""
        missing = [phase for phase in ask.phases if phase not in self.phases]
        require(
            not missing,
            f"{self.provenance.source} predicts nothing for the phase {', '.join(missing)}; it knows "
            f"{', '.join(self.phases)}",
        )
        known = Platforms(
            self.platforms,
            self.model.platform_phases,
            self.card.default_target,
            shared=len(self.platforms) > 1,
        )
        return [(p, known.choose(target, p, ask.wanted)) for p in ask.phases for target in ask.targets]

    def _answers(self, opened: OpenModel, ask: Ask, choices: list[Asked]) -> Iterator[Answer]:
        answerer = Answerer(self.model, self.card, self.provenance, self.transfer)
        by_precision: dict[str, list[Asked]] = {}
        for question in choices:
            by_precision.setdefault(self._precision(question[1]), []).append(question)
        for batch_size in ask.batch_sizes:
            answers: dict[Asked, Answer] = {}
            failures: list[Answer] = []
            for precision, questions in by_precision.items():
                phases = list(dict.fromkeys(phase for phase, _ in questions))
                found, missing = captured_for(
                    opened, batch_size, phases, precision, forward_suffices=self.model.forward_suffices
                )
                failures += missing
                for phase, seen in found.items():
                    asked = [question for question in questions if question[0] == phase]
                    try:
                        told = answerer.answer(seen, phase, [chosen for _, chosen in asked], ask)
                        answers |= dict(zip(asked, told, strict=True))
                    except PerfseerError as error:
                        size = seen.captured.graph.batch_size
                        failures.append(Failure(opened.name, str(error), size, phase))
                    except Exception as error:  # no graph, however odd, takes the other models' answers away
                        text = f"the predictor failed on its graph: {described(error)}"
                        failures.append(Failure(opened.name, text, seen.captured.graph.batch_size, phase))
            # In the order of the questions, whatever each had to be captured in.
            yield from (answers[question] for question in choices if question in answers)
            yield from failures

    def _precision(self, chosen: Chosen) -> str:
        """In which precision the graph is captured for a platform."""
        platform = chosen.platform if self.model.graphs_as_run else None
        return FP32 if platform is None else platform.precision
