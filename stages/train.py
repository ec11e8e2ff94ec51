"""DVC stage `train@<auxiliary set>`: every learnt method and variant, tuned on one data set."""

import sys

from pipeline.flows.evaluate import train
from pipeline.params import load_params
from stages.entry import named, stage


def run() -> None:
    """Train on the auxiliary set named on the command line."""
    auxiliary = named("auxiliary set")
    done = train(load_params(), auxiliary)
    print(f"train on {auxiliary}: {len(done.trained)} weights files written")
    for name, reason in done.failed.items():
        print(f"train on {auxiliary}: {name} not written: {reason}", file=sys.stderr)


if __name__ == "__main__":
    stage(run)
