"""Every claim by name: a function of whether to take the full effort, giving results."""

from regime.reproductions import dynamics, maps, scaling

CLAIMS = {
    "movement": scaling.movement,
    "kernel-movement": scaling.kernel_movement,
    "movement-by-layer": scaling.movement_by_layer,
    "movement-by-scale": scaling.movement_by_scale,
    "catapult": dynamics.catapult,
    "kernel-at-initialization": scaling.kernel_at_initialization,
    "features": scaling.features,
    "kernel-regression": scaling.kernel_regression_limit,
    "closed-form": dynamics.closed_form,
    "bottleneck": scaling.bottleneck,
    "fluctuation": scaling.fluctuation,
    "forecast": dynamics.forecast,
    "boundary": maps.lazy_rich_boundary,
    "double-descent": maps.double_descent,
}
