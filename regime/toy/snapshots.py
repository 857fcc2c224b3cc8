"""Snapshots of a toy experiment: what measures need of the network, its twins and kernel regression at one step."""

from collections.abc import Callable, Generator
from contextlib import nullcontext
from dataclasses import replace
from math import isfinite

import torch
from jaxtyping import Float
from torch import Tensor

from regime.dynamics.losses import error, undefined_errors
from regime.dynamics.regression import ROUNDED, SINGULAR, fit_scores
from regime.dynamics.snapshot import AT_THE_END, TWIN_GAP, GapSnapshot, Moved, Pause, Snapshot, Targets
from regime.dynamics.twin import Twin, TwinPoints, TwinState
from regime.kernels.closed_form import interpolation_weights
from regime.kernels.spectrum import lanczos_top, top_eigenvalue
from regime.record.packing import pack
from regime.resources.device import compact_memory
from regime.toy.cost import PRODUCTS
from regime.toy.directions import INPUTS, directions, predictions
from regime.toy.experiment import Experiment
from regime.toy.network import Layer, Network, NetworkJacobian, difference, first_network, squared_norm

FROZEN = "this layer is not trained"
LARGE = 2**22
"""Bytes of a kernel above which memory is kept free of holes, where it is solved with: they were twice what that takes."""
PARTS = ("train", "test")
PREDICTORS = ("infinite_", "kernel_start_", "kernel_now_")
"""Before the names of what is taken where a run has it, and of two at its end."""
MEASURES = [f"{name}_{kind}" for name in PARTS for kind in ("loss", "error")]


@torch.no_grad()
def record_gap(experiment: Experiment) -> GapSnapshot:
    """Return the outputs of the network and of its twin on the probe points: the cheap part of a snapshot.

    The twin has to take its steps beside the network.
    """
    run = experiment.run
    outputs = run.network.forward(experiment.training.parameters, experiment.x["probe"]).outputs
    scaled = run.scaled(outputs, experiment.offsets["probe"])
    return GapSnapshot(experiment.step, experiment.fraction, scaled, experiment.twin.outputs(experiment.points["probe"]))


@torch.no_grad()
def take_snapshot(experiment: Experiment, *, ended: bool | None = None) -> Generator[Pause, None, Snapshot]:
    """Return everything that is measured of the experiment now, with pauses between its pieces.

    `ended` asks for kernel regression, with the kernels at the start and now; None means after the last step alone.
    """
    run, network = experiment.run, experiment.run.network
    yield from experiment.recall_twins()
    parameters = experiment.training.parameters
    train = network.jacobian(parameters, experiment.x["train"])
    yield experiment.pause
    probe = network.jacobian(parameters, experiment.x["probe"])
    yield experiment.pause
    test = network.forward(parameters, experiment.x["test"]).outputs
    outputs = {"train": train.outputs, "test": test, "probe": probe.outputs}
    scaled = {name: run.scaled(values, experiment.offsets[name]) for name, values in outputs.items()}
    foreseen = {name: experiment.twin.outputs(experiment.points[name]) for name in PARTS}
    ended = experiment.step == run.steps if ended is None else ended
    losses, floors, undefined = yield from _losses(experiment, scaled, foreseen, ended)
    shifts = [difference(*pair) for pair in zip(parameters, run.initial, strict=True)]
    moved, taylor = _taylor(experiment, shifts)
    yield experiment.pause
    kernel = sum(network.kernels(train, train).values())
    yield experiment.pause
    stability, unstable = _stability(experiment, train, kernel)
    yield experiment.pause
    bare = run.bare(probe)
    return replace(
        bare,
        step=experiment.step,
        fraction=experiment.fraction,
        time=experiment.step * run.learning_rate,
        losses=losses,
        outputs=scaled["probe"],
        linear={TWIN_GAP: experiment.twin.outputs(experiment.points["probe"]), "taylor_gap": taylor},
        displacement={name: squared_norm(shift) for name, shift in zip(network.names, shifts, strict=True)},
        magnitude=run.magnitude,
        moved=moved,
        train=Targets(kernel, train.hidden[-1], run.data.train.y),
        scalars={"stability": stability},
        floors=floors,
        undefined=bare.undefined | undefined | unstable | _frozen(network),
        view=_view(experiment, bare.kernels) | _features(experiment, scaled["test"], foreseen["test"]),
    )


def _frozen(network: Network) -> dict[str, str]:
    kernels = ("kernel_change", "kernel_distance", "kernel_distance_centered", "kernel_share", "taylor_gap")
    return {f"{name}/{measure}": FROZEN for name in network.names[: network.first_trained] for measure in kernels}


def _losses(
    experiment: Experiment, scaled: dict[str, Tensor], foreseen: dict[str, Tensor], ended: bool
) -> Generator[Pause, None, tuple[dict[str, Tensor], dict[str, Tensor], dict[str, str]]]:
    """Losses and errors of the network, the twin, the infinite width, and kernel regression with Theta_0 and Theta_t.

    With the floors of some, and why others are undefined.
    """
    run, seeds = experiment.run, len(experiment.run.jacobian.outputs)

    def score(name: str, values: Tensor) -> dict[str, Tensor]:
        y = getattr(run.data, name).y.to(values.dtype)
        scores = {f"{name}_loss": run.loss.value(values, y), f"{name}_error": error(values, y, run.config.classes)}
        return {measure: value.expand(seeds) for measure, value in scores.items()}

    predictors = {"": scaled, "twin_": foreseen}
    if experiment.limit is not None:
        predictors["infinite_"] = {name: experiment.limit.outputs(experiment.limit_points[name]) for name in PARTS}
    losses, floors = {}, {}
    if ended:
        with compact_memory() if 8 * run.data.train.y.numel() ** 2 > LARGE else nullcontext():
            losses, floors = yield from _regressions(experiment, score)
    undefined = dict.fromkeys(floors, SINGULAR)
    undefined |= undefined_errors(
        {name: getattr(run.data, name).y for name in PARTS}, run.config.classes, ("", "twin_", *PREDICTORS)
    )
    for prefix, outputs in predictors.items():
        for name in PARTS:
            losses |= {prefix + measure: value for measure, value in score(name, outputs[name]).items()}
    for prefix in PREDICTORS:
        for measure in MEASURES:
            if prefix + measure not in losses:
                losses[prefix + measure] = torch.full_like(losses[measure], torch.nan)
                undefined[prefix + measure] = experiment.no_limit if prefix == "infinite_" else AT_THE_END
    return losses, floors, undefined


def _regressions(
    experiment: Experiment, score: Callable[[str, Tensor], dict[str, Tensor]]
) -> Generator[Pause, None, tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """Scores of kernel regression of the targets, from F_0, with the tangent kernels at the start and now, and their floors.

    In float64, from the parameters as they are: at a condition number of 1e7, that of float32 would decide the fit. What
    rounding in the steps may have changed is in the floors.
    """
    run = experiment.run
    seeds = [slice(k, k + 1) for k in range(len(run.jacobian.outputs))]
    first = {
        name: torch.cat(
            [run.network.forward(_doubled(run.initial, seed), experiment.x[name].double()).outputs for seed in seeds]
        )
        for name in PARTS
    }
    start = {name: run.scaled(values, values) for name, values in first.items()}
    losses, floors = {}, {}
    for prefix, parameters in (("kernel_start_", run.initial), ("kernel_now_", experiment.training.parameters)):
        moves = []
        for seed in seeds:
            own = _doubled(parameters, seed)
            moved = yield from _moves(experiment, own, start["train"][seed])
            if parameters is not run.initial:
                unit = torch.finfo(run.dtype).eps * experiment.step**0.5
                for noise in range(ROUNDED):
                    again = yield from _moves(experiment, _jittered(own, unit, noise), start["train"][seed])
                    moved = [torch.cat([each, other[1:]]) for each, other in zip(moved, again, strict=True)]
            moves.append(moved)
        fits = {name: start[name] + torch.cat(parts, 1) for name, parts in zip(PARTS, zip(*moves, strict=True), strict=True)}
        found = fit_scores(fits, start, score)
        for known, part in zip((losses, floors), found, strict=True):
            known |= {prefix + measure: value for measure, value in part.items()}
    return losses, floors


def _doubled(parameters: list[Layer], seed: slice) -> list[Layer]:
    """One seed's parameters in float64: kernels of all at once might not fit."""
    return [layer.map(lambda part: part[seed].double()) for layer in parameters]


def _jittered(parameters: list[Layer], unit: float, seed: int) -> list[Layer]:
    """The parameters with as much noise, relative to each, as so large a unit of rounding makes."""
    generator = torch.Generator().manual_seed(seed)

    def noisy(part: Tensor) -> Tensor:
        return part * (1 + unit * torch.randn(part.shape, generator=generator, dtype=torch.float64, device="cpu").to(part))

    return [layer.map(noisy) for layer in parameters]


def _moves(
    experiment: Experiment, parameters: list[Layer], start: Float[Tensor, "1 N C"]
) -> Generator[Pause, None, list[Float[Tensor, "2 1 n C"]]]:
    """By how far kernel regression moves one seed's outputs, on training and test points."""
    network = experiment.run.network
    train, test = (network.jacobian(parameters, experiment.x[name].double()) for name in PARTS)
    residual = experiment.run.data.train.y.double() - start
    yield experiment.pause
    kernel = network.full_kernel(train, train)
    yield experiment.pause
    weights = interpolation_weights(kernel, residual.flatten(1))
    yield experiment.pause
    moved = (kernel @ weights.unsqueeze(-1)).view(2, *residual.shape)
    return [moved, network.kernel_product(test, train, weights.view(2, *residual.shape))]


def _taylor(experiment: Experiment, shifts: list[Layer]) -> tuple[dict[str, Moved], Tensor]:
    """Each layer moved alone, and F_0 + alpha J_0 (theta - theta_0) of all together, on the probe points."""
    run, network, parameters = experiment.run, experiment.run.network, experiment.training.parameters
    start = experiment.points["probe"].start
    parts = run.alpha * network.product(experiment.probe_jacobian, [shifts[layer] for layer in network.trained])
    moved = {}
    for part, a, layer in zip(parts, experiment.probe_jacobian.inputs, network.trained, strict=True):
        outputs = network.forward_from(layer, a, run.initial, parameters[layer])
        moved[network.names[layer]] = Moved(run.scaled(outputs, experiment.offsets["probe"]), start + part)
    return moved, start + parts.sum(0)


def _stability(experiment: Experiment, train: NetworkJacobian, kernel: Float[Tensor, "S N N"]) -> tuple[Tensor, dict[str, str]]:
    """learning_rate n^-c lambda_max(Theta / N), of the full kernel."""
    run, network = experiment.run, experiment.run.network
    if run.config.by_parameter:
        whose = "Adam's" if run.config.optimizer == "adam" else "your own optimizer's"
        reason = {"stability": f"{whose} step is no multiple of the gradient"}
        return kernel.new_full(kernel.shape[:1], torch.nan, dtype=torch.float64), reason
    if run.config.outputs == 1:
        top = top_eigenvalue(kernel, PRODUCTS)
    else:
        like = train.outputs

        def product(v: Tensor) -> Tensor:
            pulled = network.pullback(train, v.to(like.dtype).view_as(like))
            return network.product(train, pulled).sum(0).flatten(1)

        size = like[0].numel()
        start = torch.cos(torch.arange(size, device=like.device, dtype=torch.float64) ** 2)
        top = lanczos_top(product, start.expand(like.shape[0], size), PRODUCTS)
    rate = run.descent.learning_rate
    return (rate.flatten() if isinstance(rate, Tensor) else rate) * top / run.config.samples, {}


def _view(experiment: Experiment, kernels: dict[str, Float[Tensor, "S P P"]]) -> dict[str, object]:
    """What the page draws: the functions on the grid, the kernel, and at the start the losses that the twins foresee."""
    run, pictures = experiment.run, {}
    if "grid" in experiment.x:
        outputs = run.network.forward(first_network(experiment.training.parameters), experiment.x["grid"]).outputs
        pictures["network"] = run.scaled(outputs, experiment.offsets["grid"])
        pictures["twin"] = experiment.twin.outputs(experiment.points["grid"])
        if experiment.limit is not None:
            pictures["infinite"] = experiment.limit.outputs(experiment.limit_points["grid"])
    view: dict[str, object] = {name: pack(values) for name, values in pictures.items()}
    if len(run.cells) == 1:
        view["kernel"] = run.kernel_picture(kernels)
    if experiment.step == 0 and experiment.forecast:
        steps = [min(k * run.config.measure_every, run.steps) for k in range(len(experiment.forecast))]
        losses = _foreseen("twin_", experiment, experiment.twin, experiment.forecast, experiment.points)
        if experiment.limit is not None:
            losses |= _foreseen("infinite_", experiment, experiment.limit, experiment.limit_forecast, experiment.limit_points)
        view["forecast"] = {"steps": steps, **losses}
    return view


def _features(experiment: Experiment, outputs: Float[Tensor, "S n C"], twin: Float[Tensor, "S n C"]) -> dict[str, object]:
    """What features look like now: units, or of more inputs the directions that matter; and predictions without a picture."""
    run = experiment.run
    if len(run.cells) > 1:
        return {}
    view: dict[str, object] = {}
    if not run.pictured:
        view["predictions"] = predictions(run.data.test.y, network=outputs, twin=twin)
    if run.units is not None:
        view |= run.units.now(first_network(experiment.training.parameters))
    elif run.data.train.x.shape[1] <= INPUTS:
        view["directions"] = directions(run.network, experiment.training.parameters, experiment.x["probe"])
    return view


def _foreseen(
    prefix: str, experiment: Experiment, twin: Twin, path: list[TwinState], points: dict[str, TwinPoints]
) -> dict[str, list[float | None]]:
    """Losses to come along a twin's path, seeds averaged, at each measurement."""
    run = experiment.run
    losses: dict[str, list[float | None]] = {f"{prefix}{name}_loss": [] for name in PARTS}
    for state in path:
        twin.state = state
        for name in PARTS:
            value = run.loss.value(twin.outputs(points[name]), getattr(run.data, name).y).mean().item()
            losses[f"{prefix}{name}_loss"].append(value if isfinite(value) else None)
    twin.state = path[0]
    return losses
