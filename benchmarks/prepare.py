"""Preparing a data set against a plain Pillow loop over the same files, and against decoding alone.

    python -m benchmarks prepare             # tables on standard output, two minutes

The files are drawn in the layout of MVTec AD, 1024 x 1024 as there, once as PNG and once as JPEG; half of
the images are anomalous and have a mask. All make the arrays of the paper profile's two resolutions. The loop
does what an evaluation script does, image by image: open, resize, convert, fill arrays, save them. Decoding
alone (the same threads as `prepare`, nothing else) is the limit that no preparation passes; with Pillow's
resizing, which fixes every bit of the result, it is the limit of one that agrees with the paper. Contenders
take turns, files are in the page cache, and the smallest of several times counts, so that other work shows
least.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks.common import add_rounds
from pipeline.catalog import guess
from pipeline.shards import prepare

SIDE = 1024
SIZES = (240, 518)
WORKERS = 2

Times = tuple[float, float]  # wall and processor seconds


def draw(root: Path, kind: str, count: int) -> None:
    """`count` images, textured as photographs are, with masks for every second."""
    rng = np.random.default_rng(0)
    for number in range(count):
        noise = rng.normal(128, 40, (SIDE // 4, SIDE // 4, 3))
        smooth = ndimage.zoom(ndimage.gaussian_filter(noise, (3, 3, 0)) * 4 - 384, (4, 4, 1), order=1)
        pixels = np.clip(smooth + rng.normal(0, 2, smooth.shape), 0, 255).astype(np.uint8)
        label = "good" if number % 2 else "cut"
        path = root / f"thing/test/{label}/{number:03d}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        if label == "cut":
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[300:420, 500:700] = 255
            truth = root / f"thing/ground_truth/cut/{number:03d}_mask.png"
            truth.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(truth)


def by_prepare(root: Path, out: Path) -> None:
    """The project's own."""
    record = guess(root, "things").record
    manifest = prepare(record, root, out, SIZES, record.expected(), workers=WORKERS)
    if manifest.errors:
        raise SystemExit(str(manifest.errors))


def by_loop(root: Path, out: Path) -> None:
    """One image after the other, arrays in memory, saved at the end."""
    images: dict[int, list[np.ndarray]] = {size: [] for size in SIZES}
    masks: dict[int, list[np.ndarray]] = {size: [] for size in SIZES}
    for path in sorted(root.glob("thing/test/*/*")):
        picture = Image.open(path)
        picture.load()
        truth = root / f"thing/ground_truth/cut/{path.stem}_mask.png"
        mask = Image.open(truth).convert("L") if truth.exists() else Image.new("L", picture.size)
        mask = Image.fromarray((np.asarray(mask) > 0).astype(np.uint8) * 255)
        for size in SIZES:
            square = (size, size)
            images[size].append(np.asarray(picture.resize(square, Image.Resampling.BICUBIC).convert("RGB")))
            masks[size].append(np.asarray(mask.resize(square, Image.Resampling.BILINEAR)) > 127)
    out.mkdir(parents=True, exist_ok=True)
    for size in SIZES:
        np.save(out / f"images-{size}.npy", np.stack(images[size]))
        np.save(out / f"masks-{size}.npy", np.stack(masks[size]))


def by_decoding(root: Path, _out: Path) -> None:
    """Every image and mask decoded, and nothing done with it."""
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(_decode, sorted(path for path in root.rglob("*") if path.is_file())))


def by_resizing(root: Path, _out: Path) -> None:
    """Decoded and resized to every size, and nothing done with it."""
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(_resize, sorted(path for path in root.rglob("*") if path.is_file())))


def _decode(path: Path) -> None:
    with Image.open(path) as picture:
        picture.load()


def _resize(path: Path) -> None:
    method = Image.Resampling.BILINEAR if "ground_truth" in path.parts else Image.Resampling.BICUBIC
    with Image.open(path) as picture:
        for size in SIZES:
            picture.resize((size, size), method)


CONTENDERS: dict[str, Callable[[Path, Path], None]] = {
    "prepare": by_prepare,
    "plain Pillow loop": by_loop,
    "decoding alone": by_decoding,
    "decoding and resizing alone": by_resizing,
}


def measure(root: Path, rounds: int) -> dict[str, Times]:
    """Smallest wall and processor time of each contender."""
    found: dict[str, list[Times]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, run in CONTENDERS.items():
            with tempfile.TemporaryDirectory() as out:
                wall, processor = time.perf_counter(), time.process_time()
                run(root, Path(out) / "out")
                found[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return {name: (min(wall for wall, _ in it), min(cpu for _, cpu in it)) for name, it in found.items()}


def report(kind: str, count: int, times: dict[str, Times]) -> None:
    """One row a contender, then the two ratios."""
    print(f"\n| {count} {kind} images of {SIDE} px | wall s | processor s | images a second |")
    print("|---|---|---|---|")
    for name, (wall, processor) in times.items():
        print(f"| {name} | {wall:.2f} | {processor:.2f} | {count / wall:.0f} |")
    ours = times["prepare"]
    for name in list(times)[1:]:
        wall, processor = (theirs / own for theirs, own in zip(times[name], ours, strict=True))
        print(f"\n{name}: {wall:.2f} of the time of prepare ({processor:.2f} of its processor time)")


def options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--images", type=int, default=60)
    add_rounds(parser, 7)


def run(arguments: argparse.Namespace) -> None:
    """Print the table of each format."""
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    for kind in ("png", "jpg"):
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder), kind, arguments.images)
            report(kind, arguments.images, measure(Path(folder), arguments.rounds))
