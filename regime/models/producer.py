"""A probe: a pretrained transformer fine-tuned through a readout, and snapshots of its kernels layer by layer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regime.config import ProbeConfig
from regime.dynamics.losses import error
from regime.dynamics.pieces import Tick, idle, in_pieces
from regime.dynamics.snapshot import AT_THE_END, TWIN_GAP, Pause, Snapshot, diverged
from regime.dynamics.twin import TwinPoints
from regime.kernels.closed_form import interpolation_weights
from regime.kernels.jacobian.layer import LayerJacobian
from regime.kernels.linearization import Linearization
from regime.models import estimate, texts
from regime.models.functions import TextFunction, label_view, loss_of, split_texts, targets
from regime.models.head import check_labels, fit_head
from regime.models.pilot import pilot
from regime.models.precision import training_dtype
from regime.models.readout import naming
from regime.models.run import TransformerRun
from regime.models.training import batch, freeze, make_optimizer, rate
from regime.models.twin import KernelTwin, ParameterTwin, full_kernel
from regime.observe.observer import Observer, Sight
from regime.observe.snapshots import snapshot
from regime.record.events import Estimate


@dataclass
class _Learner:
    """One seed: a model, its optimizer, its twin, and what it was at step 0."""

    observer: Observer
    optimizer: torch.optim.Optimizer
    twin: KernelTwin | ParameterTwin | None = None
    start: dict[str, Float[Tensor, "n C"]] | None = None
    """f_0 on training and held-out texts."""
    regressed: dict[str, Float[Tensor, "n C"]] | None = None
    """Kernel regression with Theta_0, on the same."""

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
        self.loss = loss_of(config)
        self.longest = max(part["input_ids"].shape[1] for part in self.inputs.values())
        self.chunk = self.chunk_of(self.longest)
        self.first = self._module(0)
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
        return in_pieces(self._fine_tune)

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
            if last or step % config.measure_every == 0:
                losses = self._losses(learners)
                start_loss = losses["train_loss"] if step == 0 else start_loss
                gone = diverged(losses["train_loss"], start_loss)
                losses |= self._twins(learners)
                if gone:
                    hand_over(previous.lost(step, progress.fraction, time, losses))
                    return
                previous = self._snapshot(learners, step, time, progress, losses)
                hand_over(previous)
                if last:
                    return
            rows = batch(config, step)
            time += rate(config, step)
            for learner in learners:
                self._train(learner, rows, step)
                progress.trained()

    def _begin(self, k: int) -> _Learner:
        config = self.config
        model, self.first = (self.first if k == 0 else self._module(k)), None
        if config.head == "fitted" and not config.headless:
            fit_head(model, self.inputs["train"], self.targets["train"], self.chunk, config.loss_name, self._tick)
        observer = Observer(model, self.inputs["probe"], chunk=self.chunk, rename=naming(model), tick=self._tick)
        optimizer = make_optimizer(config, (p for p in model.parameters() if p.requires_grad))
        learner = _Learner(observer, optimizer)
        if config.forecast:
            learner.start = {}
            for name in ("train", "test"):
                learner.start[name] = observer.evaluate(self.inputs[name])
            jacobians = observer.capture(self.inputs["train"])
            kernel = full_kernel(jacobians, jacobians, self._tick)
            cross = self._against(observer, "test", jacobians)
            learner.regressed = self._regression(learner, kernel, cross)
            train = Linearization(learner.start["train"], jacobians)
            probe = Linearization(
                observer.start, {path: jacobian for path, jacobian in observer.jacobians.items() if jacobian is not None}
            )
            if config.by_parameter:
                learner.twin = ParameterTwin(
                    config, train, probe, self.targets["train"], self.loss, observer.by_layer(), self._tick
                )
            else:
                rows = full_kernel(probe.jacobians, train.jacobians, self._tick)
                points = TwinPoints(train.outputs[None], kernel[None]), TwinPoints(probe.outputs[None], rows[None])
                learner.twin = KernelTwin(config, *points, self.targets["train"], self.loss)
        return learner

    def _train(self, learner: _Learner, rows: list[int], step: int) -> None:
        """One optimizer step of model and twin, the gradient summed over chunks of texts."""
        learner.optimizer.zero_grad()
        for first in range(0, len(rows), self.chunk):
            chunk = rows[first : first + self.chunk]
            self._accumulate(learner.model, chunk, len(rows))
            self._tick()
        for group in learner.optimizer.param_groups:
            group["lr"] = rate(self.config, step)
        learner.optimizer.step()
        self._tick()
        if learner.twin is not None:
            learner.twin.step(rows, rate(self.config, step))

    @torch.enable_grad()
    def _accumulate(self, model: nn.Module, rows: list[int], of: int) -> None:
        """Add a chunk's part of the loss's gradient."""
        inputs = {name: tensor[rows] for name, tensor in self.inputs["train"].items()}
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            outputs = model(**inputs)
        (self.loss.value(outputs.to(self.targets["train"].dtype), self.targets["train"][rows]) * len(rows) / of).backward()

    def _losses(self, learners: list[_Learner]) -> dict[str, Float[Tensor, "S"]]:
        """Losses, and of labeled texts errors, of every seed."""
        rows = []
        for learner in learners:
            rows.append({})
            for name in ("train", "test"):
                rows[-1] |= self._scores(name, learner.observer.evaluate(self.inputs[name]))
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

    def _regressions(self, learners: list[_Learner], ended: bool) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Losses of kernel regression with the first kernel, and with the last, when the run ends."""
        if not (self.config.forecast and self.config.labeled):
            return {}, {}
        rows = []
        for learner in learners:
            rows.append({})
            now = self._regressed_now(learner) if ended else None
            for prefix, regressed in (("kernel_start_", learner.regressed), ("kernel_now_", now)):
                for name in ("train", "test"):
                    values = regressed[name] if ended else torch.full_like(self.targets[name], torch.nan)
                    rows[-1] |= {f"{prefix}{measure}": value for measure, value in self._scores(name, values).items()}
            self._tick()
        found = _stacked(rows)
        return found, {} if ended else dict.fromkeys(found, AT_THE_END)

    def _regressed_now(self, learner: _Learner) -> dict[str, Tensor]:
        """Kernel regression with the last kernel; the twin and the first Jacobians are let go before."""
        learner.twin, learner.observer.jacobians = None, {}
        jacobians = learner.observer.capture(self.inputs["train"])
        kernel = full_kernel(jacobians, jacobians, self._tick)
        cross = self._against(learner.observer, "test", jacobians)
        return self._regression(learner, kernel, cross)

    def _against(self, observer: Observer, name: str, train: dict[str, LayerJacobian]) -> Float[Tensor, "MC NC"]:
        """The kernel of some texts against the training texts, a chunk of them at a time: their Jacobians are not kept."""
        inputs, rows = self.inputs[name], []
        for first in range(0, len(self.targets[name]), self.chunk):
            part = {key: tensor[first : first + self.chunk] for key, tensor in inputs.items()}
            jacobians = observer.capture(part)
            rows.append(full_kernel(jacobians, train, self._tick))
        return torch.cat(rows)

    def _regression(self, learner: _Learner, kernel: Tensor, cross: Tensor) -> dict[str, Float[Tensor, "n C"]]:
        """Kernel regression of the targets, from f_0, with the tangent kernel on training and held-out texts."""
        weights = interpolation_weights(kernel, (self.targets["train"] - learner.start["train"]).flatten())
        rows = {"train": kernel, "test": cross}
        return {name: start + (rows[name] @ weights).view_as(start) for name, start in learner.start.items()}

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
        compared, undefined = self._regressions(learners, step == self.steps)
        return snapshot(
            [learner.observer for learner in learners],
            sights,
            step=step,
            fraction=1.0 if step == self.steps else progress.fraction,
            time=time,
            losses=losses | compared,
            linear=linear,
            undefined=undefined,
        )


PARTS = ("train", "test", "probe")


def _stacked(rows: list[dict[str, Tensor]]) -> dict[str, Float[Tensor, "S"]]:
    """The numbers of each seed as those of all, by name."""
    return {name: torch.stack([row[name] for row in rows]).double() for name in (rows[0] if rows else ())}
