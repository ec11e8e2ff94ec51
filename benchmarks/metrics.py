"""Pixel metrics against their peers: same arrays, one process, one thread, contenders in random order.

    python -m benchmarks metrics                     # tables on standard output, some ten minutes
    python -m benchmarks metrics --images 20 --quick # one round, half a minute
    python -m benchmarks metrics --ours              # counted against exact alone, two minutes
    pip install ADEval                               # one more contender, where it is installed

Times are processor time, medians over rounds, so that other work on the machine shows less. Memory is how far
the resident set rises over the loaded inputs, each contender in a fresh process (Linux). The scheme of the
official evaluation code is written down here in our own words: it is what the field runs.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from pipeline.clip.architecture import import_open_clip
from pipeline.metrics import PixelState, pixel_intervals
from pipeline.metrics.curves import PIXEL_METRICS

Maps = npt.NDArray[np.float32]
Masks = npt.NDArray[np.uint8]
Values = dict[str, float | None]

SIZE = 518
BATCH = 8
EXACT = 1 << 28


def draw(count: int, seed: int = 0) -> tuple[Maps, Masks]:
    """Maps like a model's (patch noise, bilinear, logistic, Gaussian 4); 60 % have 1 to 5 defects."""
    rng = np.random.default_rng(seed)
    maps = np.empty((count, SIZE, SIZE), np.float32)
    masks = np.zeros((count, SIZE, SIZE), np.uint8)
    for image in range(count):
        for _ in range(rng.integers(1, 6) if rng.random() < 0.6 else 0):
            y, x, height, width = *rng.integers(0, 440, 2), *rng.integers(10, 78, 2)
            masks[image, y : y + height, x : x + width] = 1
        logits = ndimage.zoom(rng.normal(size=(37, 37)), SIZE / 37, order=1) + 2.5 * masks[image] - 1
        maps[image] = ndimage.gaussian_filter(4 / (1 + np.exp(-logits)), 4)
    return maps, masks


def gather(maps: Maps, masks: Masks, state: PixelState) -> PixelState:
    """Update `state` batch by batch, as evaluation does."""
    for start in range(0, len(maps), BATCH):
        state.update(maps[start : start + BATCH], masks[start : start + BATCH])
    return state


def ours(maps: Maps, masks: Masks) -> Values:
    """All six values from a state of the default budget."""
    return finished(gather(maps, masks, PixelState()))


def ours_exact(maps: Maps, masks: Masks) -> Values:
    """All six values with every score kept."""
    return finished(gather(maps, masks, PixelState(EXACT)))


def finished(state: PixelState) -> Values:
    """The six values of a state."""
    values = asdict(state.finish())
    return {name: values[name] for name in PIXEL_METRICS}


def sklearn_three(maps: Maps, masks: Masks) -> Values:
    """The three ranking metrics of scikit-learn."""
    truth, scores = masks.ravel(), maps.ravel()
    precision, recall, _ = precision_recall_curve(truth, scores)
    with np.errstate(invalid="ignore"):
        f1 = np.nanmax(2 * precision * recall / (precision + recall))
    return {
        "pixel_auroc": float(roc_auc_score(truth, scores)),
        "pixel_ap": float(average_precision_score(truth, scores)),
        "pixel_f1_max": float(f1),
    }


def torchmetrics_two(maps: Maps, masks: Masks) -> Values:
    """The two ranking metrics of torchmetrics, at every distinct score."""
    import_open_clip()  # torchmetrics imports torchvision, which needs the same help
    from torchmetrics.functional.classification import binary_auroc, binary_average_precision

    scores, truth = torch.from_numpy(maps).ravel(), torch.from_numpy(masks).ravel().long()
    return {
        "pixel_auroc": float(binary_auroc(scores, truth, thresholds=None)),
        "pixel_ap": float(binary_average_precision(scores, truth, thresholds=None)),
    }


def official_two(maps: Maps, masks: Masks) -> Values:
    """Pixel AUROC, then PRO: at each threshold the whole volume is cut and every mask labelled anew."""
    truth = masks.astype(np.float32)
    predicted = np.zeros(maps.shape, np.bool_)
    fpr, pro = [], []
    for threshold in np.arange(maps.min(), maps.max(), (maps.max() - maps.min()) / 200):
        predicted[maps <= threshold], predicted[maps > threshold] = False, True
        shares = []
        for image, mask in zip(predicted, truth, strict=True):
            labels, count = ndimage.label(mask, np.ones((3, 3)))
            for number, box in enumerate(ndimage.find_objects(labels, count), start=1):
                region = labels[box] == number
                shares.append(image[box][region].sum() / region.sum())
        pro.append(np.mean(shares))
        normal = 1 - truth
        fpr.append(np.logical_and(normal, predicted).sum() / normal.sum())
    x, y = np.array(fpr), np.array(pro)
    kept = x < 0.3
    x = (x[kept] - x[kept].min()) / (x[kept].max() - x[kept].min())
    return {
        "pixel_auroc": float(roc_auc_score(truth.ravel(), maps.ravel())),
        "pixel_pro": float(auc(x, y[kept])),
    }


def adeval_three(maps: Maps, masks: Masks) -> Values:
    """ADEval: AUROC, AP and PRO at a thousand thresholds that close in on where the curves bend."""
    vars(np).setdefault("trapz", np.trapezoid)  # its last release is older than the new name
    from adeval import auroc_aupr_aupro

    auroc, ap, pro = auroc_aupr_aupro(maps, masks)
    return {"pixel_auroc": auroc, "pixel_ap": ap, "pixel_pro_exact": pro}


def sort_once(maps: Maps, masks: Masks) -> Values:  # noqa: ARG001 - called like the others
    """What any exact method has to beat."""
    np.sort(maps.ravel())
    return {}


CONTENDERS: dict[str, tuple[Callable[[Maps, Masks], Values], int]] = {
    "ours: all six values, counted": (ours, 7),
    "ours: all six values, exact": (ours_exact, 5),
    "one np.sort of all scores": (sort_once, 5),
    "scikit-learn: AUROC, AP, F1-max": (sklearn_three, 1),
    "torchmetrics: AUROC, AP": (torchmetrics_two, 1),
    "official scheme: AUROC, PRO": (official_two, 1),
}
"""Name to function and rounds; the slow ones run once."""
if find_spec("adeval"):
    CONTENDERS["ADEval: AUROC, AP, PRO"] = (adeval_three, 3)


def time_all(maps: Maps, masks: Masks, quick: bool) -> tuple[dict[str, list[float]], dict[str, Values]]:
    """Processor seconds of each contender, and its values."""
    order = [name for name, (_, rounds) in CONTENDERS.items() for _ in range(1 if quick else rounds)]
    random.Random(0).shuffle(order)  # noqa: S311 - an order, not a secret
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    values: dict[str, Values] = {}
    for name in order:
        start = time.process_time()
        values[name] = CONTENDERS[name][0](maps, masks)
        seconds[name].append(time.process_time() - start)
    return seconds, values


def measure_peak(name: str, folder: Path) -> float:
    """MB that contender `name` needs beyond its inputs; to be called in a fresh process."""
    maps, masks = np.load(folder / "maps.npy"), np.load(folder / "masks.npy")
    CONTENDERS[name][0](maps[:1, :64, :64], np.pad(np.ones((1, 32, 64), np.uint8), ((0, 0), (0, 32), (0, 0))))
    return peak_of(lambda: CONTENDERS[name][0](maps, masks))


def measure_flat(count: int) -> float:
    """MB that a state needs for `count` images that are made batch by batch; in a fresh process."""
    maps, masks = draw(BATCH)
    rng = np.random.default_rng(1)
    PixelState().update(maps[:1], masks[:1])

    def run() -> None:
        state = PixelState()
        for _ in range(0, count, BATCH):
            gain = rng.uniform(0.9, 1.1, (BATCH, 1, 1)).astype(np.float32)
            state.update(maps * gain, masks)
        state.finish()

    return peak_of(run)


def peak_of(work: Callable[[], object]) -> float:
    """MB that the resident set rises above where it stands (Linux: the high-water mark is reset first)."""
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    work()
    return (resident("VmHWM") - before) / 1024


def resident(field: str) -> int:
    """A field of this process's status, in kB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(field))


def in_fresh_process(*arguments: str) -> float:
    """A number that this script prints when called with `arguments`."""
    done = subprocess.run(  # noqa: S603 - this script itself
        [sys.executable, "-m", "benchmarks", "metrics", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout))


def report_times(counts: list[int], quick: bool) -> None:
    """Tables of seconds and ratios."""
    maps, masks = draw(max(counts))
    both = masks.any(axis=(1, 2)).argsort()[[0, -1]]  # one without a defect, one with
    for contender, _ in CONTENDERS.values():
        contender(maps[both], masks[both])
    all_seconds = {}
    for count in counts:
        seconds, values = time_all(maps[:count], masks[:count], quick)
        all_seconds[count] = {name: statistics.median(runs) for name, runs in seconds.items()}
        report_agreement(count, values)
    print("\n| processor seconds |" + "".join(f" {count} |" for count in counts))
    print("|---|" + "---|" * len(counts))
    for name in CONTENDERS:
        print(f"| {name} |" + "".join(f" {all_seconds[count][name]:.3f} |" for count in counts))
    counted = next(iter(CONTENDERS))
    print("\n| times the seconds of ours, counted |" + "".join(f" {count} |" for count in counts))
    print("|---|" + "---|" * len(counts))
    for name in list(CONTENDERS)[1:]:
        ratios = (all_seconds[count][name] / all_seconds[count][counted] for count in counts)
        print(f"| {name} |" + "".join(f" {ratio:.3g} |" for ratio in ratios))


def report_agreement(count: int, values: dict[str, Values]) -> None:
    """Distance of every contender from our exact values."""
    exact = values["ours: all six values, exact"]
    for name, got in values.items():
        errors = {
            metric: abs(value - want)
            for metric, value in got.items()
            if value is not None and (want := exact[metric]) is not None
        }
        if errors and got is not exact:
            print(f"{count} images, {name}: " + ", ".join(f"{m} {e:.1e}" for m, e in errors.items()))


def report_memory(count: int) -> None:
    """Table of peak memory."""
    print(f"\n| peak MB beyond the inputs, {count} images | |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        maps, masks = draw(count)
        np.save(Path(folder) / "maps.npy", maps)
        np.save(Path(folder) / "masks.npy", masks)
        del maps, masks
        for name in CONTENDERS:
            print(f"| {name} | {in_fresh_process('--peak', name, '--folder', folder):.0f} |")
    for images in (200, 500, 1000):
        print(
            f"| ours, {images} images made batch by batch | {in_fresh_process('--flat', str(images)):.0f} |"
        )


def report_intervals(count: int) -> None:
    """What the intervals of five metrics cost."""
    state = gather(*draw(count), PixelState())
    values = state.finish()
    start = time.process_time()
    pixel_intervals(state.sketches, values)
    print(f"\nIntervals of {count} images, five metrics: {time.process_time() - start:.2f} s")


def options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--images", type=int, nargs="+", default=[4, 20, 100, 200])
    parser.add_argument("--quick", action="store_true", help="one round, no memory table")
    parser.add_argument("--ours", action="store_true", help="no contender but our own two; no memory table")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--flat", type=int, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> None:
    """Print everything."""
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    if arguments.peak:
        print(json.dumps(measure_peak(arguments.peak, arguments.folder)))
    elif arguments.flat:
        print(json.dumps(measure_flat(arguments.flat)))
    else:
        for name in list(CONTENDERS) if arguments.ours else ():
            if not name.startswith("ours"):
                del CONTENDERS[name]
        report_times(arguments.images, arguments.quick)
        report_intervals(max(arguments.images))
        if not (arguments.quick or arguments.ours):
            report_memory(max(arguments.images))
