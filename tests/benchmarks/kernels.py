"""Benchmarks of the kernels: `python -m tests.benchmarks.kernels`, from the root of the checkout.

    p1       MLPs against neural-tangents            p6       memory for many examples
    p2       MiniLM against per-example gradients    growth   time against every size
    check    what the check of every kernel costs

neural-tangents needs an environment of its own. Without --peer one is made, in --peer-folder or in a temporary directory.
Run it on an idle machine: OpenMP's threads wait for one another by spinning, so that one other busy process can cost torch a
multiple of its time. A load average above 0.3 of the cores at the start is noted with the results.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from tests.benchmarks import check, footprint, growth, mlp, transformer
from tests.benchmarks.environment import cores, environment
from tests.benchmarks.peer import PeerError, environment_in, running
from tests.benchmarks.report import RESULTS, Section, record, terminal


def against_peer(options: argparse.Namespace) -> Section:
    """P1, with the peer from --peer, from --peer-folder, or from an environment made for the occasion."""
    with tempfile.TemporaryDirectory() as folder:
        python = options.peer or environment_in((options.peer_folder or Path(folder)).absolute())
        with running(python) as peer:
            return mlp.section(peer, options.repeats or mlp.ROUNDS)


SECTIONS: dict[str, Callable[[argparse.Namespace], Section]] = {
    "p1": against_peer,
    "p2": lambda options: transformer.section(options.repeats or transformer.ROUNDS),
    "p6": lambda _: footprint.section(),
    "check": lambda options: check.section(options.repeats or check.ROUNDS),
    "growth": lambda options: growth.section(options.repeats or growth.ROUNDS),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.kernels", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="some of the benchmarks")
    parser.add_argument("--repeats", type=int, help="rounds of timing (default: each benchmark's own)")
    parser.add_argument("--peer", type=Path, metavar="PYTHON", help="the python of an environment with neural-tangents")
    parser.add_argument("--peer-folder", type=Path, metavar="FOLDER", help="where to make that environment, and find it again")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}/kernels.json and .md beside this file")
    return parser.parse_args()


def main() -> int:
    """Run what was asked for; 1 where a benchmark could not be run. A target that is missed is a result, not a failure."""
    options = arguments()
    torch.set_num_threads(cores())
    ran_on = environment()  # once: later the load is that of these benchmarks
    failed = False
    for name in options.only:
        try:
            section = SECTIONS[name](options)
        except PeerError as error:
            failed = True
            sys.stderr.write(f"{name} was not run: {error}\n")
            continue
        section.environment = ran_on | section.environment
        sys.stdout.write(terminal(section))
        if not ran_on["idle_at_start"]:
            sys.stdout.write(f"The machine was not idle: load average {ran_on['load_average_at_start']} at the start.\n")
        if options.write:
            written = record("kernels", {name: section})
            sys.stdout.write(f"Written: {', '.join(map(str, written))}\n")
        sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
