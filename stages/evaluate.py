"""DVC stage `evaluate`: every cell that params ask for. Exit code 1 when a cell has no numbers."""

from pipeline import catalog
from pipeline.errors import ZsadError
from pipeline.flows.prefect_server import start_ahead
from pipeline.params import Params, load_params
from pipeline.results import datasets_with_results
from stages.entry import stage


def _say_what_goes(params: Params) -> None:
    """Name the data sets of an earlier run whose results this one will remove."""
    gone = datasets_with_results(params.results).difference(catalog.evaluated(params.every_dataset))
    if gone:
        print(
            f"evaluate: {params.results} loses the results of {', '.join(sorted(gone))}, which params.yaml"
            " does not name any more; named again, they come back at once: finished cells are kept",
            flush=True,
        )


def _say_what_is_left(params: Params) -> None:
    if params.left_out:
        print(f"evaluate: left out, not on this machine: {', '.join(params.left_out)}", flush=True)
    if params.limit is not None:
        print(f"evaluate: a smoke run, at most {params.limit} images of each subset", flush=True)


def run() -> None:
    """Evaluate, print the summary, and fail if it is not complete."""
    params = load_params()
    _say_what_goes(params)
    _say_what_is_left(params)
    start_ahead()
    from pipeline.flows.evaluate import evaluate

    summary = evaluate(params)
    print("\n".join(f"evaluate: {line}" for line in summary.lines()))
    if not summary.complete:
        raise ZsadError(
            f"{len(summary.failures)} cells have no numbers: `zsad plan --only failed` says why, "
            "`zsad tables` draws what is there, and finished cells are kept"
        )


if __name__ == "__main__":
    stage(run)
