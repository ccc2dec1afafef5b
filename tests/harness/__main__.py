# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.harness --circuits N --seeds S``: the long form of the simulation, and its one line."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from .adversary import INSIDE, OUTSIDE
from .campaign import Outcome, line, many_worlds


def main() -> int:
    """Live through many worlds; return how the program is to end."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness", description=__doc__)
    parser.add_argument("--circuits", type=int, default=400, help="circuits in each world")
    parser.add_argument("--seeds", type=int, default=500, help="how many worlds")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--deaths", type=int, default=3, help="how often the program dies in each world")
    parser.add_argument("--outside", action="store_true", help="break the assumption: listings lag too far")
    parser.add_argument("--cores", type=int, default=2)
    given = parser.parse_args()
    adversary = replace(OUTSIDE if given.outside else INSIDE, deaths=given.deaths)
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    total = Outcome()
    for outcome in many_worlds(adversary, given.circuits, seeds, given.cores):
        total += outcome
        for broken in outcome.broken:
            print(broken, file=sys.stderr, flush=True)
    print(line(total, adversary, seeds))
    return 1 if total.broken and not given.outside else 0


if __name__ == "__main__":
    sys.exit(main())
