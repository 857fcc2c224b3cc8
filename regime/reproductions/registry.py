"""Every claim by its id, in the order of the wall."""

from regime.reproductions.after import AFTER_KERNEL
from regime.reproductions.features import FEATURES
from regime.reproductions.grokking import GROKKING
from regime.reproductions.movement import MOVEMENT
from regime.reproductions.prompt import PROMPT
from regime.reproductions.sparse import SPARSE

CLAIMS = {claim.id: claim for claim in (MOVEMENT, GROKKING, SPARSE, FEATURES, AFTER_KERNEL, PROMPT)}
