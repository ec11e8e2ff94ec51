"""Peak memory of evaluation against the number of images: miniature shapes, four methods, fresh processes.

    python -m benchmarks memory

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
from pipeline.execution.scoring import score_group
from pipeline.execution.tasks import GroupTask
from pipeline.metrics.state import BUDGET
from pipeline.shards.manifest import read_manifest, write_manifest
from pipeline.shards.reader import INDEX, images_name, masks_name, shard_digest

COUNTS = (150, 300, 600, 1200, 2400, 4800)
_SAMPLE_SECONDS = 0.005


def anonymous() -> int:
    """Bytes of this process that no file stands for."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))


def repeat(task: GroupTask, count: int) -> None:
    """Make the prepared subset of `task` hold `count` images by repeating it."""
    folder, size = task.shards / task.subset, task.tower.image_size
    index = pq.read_table(folder / INDEX)
    rows = np.arange(count) % index.num_rows
    index = index.take(pa.array(rows))
    pq.write_table(index, folder / INDEX)
    arrays = [np.load(folder / name(size))[rows] for name in (images_name, masks_name)]
    for name, array in zip((images_name, masks_name), arrays, strict=True):
        np.save(folder / name(size), array)
    _declare(task, {size: shard_digest(index.to_pylist(), *arrays)})


def _declare(task: GroupTask, digests: dict[int, str]) -> None:
    """Let the manifest name the content that the files of a subset have now."""
    manifest = read_manifest(task.shards)
    subsets = [
        entry.model_copy(update={"digests": digests}) if entry.name == task.subset else entry
        for entry in manifest.subsets
    ]
    write_manifest(task.shards, manifest.model_copy(update={"subsets": tuple(subsets)}))


def grown(count: int) -> float:
    """MB that evaluating `count` images takes on top of a small subset; in a fresh process."""
    with project():
        group = next(task for task in tasks(miniature_params()) if len(task.cells) > 1)
        score_group(group)
        repeat(group, count)
        before, peak, done = anonymous(), 0, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(_SAMPLE_SECONDS):
                peak = max(peak, anonymous())

        watcher = threading.Thread(target=watch)
        watcher.start()
        results = score_group(replace(group, images=count))
        done.set()
        watcher.join()
    if results[0].row.n_images != count:
        raise SystemExit(
            f"{results[0].row.n_images} images were evaluated, not {count}: {results[0].row.error}"
        )
    return (peak - before) / 2**20


def _in_fresh_process(images: int) -> float:
    command = [sys.executable, "-m", "benchmarks", "memory", "--count", str(images)]
    done = subprocess.run(  # noqa: S603 - this module itself
        command, stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout)


def _rows(peaks: list[float]) -> list[list[str]]:
    """Peaks (MB) of `COUNTS`, each with its slope since the one before."""
    slopes = [
        1024 * (peak - before) / (count - fewer)
        for peak, before, count, fewer in zip(peaks[1:], peaks, COUNTS[1:], COUNTS, strict=False)
    ]
    told = ["", *(f"{slope:.1f}" for slope in slopes)]
    return [
        [str(count), f"{peak:.0f}", slope] for count, peak, slope in zip(COUNTS, peaks, told, strict=True)
    ]


def options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> None:
    """Measure and write the section."""
    count = arguments.count
    if count:
        print(json.dumps(grown(count)))
        return
    peaks = [_in_fresh_process(images) for images in COUNTS]
    words = (
        f"Four methods of one tower on one subset of 112 px. Scores are kept up to {BUDGET / 1e6:.1f} M"
        " pixels a cell (334 images here, 15 at 518 px), beyond it they are counted in a table of fixed size."
        " What grows for ever is the sketch that the bootstrap keeps of an image: in each method 1 kB of its"
        f" normal pixels and 1.5 kB of its anomalous ones. {facts()}"
    )
    body = table(["images", "MB above a small subset", "kB an image more"], _rows(peaks))
    write_section("memory", "Memory of evaluation", f"{words}\n\n{body}")
