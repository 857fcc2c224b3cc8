"""What each measure is, in words, and why it may be undefined."""

INDEX = "regime_index"
"""The verdict's index of each seed, from 0, lazy, to 1, rich: told apart from measures, and read by this name among them."""
_LEARNERS = {
    "": "the network",
    "twin_": "the linearized twin",
    "infinite_": "the infinitely wide network's mean over initializations, trained by the same optimizer from outputs of zero",
    "kernel_start_": "kernel regression (ridge at rounding) with the network's initial kernel Theta_0",
    "kernel_now_": "kernel regression (ridge at rounding) with the network's kernel at the end, Theta_T",
}
DEFINITIONS = {
    **{
        f"{prefix}{name}_loss": f"loss of {who}, averaged over the {points} points"
        for prefix, who in _LEARNERS.items()
        for name, points in (("train", "training"), ("test", "held-out"))
    },
    **{
        f"{prefix}{name}_error": f"{points} points {who} puts in the wrong class, as a share; "
        "in regression, squared error over the targets' variance"
        for prefix, who in _LEARNERS.items()
        for name, points in (("train", "training"), ("test", "held-out"))
    },
    **{
        f"{name}_accuracy": f"share of {points} examples it gets right"
        for name, points in (("train", "training"), ("test", "held-out"))
    },
    "kernel_change": "||Theta_t - Theta_0|| / ||Theta_0|| on the probe points: turning and growth",
    "kernel_distance": "1 - cosine of Theta_t and Theta_0: turning alone",
    "kernel_distance_centered": "the same after centering both kernels, which removes their constant part",
    "kernel_velocity": "kernel distance between this measurement and the one before, per unit of time",
    "kernel_share": "share of the layer in the kernel's trace",
    "representation_change": "1 - debiased CKA of the hidden representation now and at the start",
    "feature_movement": "||h_t - h_0|| / ||h_0|| of the hidden representation",
    "parameter_movement": "||theta_t - theta_0|| / ||theta_0||",
    "linearization_gap": "distance of the network from its linearized twin, relative to how far it moved",
    "linearization_gap_max": "the largest linearization gap along the run",
    "taylor_gap": "distance of the network from f_0 + J_0 (theta_t - theta_0), relative to how far it moved; "
    "of a layer or block, with that one moved alone",
    "buffer_change": "what buffers (running statistics) and all else that is not trained did to the kernel of the start alone; "
    "every other change is measured against the start as it would be with them as they are now",
    "projection_error": "relative standard error of the kernel, where random projections stand for its outputs",
    "stability": "step size times the top eigenvalue of Theta / N; descent on mse is stable below 2, "
    "with momentum below 2 (1 + beta)",
    "target_alignment": "centered cosine of Theta_t and y y^T on the training points",
    "feature_alignment": "the same for the last hidden representation's Gram matrix",
    "effective_rank": "exp of the entropy of the normalized spectrum of Theta_t on the probe points",
    "forecast_skill": "share of the outputs' variance over the path so far that the twin foresaw: 1 lazy, lower rich",
}
"""Every measure, in one sentence."""

REASONS = {
    "gap": "the function has not moved yet",
    "lost": "the linear prediction diverged: it is further away than numbers tell",
    "alike": "the outputs moved alike at all probe points: there is no variance to foresee",
    "kernel": "the kernel is zero on the probe points, at the start or now",
    "large": "the kernel is larger than its precision holds, at the start or now",
    "centered": "the centered kernel is zero: the kernel is constant over the probe points, at the start or now",
    "missing": "not part of the function: no gradient reaches it",
    "representation": "no representation of the examples here",
    "still": "the representation is constant over the probe points",
    "parameters": "the initial parameters are zero",
    "overflow": "not finite: training diverged",
    "velocity": "it needs a measurement before this one",
    "state": "buffers, or what is trained, changed since the measurement before",
    "alignment": "the kernel, the features or the targets are constant, but for rounding",
    "isolated": "taken for whole blocks, not for this layer alone",
}
