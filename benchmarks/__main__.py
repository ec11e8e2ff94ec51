"""`python -m benchmarks NAME [options]`: run one benchmark, on a machine where nothing else runs."""

import argparse
import sys
from importlib import import_module

NAMES = (
    "backends",
    "coverage",
    "device",
    "evaluation",
    "faults",
    "full_shape",
    "memory",
    "metrics",
    "mutual",
    "orchestration",
    "order",
    "prepare",
    "report",
    "shared_pass",
    "tower",
    "training",
)


def main(typed: list[str]) -> None:
    """Run the benchmark that is named first with the options that follow it."""
    names = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names.add_argument("name", choices=NAMES)
    name = names.parse_args(typed[:1]).name
    module = import_module(f"benchmarks.{name}")
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.options(parser)
    module.run(parser.parse_args(typed[1:]))


if __name__ == "__main__":
    main(sys.argv[1:])
