"""Every claim by its id, in the order of the wall."""

from regime.reproductions.coverage import COVERAGE
from regime.reproductions.fourier import FOURIER
from regime.reproductions.gradient_flow import GRADIENT_FLOW
from regime.reproductions.largest_step import LARGEST_STEP
from regime.reproductions.low_rank import LOW_RANK
from regime.reproductions.movement import MOVEMENT
from regime.reproductions.predictability import PREDICTABILITY
from regime.reproductions.scaling_laws import SCALING_LAWS

CLAIMS = {
    claim.id: claim
    for claim in (MOVEMENT, COVERAGE, LARGEST_STEP, FOURIER, LOW_RANK, PREDICTABILITY, GRADIENT_FLOW, SCALING_LAWS)
}
