"""How examples lie in the representation of every block, as small clouds of points: then and now."""

from regime.dynamics.snapshot import Snapshot
from regime.measures.representation import aligned, principal_plane
from regime.record.packing import evenly, pack

EXAMPLES = 64
"""Most examples, the first ones of the probe set."""
BLOCKS = 24
"""Most blocks, spread evenly from input to output."""
ROOM = 3600
"""Characters of an event that the clouds of all blocks may take."""
LEAST = 8
"""Examples that are shown at least, whatever names the blocks have."""


def representations(now: Snapshot, start: Snapshot) -> dict[str, object]:
    """Return the first seed's clouds of examples by block, packed, or nothing where no block gives a representation.

    A cloud has the first two principal coordinates (n, 2) of each example, turned to fit those at the start best and relative
    to the root mean square of distances from their mean there, so that blocks of any size compare and growth shows.
    """
    known = [block for block in dict.fromkeys(start.blocks.values()) if block in start.representations]
    if not known:
        return {}
    known = [known[index] for index in evenly(len(known), BLOCKS).tolist()]
    room = (ROOM - len("".join(known))) // len(known)
    n = max(LEAST, min(EXAMPLES, 3 * room // 16))  # two float16 an example, in base64
    clouds = {}
    for block in known:
        pair = [part.representations[block][0, :n] for part in (start, now) if block in part.representations]
        if len(pair) == 2 and all(bool(rows.isfinite().all()) for rows in pair):
            then, cloud = (principal_plane(rows) for rows in pair)
            size = then.square().sum(1).mean().sqrt()
            clouds[block] = pack(aligned(cloud, then) / size)
    return {"representations": clouds}
