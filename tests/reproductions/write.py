"""Run claims and ship their cards: `python -m tests.reproductions.write --full|--quick [IDS]`, from the root of the checkout.

Each card is written to regime/data/reproductions as soon as it is there, in the place of the one before. Without ids nothing is
run; all cards get the texts that their claims have now. Then the tables of the README and of a guide are made again.
"""

import argparse
import sys

from regime.reproductions.registry import CLAIMS
from regime.reproductions.reproduce import Form, missing, named, reproduce
from regime.reproductions.shipped import keep
from tests.conftest import ROOT
from tests.reproductions.table import PAGES, refreshed


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.reproductions.write", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--full", action="store_true", help="full forms, as the README has them")
    which.add_argument("--quick", action="store_true", help="quick forms")
    parser.add_argument("ids", nargs="*", metavar="ID", help="of claims, or all")
    asked = parser.parse_args()
    form: Form = "full" if asked.full else "quick"
    for id in CLAIMS if asked.ids == ["all"] else asked.ids:
        if lacking := missing(named(id)):
            sys.stdout.write(f"{id}: skipped: {lacking}\n")
            continue
        card = reproduce(id, asked.full)
        keep(form, [card])
        sys.stdout.write(f"{id}: {card.outcome}, {card.seconds:.0f} s\n")
        sys.stdout.flush()
    keep(form)
    for page in PAGES:
        (ROOT / page).write_text(refreshed(page), encoding="utf-8")


if __name__ == "__main__":
    main()
