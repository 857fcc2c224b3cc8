"""Every claim by its id, in the order of the wall."""

from regime.reproductions.bottleneck import BOTTLENECK
from regime.reproductions.catapult import CATAPULT
from regime.reproductions.double_descent import DOUBLE_DESCENT
from regime.reproductions.feature_movement import FEATURE_MOVEMENT
from regime.reproductions.infinite_width import INFINITE_WIDTH
from regime.reproductions.initial_fluctuation import INITIAL_FLUCTUATION
from regime.reproductions.kernel_movement import KERNEL_MOVEMENT
from regime.reproductions.kernel_regression import KERNEL_REGRESSION
from regime.reproductions.lazy_rich_boundary import LAZY_RICH_BOUNDARY
from regime.reproductions.linear_twin import LINEAR_TWIN
from regime.reproductions.movement import MOVEMENT
from regime.reproductions.movement_by_layer import MOVEMENT_BY_LAYER
from regime.reproductions.output_scale import OUTPUT_SCALE

CLAIMS = {
    claim.id: claim
    for claim in (
        MOVEMENT,
        KERNEL_MOVEMENT,
        MOVEMENT_BY_LAYER,
        OUTPUT_SCALE,
        CATAPULT,
        INFINITE_WIDTH,
        FEATURE_MOVEMENT,
        KERNEL_REGRESSION,
        LINEAR_TWIN,
        DOUBLE_DESCENT,
        BOTTLENECK,
        INITIAL_FLUCTUATION,
        LAZY_RICH_BOUNDARY,
    )
}
