"""DVC stage `train@<auxiliary set>`: every learnt method and variant, tuned on one data set."""

import sys

from pipeline.flows.prefect_server import start_ahead
from pipeline.params import load_params
from stages.entry import named, stage


def run() -> None:
    """Train on the auxiliary set named on the command line."""
    auxiliary = named("auxiliary set")
    params = load_params()  # what is wrong there is told before Prefect is here
    start_ahead()
    from pipeline.flows.evaluate import train

    done = train(params, auxiliary)
    print(f"train on {auxiliary}: {len(done.trained)} weights files written")
    for name, reason in done.failed.items():
        print(f"train on {auxiliary}: {name} not written: {reason}", file=sys.stderr)


if __name__ == "__main__":
    stage(run)
