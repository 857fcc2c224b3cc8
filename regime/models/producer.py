"""A probe: a pretrained transformer fine-tuned through a readout, and snapshots of its kernels layer by layer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regime.config import ProbeConfig
from regime.dynamics.losses import error, undefined_errors
from regime.dynamics.pieces import Tick, idle, in_pieces
from regime.dynamics.regression import SINGULAR, fit_scores
from regime.dynamics.snapshot import AT_THE_END, TWIN_GAP, Pause, Snapshot, diverged
from regime.dynamics.twin import TwinPoints
from regime.kernels.closed_form import interpolation_weights
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.jacobian.packed import packed
from regime.models import estimate, texts
from regime.models.functions import TextFunction, label_view, loss_of, split_texts, targets
from regime.models.head import check_labels, fit_head
from regime.models.padding import Group, Texts
from regime.models.pilot import pilot
from regime.models.precision import training_dtype
from regime.models.readout import naming
from regime.models.run import TransformerRun, refused
from regime.models.training import batch, freeze, make_optimizer, rate
from regime.models.twin import KernelTwin, Linear, ParameterTwin, full_kernel
from regime.observe.observer import Observer
from regime.observe.sight import Sight
from regime.observe.snapshots import snapshot
from regime.record.events import Estimate
from regime.resources.attention import ShortAttention


@dataclass
class _Learner:
    """One seed: a model, its optimizer, its twin, and what it was at step 0."""

    observer: Observer
    optimizer: torch.optim.Optimizer
    twin: KernelTwin | ParameterTwin | None = None
    start: dict[str, Float[Tensor, "n C"]] | None = None
    """f_0 on training and held-out texts."""
    regressed: dict[str, Float[Tensor, "2 n C"]] | None = None
    """Kernel regression with Theta_0, on the same, by both `interpolation_weights`."""

    @property
    def model(self) -> nn.Module:
        return self.observer.model


class ProbeRun(TransformerRun):
    """Everything at step 0; `snapshots` fine-tunes. Every seed has its own copy of the transformer."""

    def __init__(self, config: ProbeConfig) -> None:
        super().__init__(config.device)
        self.config = config
        self._tick: Tick = idle
        self.learning_rate, self.steps = config.step_size, config.steps
        self.function = TextFunction(config, config.model, config.revision)
        start = "random weights" if config.random_init else "weights"
        self.source = f"{start} from {self.function.pretrained.source}; {texts.SOURCES[config.task]}"
        sizes = [config.samples, config.held_out, config.probe_samples]
        rows = split_texts(config, sizes)
        if config.head == "fitted" and config.loss_name == "cross-entropy":
            check_labels(rows[0].labels, config.table.classes if config.table else texts.CLASSES[config.task])
        self.targets = {
            name: targets(row.labels, config.classes).to(self.device) for name, row in zip(PARTS, rows, strict=True)
        }
        self.labels = rows[-1].labels
        self.inputs = self.placed({name: self.function.inputs(row.texts) for name, row in zip(PARTS, rows, strict=True)})
        self.texts = {name: Texts(part, padded=self.function.own) for name, part in self.inputs.items()}
        self.loss = loss_of(config)
        self.longest = max(part["input_ids"].shape[1] for part in self.inputs.values())
        self.chunk = self.chunk_of(self.longest)
        self.first = self._module(0)
        with refused(config.model):
            known = pilot(config, self.first, self.inputs["probe"], self.chunk)
        self.costs = estimate.check(config, known, self.chunk, self.device)
        self.parameters = sum(p.numel() for p in self.first.parameters() if p.requires_grad)
        self.dtype = training_dtype(self.first, {key: tensor[: self.chunk] for key, tensor in self.inputs["probe"].items()})
        if self.dtype != torch.float32:
            self.source += "; trained in bfloat16, measured in float32"

    def _module(self, k: int) -> nn.Module:
        """The k-th seed's model, with what is not to be trained frozen."""
        seed = self.config.seed + k
        model = self.function.fresh(seed) if self.config.random_init else self.function.module(seed)
        freeze(model, self.config.trainable, naming(model))
        return model.to(self.device)

    def estimate(self) -> Estimate:
        """Return seconds, from timed passes of a few texts and counted operations, and bytes."""
        return self.costs.estimate()

    def view(self) -> dict[str, object]:
        """Return what the page draws once: the labels of probe texts."""
        return label_view(self.config, self.labels)

    def snapshots(self) -> Iterator[Pause | Snapshot]:
        """Fine-tune, and yield measured steps as snapshots, with pauses between chunks of tokens and between layers."""
        with refused(self.config.model):
            yield from in_pieces(self._fine_tune)

    def _fine_tune(self, hand_over: Callable[[Pause | Snapshot], None]) -> None:
        config, step = self.config, 0
        progress = estimate.Progress(self.costs)
        self._tick = lambda: hand_over(Pause(step, progress.fraction))
        learners: list[_Learner] = []
        for k in range(config.seeds):
            learners.append(self._begin(k))
            progress.begun()
        previous = None
        time = 0.0
        for step in range(config.steps + 1):
            last = step == config.steps
            rows = [] if last else batch(config, step)
            passed = [self._differentiate(learner, rows) for learner in learners]
            if last or step % config.measure_every == 0:
                losses = self._losses(learners, passed)
                start_loss = losses["train_loss"] if step == 0 else start_loss
                gone = diverged(losses["train_loss"], start_loss)
                losses |= self._twins(learners)
                if gone and previous is not None:
                    hand_over(previous.lost(step, progress.fraction, time, losses))
                    return
                previous = self._snapshot(learners, step, time, progress, losses)
                hand_over(previous)
                if gone or last:  # the first loss may overflow where no output does
                    return
            time += rate(config, step)
            for learner in learners:
                self._train(learner, rows, rate(config, step))
                progress.trained()

    def _begin(self, k: int) -> _Learner:
        config = self.config
        model, self.first = (self.first if k == 0 else self._module(k)), None
        if config.head == "fitted" and not config.headless:
            fit_head(model, self.inputs["train"], self.targets["train"], self.chunk, config.loss_name, self._tick)
        observer = Observer(model, self.inputs["probe"], chunk=2 * self.chunk, rename=naming(model), tick=self._tick)
        optimizer = make_optimizer(config, (p for p in model.parameters() if p.requires_grad))
        learner = _Learner(observer, optimizer)
        if config.forecast:
            learner.start = {name: self._outputs(observer, name) for name in ("train", "test")}
            train = observer.capture(self.inputs["train"])
            kernel = full_kernel(train, train, self._tick) if config.labeled or not config.by_parameter else None
            if config.labeled:
                learner.regressed = self._regressed(learner, train, kernel)
            learner.twin = self._twin(learner, train, kernel)
        return learner

    def _twin(self, learner: _Learner, train: dict[str, LayerJacobian], kernel: Tensor | None) -> KernelTwin | ParameterTwin:
        """The twin of a model that is at its start; the training texts' Jacobians are taken out of their dict."""
        observer, y = learner.observer, self.targets["train"]
        starts = learner.start["train"], observer.start
        if self.config.by_parameter:
            known = {path: jacobian for path, jacobian in observer.jacobians.items() if jacobian is not None}
            points = map(Linear, starts, (packed(train), known))
            return ParameterTwin(self.config, *points, y, self.loss, observer.by_layer(), self._tick)
        rows = kernel, self._against(observer, "probe", train)
        points = (TwinPoints(start[None], each[None]) for start, each in zip(starts, rows, strict=True))
        return KernelTwin(self.config, *points, y, self.loss)

    def _differentiate(self, learner: _Learner, rows: list[int]) -> Float[Tensor, "n C"] | None:
        """The gradient of the loss on some training texts, and the outputs, if these are all and precise."""
        learner.optimizer.zero_grad()
        texts = self.texts["train"]
        outputs = torch.zeros_like(self.targets["train"])
        for group in texts.groups(self.tokens, rows):
            outputs[group.rows] = self._accumulate(learner.model, group, len(rows))
            self._tick()
        return outputs if len(rows) == len(outputs) and self.dtype == torch.float32 else None

    def _train(self, learner: _Learner, rows: list[int], rate: float) -> None:
        """One step of optimizer and twin."""
        for group in learner.optimizer.param_groups:
            group["lr"] = rate
        learner.optimizer.step()
        self._tick()
        if learner.twin is not None:
            learner.twin.step(rows, rate)

    @torch.enable_grad()
    def _accumulate(self, model: nn.Module, group: Group, of: int) -> Float[Tensor, "_ C"]:
        """Add a group's part of the loss's gradient; its outputs."""
        with ShortAttention(), torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            outputs = model(**group.inputs)
        outputs, y = outputs.to(self.targets["train"].dtype), self.targets["train"][group.rows]
        (self.loss.value(outputs, y) * len(group.rows) / of).backward()
        return outputs.detach()

    def _outputs(self, observer: Observer, name: str) -> Float[Tensor, "n C"]:
        """What the model gives for some texts."""
        outputs = torch.zeros_like(self.targets[name])
        for group in self.texts[name].groups(self.tokens):
            outputs[group.rows] = observer.evaluate(group.inputs, len(group.rows))
        return outputs

    def _losses(self, learners: list[_Learner], passed: list[Tensor | None]) -> dict[str, Float[Tensor, "S"]]:
        """Losses, and of labeled texts errors, of every seed; `passed` has outputs on training texts that are known."""
        rows = []
        for learner, train in zip(learners, passed, strict=True):
            train = self._outputs(learner.observer, "train") if train is None else train
            rows.append(self._scores("train", train) | self._scores("test", self._outputs(learner.observer, "test")))
        return _stacked(rows)

    def _scores(self, name: str, outputs: Float[Tensor, "n C"]) -> dict[str, Float[Tensor, ""]]:
        y = self.targets[name]
        scores = {f"{name}_loss": self.loss.value(outputs, y)}
        return scores | ({f"{name}_error": error(outputs, y, self.config.classes)} if self.config.labeled else {})

    def _twins(self, learners: list[_Learner]) -> dict[str, Float[Tensor, "S"]]:
        """Losses of the twins on the training texts."""
        rows = []
        for learner in learners:
            if learner.twin is not None:
                scores = self._scores("train", learner.twin.outputs("train"))
                rows.append({f"twin_{measure}": value for measure, value in scores.items()})
        return _stacked(rows)

    def _regressions(
        self, learners: list[_Learner], ended: bool
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, str]]:
        """Losses of kernel regression with the first kernel, and with the last, when the run ends; floors; why undefined."""
        if not (self.config.forecast and self.config.labeled):
            return {}, {}, {}
        rows: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []
        for learner in learners:
            rows.append(({}, {}))
            now = self._regressed_now(learner) if ended else None
            for prefix, regressed in (("kernel_start_", learner.regressed), ("kernel_now_", now)):
                if not ended:
                    regressed = {name: torch.full_like(values, torch.nan) for name, values in learner.regressed.items()}
                parts = fit_scores(regressed, learner.start, self._scores)
                for known, part in zip(rows[-1], parts, strict=True):
                    known |= {prefix + measure: value for measure, value in part.items()}
            self._tick()
        losses, floors = (_stacked(part) for part in zip(*rows, strict=True))
        return losses, floors, dict.fromkeys(losses, SINGULAR if ended else AT_THE_END)

    def _regressed_now(self, learner: _Learner) -> dict[str, Tensor]:
        """Kernel regression with the last kernel; the twin and the first Jacobians are let go before."""
        learner.twin, learner.observer.jacobians = None, {}
        train = learner.observer.capture(self.inputs["train"])
        return self._regressed(learner, train, full_kernel(train, train, self._tick))

    def _regressed(self, learner: _Learner, train: dict[str, LayerJacobian], kernel: Tensor) -> dict[str, Tensor]:
        """Kernel regression of the targets, from f_0, with the tangent kernel on training and held-out texts, (2, n, C)."""
        kernels = {"train": kernel, "test": self._against(learner.observer, "test", train)}
        weights = interpolation_weights(kernels["train"], (self.targets["train"] - learner.start["train"]).flatten())
        return {name: start + (weights @ kernels[name].mT).view(2, *start.shape) for name, start in learner.start.items()}

    def _against(self, observer: Observer, name: str, train: dict[str, LayerJacobian]) -> Float[Tensor, "MC NC"]:
        """The kernel of some texts against the training texts."""
        return full_kernel(observer.capture(self.inputs[name]), train, self._tick)

    def _snapshot(
        self,
        learners: list[_Learner],
        step: int,
        time: float,
        progress: "estimate.Progress",
        losses: dict[str, Tensor],
    ) -> Snapshot:
        sights: list[Sight] = []
        foreseen: list[Tensor] = []
        for learner in learners:
            sights.append(learner.observer.observe())
            if learner.twin is not None:
                foreseen.append(learner.twin.outputs("probe"))
            progress.measured()
        linear = {TWIN_GAP: torch.stack(foreseen)} if foreseen else {}
        compared, floors, undefined = self._regressions(learners, step == self.steps)
        if self.config.labeled:
            undefined |= undefined_errors(self.targets, self.config.classes, ("", "twin_", "kernel_start_", "kernel_now_"))
        return snapshot(
            [learner.observer for learner in learners],
            sights,
            step=step,
            fraction=1.0 if step == self.steps else progress.fraction,
            time=time,
            losses=losses | compared,
            linear=linear,
            floors=floors,
            undefined=undefined,
        )


PARTS = ("train", "test", "probe")


def _stacked(rows: list[dict[str, Tensor]]) -> dict[str, Float[Tensor, "S"]]:
    """The numbers of each seed as those of all, by name."""
    return {name: torch.stack([row[name] for row in rows]).double() for name in (rows[0] if rows else ())}
