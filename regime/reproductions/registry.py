"""Every claim by its id, in the order of the wall."""

from regime.reproductions.low_rank import LOW_RANK
from regime.reproductions.movement import MOVEMENT
from regime.reproductions.predictability import PREDICTABILITY

CLAIMS = {claim.id: claim for claim in (MOVEMENT, LOW_RANK, PREDICTABILITY)}
