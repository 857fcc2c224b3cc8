"""`python -m regime.reproductions [--full]`: every claim that toys can show, as a table."""

import argparse
import sys
import time

from regime.reproductions.registry import CLAIMS

HEADER = f"{'id':9} {'ours':>8}  {'95% interval':18} {'expected':>28}  {'tolerance':18} {'':4}  claim\n"


def main() -> int:
    """Print the claims that are asked for as a table; return 1 where one of them failed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m regime.reproductions", description=__doc__)
    parser.add_argument("--full", action="store_true", help="more seeds and widths; some minutes")
    parser.add_argument("--only", nargs="*", choices=CLAIMS, metavar="NAME", help=", ".join(CLAIMS))
    chosen = parser.parse_args()
    sys.stdout.write(HEADER)
    failed = 0
    for name in chosen.only or CLAIMS:
        start = time.perf_counter()
        for result in CLAIMS[name](chosen.full):
            ours, failed = result.ours, failed + (not result.passed)
            sys.stdout.write(
                f"{result.id:9} {ours.value:8.3f}  [{ours.low:7.3f}, {ours.high:7.3f}] {result.expected:>28}  "
                f"[{result.low:7.3f}, {result.high:7.3f}] {'pass' if result.passed else 'FAIL'}  {result.claim}\n"
            )
        sys.stdout.write(f"{'':9} {time.perf_counter() - start:.1f} s\n")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
