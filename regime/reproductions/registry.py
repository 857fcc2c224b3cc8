"""Every claim by its id, in the order of the wall."""

from regime.reproductions.movement import MOVEMENT

CLAIMS = {claim.id: claim for claim in (MOVEMENT,)}
