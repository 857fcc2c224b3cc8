"""Every claim by name: a function of whether to take the full effort, giving results."""

from regime.reproductions import dynamics, laws, maps

CLAIMS = {
    "movement": laws.movement,
    "kernel-movement": laws.kernel_movement,
    "movement-by-layer": laws.movement_by_layer,
    "movement-by-scale": laws.movement_by_scale,
    "catapult": dynamics.catapult,
    "kernel-at-initialization": laws.kernel_at_initialization,
    "features": laws.features,
    "kernel-regression": laws.kernel_regression_limit,
    "closed-form": dynamics.closed_form,
    "bottleneck": laws.bottleneck,
    "fluctuation": laws.fluctuation,
    "forecast": dynamics.forecast,
    "boundary": maps.boundary,
    "double-descent": maps.double_descent,
}
