"""DVC stage `train@<auxiliary set>`: every learnt method and variant, tuned on one data set."""

import sys

from pipeline.flows.prefect_server import start_server
from pipeline.params import load_params
from stages.entry import named, stage


def run() -> None:
    """Train on the auxiliary set named on the command line."""
    auxiliary = named("auxiliary set")
    params = load_params()
    start_server()
    from pipeline.flows.evaluate import train  # late: Prefect is loaded while its server starts

    done = train(params, auxiliary)
    print(f"train on {auxiliary}: {len(done.trained)} weights files written")
    for name, reason in done.failed.items():
        print(f"train on {auxiliary}: {name} not written: {reason}", file=sys.stderr)


if __name__ == "__main__":
    stage(run)
