"""DVC stage `evaluate`: every cell that params ask for. Exit code 1 when a cell has no numbers."""

import sys

from pipeline.flows.evaluate import evaluate
from pipeline.params import load_params
from stages.entry import stage


def run() -> None:
    """Evaluate, print the summary, and fail if it is not complete."""
    params = load_params()
    summary = evaluate(params)
    print("\n".join(f"evaluate: {line}" for line in summary.lines()))
    if not summary.complete:
        sys.exit("evaluate: incomplete; finished cells are kept, and `zsad tables` draws what is there")


if __name__ == "__main__":
    stage(run)
