"""Benchmarks of the kernels: `python -m tests.benchmarks.kernels`, from the root of the checkout.

    p1       MLPs against neural-tangents            p6       memory for many examples
    p2       MiniLM against per-example gradients    p7       a billion parameters
    check    what the check of every kernel costs    growth   time against every size
    breakdown  where the time of p1's and p2's calls goes

neural-tangents needs an environment of its own. Without --peer one is made, in --peer-folder or in a temporary directory.
Run it on an idle machine: OpenMP's threads wait for one another by spinning, so that one other busy process can cost torch a
multiple of its time. A load average above 0.3 of the cores at the start is noted with the results.
"""

import sys
import tempfile
from argparse import Namespace
from pathlib import Path

from tests.benchmarks import breakdown, check, footprint, growth, large, mlp, transformer
from tests.benchmarks.peer import environment_in, running
from tests.benchmarks.report import REPEATS, NotRunError, Section, command, rounds

OPTIONS = REPEATS | {
    "--peer": {"type": Path, "metavar": "PYTHON", "help": "the python of an environment with neural-tangents"},
    "--peer-folder": {"type": Path, "metavar": "FOLDER", "help": "where to make that environment, and find it again"},
}


def against_peer(asked: Namespace) -> Section:
    """P1, with the peer from --peer, from --peer-folder, or from an environment made for the occasion."""
    if asked.quick and not asked.peer:
        raise NotRunError("--quick makes no environment with neural-tangents; --peer names one")
    with tempfile.TemporaryDirectory() as folder:
        python = asked.peer or environment_in((asked.peer_folder or Path(folder)).absolute())
        with running(python) as peer:
            return mlp.section(peer, rounds(asked, mlp.ROUNDS), mlp.CASES[:1] if asked.quick else mlp.CASES)


SECTIONS = {
    "p1": against_peer,
    "p2": lambda asked: transformer.section(rounds(asked, transformer.ROUNDS), asked.quick),
    "p6": lambda asked: footprint.section(asked.quick),
    "p7": lambda asked: large.section(rounds(asked, large.ROUNDS), asked.quick),
    "check": lambda asked: check.section(rounds(asked, check.ROUNDS), asked.quick),
    "breakdown": lambda asked: breakdown.section(rounds(asked, breakdown.ROUNDS), asked.quick),
    "growth": lambda asked: growth.section(rounds(asked, growth.ROUNDS), asked.quick),
}


if __name__ == "__main__":
    sys.exit(command("kernels", __doc__, SECTIONS, OPTIONS))
