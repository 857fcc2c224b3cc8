"""All measures of a snapshot against the first one, with the floor below which each says nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from regime.dynamics.snapshot import TWIN_GAP, Snapshot, Targets
from regime.kernels.projection import groups, jackknife
from regime.kernels.spectrum import alignment, effective_rank
from regime.measures.baseline import ROUNDING, Along, Baseline, Layers, sum_of, sums_of, total
from regime.measures.definitions import REASONS
from regime.measures.function import gap_by_mode, linear_gap
from regime.measures.intervals import floor, normal
from regime.measures.kernel import Resampled, kernel_change, kernel_distance, kernel_distance_centered, magnified_kernel, trace
from regime.measures.representation import representation_change

KERNEL = {
    "kernel_change": kernel_change,
    "kernel_distance": kernel_distance,
    "kernel_distance_centered": kernel_distance_centered,
}
REPRESENTATION = ("representation_change", "feature_movement")
ROW = (*KERNEL, "kernel_share", *REPRESENTATION, "parameter_movement", "taylor_gap")
"""The measures of a layer or block."""

TOGETHER = 2**21
"""Bytes of kernels that are compared at once: more take longer than their calls do."""

BLURRED = 0.1
"""A cosine that rounding may move by more is no number."""


@dataclass(frozen=True)
class Measurement:
    """Measures seed by seed. A value that is not finite is undefined; `undefined` says why under its measure."""

    model: dict[str, Float[Tensor, "S"]]
    layers: dict[str, dict[str, Float[Tensor, "S"]]]
    blocks: dict[str, dict[str, Float[Tensor, "S"]]]
    undefined: dict[str, str]
    floors: dict[str, Float[Tensor, "S"]]
    """Rounding, and 1.96 standard errors over the probe points, of measures; a layer's or block's under "name/measure"."""
    rounding: dict[str, Float[Tensor, "S"]]
    """The part of the floors that is rounding."""
    drawn: dict[str, Float[Tensor, "S B"]]
    """Measures on random subsets of the probe points; named as the floors are."""
    modes: Float[Tensor, "S K"]
    """The gap of the first linear prediction by band of modes of Theta_0."""
    shares: Float[Tensor, "S K"]
    """Of the bands in the trace of Theta_0."""
    along: Along | None
    """Of the twin, where there is one."""


def between(one: Snapshot, other: Snapshot) -> dict[str, Float[Tensor, "S"]]:
    """How far apart two snapshots are, measured as a change would be: of independent ones, a reference for changes."""
    kernels = total(one), total(other)
    hidden = [snapshot.representations[snapshot.last_hidden] for snapshot in (one, other)]
    distances = {name: KERNEL[name](*kernels) for name in ("kernel_distance", "kernel_distance_centered")}
    return distances | {"representation_change": representation_change(*hidden)}


def no_gap(gaps: Float[Tensor, "S"]) -> str:
    """Why gaps are no finite numbers, where they are none."""
    return REASONS["lost" if bool(gaps.isinf().any()) else "gap"]


def take_measures(baseline: Baseline, now: Snapshot, previous: tuple[float, Tensor] | None) -> Measurement:
    """Take every measure of a snapshot, whole and by layer and block; layers sum to the whole before norms are taken.

    Args:
        baseline: what it is measured against.
        now: the snapshot.
        previous: time and Theta of the measurement before.
    """
    return _Measuring(baseline, now).all(previous)


class _Measuring:
    """One snapshot being measured."""

    def __init__(self, baseline: Baseline, now: Snapshot) -> None:
        self.baseline, self.now, self.start = baseline, now, baseline.start
        self.kernel = total(now)
        self.finite = bool(torch.stack([self.kernel, baseline.kernel]).isfinite().all())
        self.undefined: dict[str, str] = dict(now.undefined)
        self.rounding: dict[str, Tensor] = dict(now.floors)
        self.drawn: dict[str, Tensor] = {}
        self.compared: dict[Layers, tuple[Tensor, Resampled]] = {}
        """By the layers of a row, the trace of their kernel, and how far it is from that of the start."""
        self.represented: dict[str, Resampled] = {}
        self.moved = now.step > self.start.step

    def all(self, previous: tuple[float, Tensor] | None) -> Measurement:
        now, start = self.now, self.start
        groups: dict[str, list[str]] = {}
        for layer, block in now.blocks.items():
            groups.setdefault(block, []).append(layer)
        self._compare([[name] for name in now.blocks] + [*groups.values(), [*now.blocks]])
        layers = {name: self._row(name, [name]) for name in now.blocks}
        same = all(groups[block] == [block] for block in groups)
        blocks = layers if same else {name: self._row(name, members) for name, members in groups.items()}
        whole = self._row(now.last_hidden, list(now.blocks), key="")
        del whole["kernel_share"], whole["taylor_gap"]
        model = {name: value.double() for name, value in (now.losses | now.scalars).items()} | whole
        for name, linear in now.linear.items():
            model[name] = self._gap(name, now.outputs, linear)
            if now.start is not None:  # what only buffers moved, the expansion tells exactly
                model[name] = model[name].masked_fill((now.outputs == linear).flatten(1).all(1), 0.0)
            self.undefined.setdefault(name, no_gap(model[name]))
        if now.left_out is not None:
            model["projection_error"] = self._projected(list(now.linear.items()))
        model["kernel_velocity"] = self._velocity(previous)
        model["effective_rank"] = effective_rank(self.kernel)
        self.undefined["effective_rank"] = self._lost(list(now.blocks))
        if now.train is not None:
            model |= self._alignments(now.train)
        linear = now.linear.get(TWIN_GAP, next(iter(now.linear.values())))
        modes = gap_by_mode(now.outputs, linear, start.outputs, self.baseline.modes, self.baseline.bands)
        along = self.baseline.along(now.outputs, now.linear[TWIN_GAP], now.step) if TWIN_GAP in now.linear else None
        spread = self._floors(), self.rounding, self.drawn
        return Measurement(model, layers, blocks, self.undefined, *spread, modes, self.baseline.shares, along)

    def _alignments(self, train: Targets) -> dict[str, Tensor]:
        """How training points' kernel and features align with the targets, where rounding leaves enough of what is centered."""
        targets = train.targets.expand(len(train.kernel), *train.targets.shape)
        features = train.features.double()
        centered = features - features.mean(1, keepdim=True)
        rows = centered.to(train.features.dtype)  # before the product, which would round the mean's square
        parts = {
            "target_alignment": (train.kernel, magnified_kernel(train.kernel)),
            "feature_alignment": (rows @ rows.mT, features.norm(dim=(1, 2)) / centered.norm(dim=(1, 2))),
        }
        found = {}
        for name, (kernel, times) in parts.items():
            self.rounding[name] = ROUNDING * self.now.rounding * times
            found[name] = alignment(kernel, targets).where(self.rounding[name] < BLURRED, torch.nan)
            self.undefined[name] = REASONS["alignment"]
        return found

    def _gap(self, name: str, outputs: Tensor, linear: Tensor) -> Float[Tensor, "S"]:
        """A linear prediction's gap, and how it spreads over the probe points."""
        drawn = linear_gap(outputs, linear, self.start.outputs, self.baseline.chosen)
        if self.moved:
            apart = self.now.step if name == TWIN_GAP else 1
            self._spread(name, drawn, self.baseline.rounding(outputs, self.now, apart))
        return drawn[:, 0]

    def _spread(self, name: str, drawn: Float[Tensor, "S _"], rounding: float | Tensor) -> None:
        """Keep how a measure spreads over subsets of the probe points, which come behind all of them."""
        self.drawn[name] = drawn[:, 1:]
        self.rounding[name] = drawn.new_zeros(len(drawn)) + rounding

    def _floors(self) -> dict[str, Tensor]:
        """What rounding and the choice of probe points leave open of each measure."""
        if not self.drawn:
            return self.rounding
        rounding = torch.stack([self.rounding[name] for name in self.drawn])
        known = floor(torch.stack([*self.drawn.values()]), self.baseline.subsets.shape[1], rounding)
        return self.rounding | dict(zip(self.drawn, known, strict=True))

    def _projected(self, predictions: list[tuple[str, Tensor]]) -> Float[Tensor, "S"]:
        """Add to rounding what random projection of the outputs leaves uncertain, and return the kernel's own relative error.

        Groups of the projections are independent: how much measures differ as each is left out is their standard error.
        """
        now, start = self.now, self.start
        kept = list(zip(now.left_out.unbind(1), start.left_out.unbind(1), strict=True))
        values = {name: [measured(*pair) for pair in kept] for name, measured in KERNEL.items()}
        every = torch.arange(now.outputs.shape[-1], device=now.outputs.device)
        for name, linear in predictions:
            paths = now.outputs, linear, start.outputs
            chosen = [torch.cat([every[: some.start], every[some.stop :]]) for some in groups(len(every))]
            values[name] = [linear_gap(*(part[..., index] for part in paths)) for index in chosen]
        for name, each in values.items() if self.moved else ():
            error = normal() * jackknife(torch.stack(each))
            self.rounding[name] = self.rounding.get(name, 0.0) + error
        means = now.left_out.double().flatten(2)
        return jackknife(means, 1).norm(dim=1) / means.mean(1).norm(dim=1)

    def _velocity(self, previous: tuple[float, Tensor] | None) -> Tensor:
        if previous is None or self.now.time <= previous[0]:
            self.undefined["kernel_velocity"] = REASONS["velocity"]
            return torch.full_like(self.kernel[:, 0, 0], torch.nan)
        self.undefined["kernel_velocity"] = self._lost(list(self.now.blocks))
        return kernel_distance(self.kernel, previous[1]) / (self.now.time - previous[0])

    def _present(self, members: Sequence[str]) -> Layers:
        """The layers that have a kernel, at the start or now."""
        return tuple(layer for layer in members if layer in self.now.kernels or layer in self.start.kernels)

    def _lost(self, members: Sequence[str]) -> str:
        """Why a kernel of some layers cannot be compared, where it cannot: it is zero, or not finite."""
        kernels = (part[layer] for part in (self.now.kernels, self.start.kernels) for layer in members if layer in part)
        return REASONS["kernel" if self.finite or all(bool(kernel.isfinite().all()) for kernel in kernels) else "large"]

    def _compare(self, rows: Sequence[Sequence[str]]) -> None:
        """Compare the kernels of all rows with those of the start, as many at once as are small together."""
        groups = [group for group in dict.fromkeys(map(self._present, rows)) if group]
        count = max(1, TOGETHER // self.kernel.nbytes)
        for some in (groups[k : k + count] for k in range(0, len(groups), count)):
            kernels = sums_of(some, self.now.kernels, self.kernel)
            drawn, magnified = self.baseline.kernels_of(some).resampled(kernels)
            for k, group in enumerate(some):
                found = Resampled({measure: values[k] for measure, values in drawn.items()}, magnified[k])
                self.compared[group] = trace(kernels[k]), found

    def _row(self, name: str, members: Sequence[str], key: str | None = None) -> dict[str, Tensor]:
        """The measures of some layers taken together; `name` is whose representation stands for them."""
        now, start = self.now, self.start
        prefix = f"{name}/" if key is None else key
        nothing = torch.full_like(self.kernel[:, 0, 0], torch.nan)
        row = dict.fromkeys(ROW, nothing)
        present = self._present(members)
        here = name in now.representations and name in start.representations
        if not present and not here:
            self._explain(dict.fromkeys(ROW, REASONS["missing"]), prefix)
            return row
        reasons = dict.fromkeys(ROW, self._lost(members))
        rounding = ROUNDING * now.rounding
        if present:
            own, found = self.compared[present]
            row["kernel_share"] = own / trace(self.kernel)
            # A constant part that centering removes leaves its rounding behind.
            sizes = rounding, rounding**2, (rounding * found.magnified) ** 2
            row |= self._resampled(prefix, found.drawn, dict(zip(KERNEL, sizes, strict=True)))
            if row["kernel_distance"].isfinite().all():
                reasons["kernel_distance_centered"] = REASONS["centered"]
        reasons |= dict.fromkeys(REPRESENTATION, REASONS["still" if here else "representation"])
        if here:
            row |= self._representation(name, prefix)
        moved, size = (sum_of(part[layer] for layer in present or members) for part in (now.displacement, now.magnitude))
        row["parameter_movement"] = (moved / size).sqrt()
        reasons["parameter_movement"] = REASONS["parameters"]
        alone = key is None  # else of the whole network
        reasons["taylor_gap"] = REASONS["isolated"] if alone else REASONS["gap"]
        if alone and name in now.moved:
            row["taylor_gap"] = self._gap(f"{prefix}taylor_gap", *now.moved[name])
            reasons["taylor_gap"] = no_gap(row["taylor_gap"])
        self._explain(reasons, prefix)
        return row

    def _representation(self, name: str, prefix: str) -> dict[str, Tensor]:
        """How far a representation moved; taken once for its own row and for the model's."""
        if name not in self.represented:
            self.represented[name] = self.baseline.features[name].resampled(self.now.representations[name])
        drawn, magnified = self.represented[name]
        rounding = ROUNDING * self.now.rounding
        return self._resampled(
            prefix, drawn, {"representation_change": (rounding * magnified) ** 2, "feature_movement": rounding}
        )

    def _resampled(
        self, prefix: str, drawn: dict[str, Float[Tensor, "S _"]], rounding: dict[str, float | Tensor]
    ) -> dict[str, Tensor]:
        """Return measures on all the probe points, and keep how they spread over subsets."""
        for measure, values in drawn.items() if self.moved else ():
            self._spread(prefix + measure, values, rounding[measure])
        return {measure: values[:, 0] for measure, values in drawn.items()}

    def _explain(self, reasons: dict[str, str], prefix: str) -> None:
        for measure, reason in reasons.items():
            self.undefined.setdefault(prefix + measure, reason)
