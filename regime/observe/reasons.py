"""Why measures of a layer are undefined, and which of them are of what."""

FROZEN = "this layer is not trained"
OUTPUTS = "the readout gives outputs, not features"
CUT = "gradients of this network are not the derivatives of its outputs: parts are detached, or gradients estimated"
OF_FEATURES = ("representation_change", "feature_movement")
OF_KERNEL = ("kernel_change", "kernel_distance", "kernel_distance_centered", "kernel_share", "taylor_gap")
