"""DVC stage `evaluate`: every cell that params ask for. Exit code 1 when a cell has no numbers."""

from pipeline.errors import ZsadError
from pipeline.flows.evaluate import evaluate
from pipeline.params import load_params
from stages.entry import stage


def run() -> None:
    """Evaluate, print the summary, and fail if it is not complete."""
    params = load_params()
    summary = evaluate(params)
    print("\n".join(f"evaluate: {line}" for line in summary.lines()))
    if not summary.complete:
        raise ZsadError(
            f"{len(summary.failures)} cells have no numbers: `zsad plan --only failed` says why, "
            "`zsad tables` draws what is there, and finished cells are kept"
        )


if __name__ == "__main__":
    stage(run)
