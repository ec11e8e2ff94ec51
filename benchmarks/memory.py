"""Peak memory of evaluation against the number of images: miniature shapes, four methods, fresh processes.

    python -m benchmarks.memory

Counted is anonymous memory above that after a first small subset, sampled every few milliseconds (Linux).
The prepared images are memory-mapped: their pages belong to the system, which drops them when it needs room.
"""

import argparse
import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import facts, table, write_section
from benchmarks.miniature import miniature_params, project, tasks
from pipeline.execution.scoring import evaluate_group
from pipeline.execution.tasks import GroupTask
from pipeline.metrics.state import BUDGET

COUNTS = (150, 300, 600, 1200)
_SAMPLE_SECONDS = 0.005


def anonymous() -> int:
    """Bytes of this process that no file stands for."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))


def repeat(task: GroupTask, count: int) -> None:
    """Make the prepared subset of `task` hold `count` images by repeating it."""
    folder = task.shards / task.subset
    index = pq.read_table(folder / "index.parquet")
    rows = np.arange(count) % index.num_rows
    pq.write_table(index.take(pa.array(rows)), folder / "index.parquet")
    for path in folder.glob("*.npy"):
        np.save(path, np.load(path)[rows])


def grown(count: int) -> float:
    """MB that evaluating `count` images takes on top of a small subset; in a fresh process."""
    with project():
        group = next(task for task in tasks(miniature_params()) if len(task.cells) > 1)
        evaluate_group(group)
        repeat(group, count)
        before, peak, done = anonymous(), 0, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(_SAMPLE_SECONDS):
                peak = max(peak, anonymous())

        watcher = threading.Thread(target=watch)
        watcher.start()
        results = evaluate_group(replace(group, images=count))
        done.set()
        watcher.join()
    if results[0].row.n_images != count:
        raise SystemExit(
            f"{results[0].row.n_images} images were evaluated, not {count}: {results[0].row.error}"
        )
    return (peak - before) / 2**20


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    count = parser.parse_args().count
    if count:
        print(json.dumps(grown(count)))
        return
    rows = []
    for images in COUNTS:
        command = [sys.executable, "-m", "benchmarks.memory", "--count", str(images)]
        done = subprocess.run(  # noqa: S603 - this module itself
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
        )
        rows.append([str(images), f"{float(done.stdout):.0f}"])
    words = (
        f"Four methods of one tower on one subset of 112 px. Scores are kept up to {BUDGET / 1e6:.1f} M"
        " pixels a cell (334 images here, 15 at 518 px), beyond it they are counted in a table of fixed size."
        f" {facts()}"
    )
    body = table(["images", "MB above a small subset"], rows)
    write_section("memory", "Memory of evaluation", f"{words}\n\n{body}")


if __name__ == "__main__":
    main()
