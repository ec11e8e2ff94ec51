"""`python -m pipeline.miniature.datasets --out samples --seed 2024`: draw the miniature data sets."""

import argparse
import sys
from pathlib import Path

from pipeline.errors import ZsadError
from pipeline.miniature.datasets.generate import COUNTS_PATH, SEED, write_all, write_counts
from pipeline.miniature.datasets.specification import specification


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.miniature.datasets",
        description="Draw the miniature data sets in their published layouts: same seed, same bytes.",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("samples"), help="folder to write to (default: samples)"
    )
    parser.add_argument(
        "--seed", type=int, default=SEED, help=f"what decides every picture (default: {SEED})"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="data sets to draw (default: all, and the counts)"
    )
    chosen = parser.parse_args(arguments)
    try:
        counts = write_all(chosen.out, seed=chosen.seed, names=chosen.only or specification())
        if chosen.only is None:
            write_counts(counts, COUNTS_PATH)
    except ZsadError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
