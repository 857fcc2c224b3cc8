"""Every claim by its id, in the order of the wall."""

from regime.reproductions.after import AFTER_KERNEL
from regime.reproductions.bottleneck import BOTTLENECK
from regime.reproductions.catapult import CATAPULT
from regime.reproductions.coverage import COVERAGE
from regime.reproductions.double_descent import DOUBLE_DESCENT
from regime.reproductions.feature_movement import FEATURE_MOVEMENT
from regime.reproductions.features import FEATURES
from regime.reproductions.fourier import FOURIER
from regime.reproductions.gradient_flow import GRADIENT_FLOW
from regime.reproductions.grokking import GROKKING
from regime.reproductions.infinite_width import INFINITE_WIDTH
from regime.reproductions.initial_fluctuation import INITIAL_FLUCTUATION
from regime.reproductions.kernel_movement import KERNEL_MOVEMENT
from regime.reproductions.kernel_regression import KERNEL_REGRESSION
from regime.reproductions.largest_step import LARGEST_STEP
from regime.reproductions.lazy_rich_boundary import LAZY_RICH_BOUNDARY
from regime.reproductions.linear_twin import LINEAR_TWIN
from regime.reproductions.low_rank import LOW_RANK
from regime.reproductions.movement import MOVEMENT
from regime.reproductions.movement_by_layer import MOVEMENT_BY_LAYER
from regime.reproductions.output_scale import OUTPUT_SCALE
from regime.reproductions.predictability import PREDICTABILITY
from regime.reproductions.prompt import PROMPT
from regime.reproductions.scaling_laws import SCALING_LAWS
from regime.reproductions.sparse import SPARSE

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
        GROKKING,
        DOUBLE_DESCENT,
        SPARSE,
        FEATURES,
        AFTER_KERNEL,
        BOTTLENECK,
        PROMPT,
        INITIAL_FLUCTUATION,
        LAZY_RICH_BOUNDARY,
        COVERAGE,
        LARGEST_STEP,
        FOURIER,
        LOW_RANK,
        PREDICTABILITY,
        GRADIENT_FLOW,
        SCALING_LAWS,
    )
}
