"""DAGM 2007 as the Kaggle archive has it: training and test parts, labels in a sub-folder, all twice.

    DAGM_KaggleUpload/ClassN/{Train,Test}/NNNN.PNG   .../Label/NNNN_label.PNG   .../Label/Labels.txt

Only defective images have a label, a coarse ellipse around the defect. Both parts hold defects. The inner
folder of the same name is the second copy.
"""

import math

import numpy as np

from pipeline.files import write_bytes
from pipeline.miniature.datasets.files import encoded
from pipeline.miniature.datasets.layouts.job import Counts, Job
from pipeline.miniature.datasets.studio import Studio
from pipeline.miniature.drawing.plane import Mask

_ROOT = "DAGM_KaggleUpload"
_MARGIN = 1.25


def write(job: Job) -> Counts:
    """Write every class twice."""
    for subset in job.spec.subsets:
        studio = job.studio(subset)
        _part(job, studio, "Train", job.spec.train, 1)
        _part(job, studio, "Test", job.spec.normal, job.spec.anomalous)
    return job.counts()


def _part(job: Job, studio: Studio, part: str, normal: int, anomalous: int) -> None:
    """Write one part; its defective images lie in between the others, as in the archive."""
    images = normal + anomalous
    defective = {k * images // anomalous for k in range(anomalous)}
    first = 1 if part == "Test" else images + 1
    files: dict[str, bytes] = {}
    lines = ["1"]
    for number in range(images):
        stem = f"{first + number:04d}"
        if number in defective:
            shot = studio.anomalous(part, number)
            pixels, label = shot.pixels, f"{stem}_label.PNG"
            files[f"Label/{label}"] = encoded(ellipse_around(shot.mask).astype(np.uint8) * 255, ".png")
        else:
            pixels, label = studio.normal(part, number), "0"
        files[f"{stem}.PNG"] = encoded(pixels, ".png")
        lines.append(f"{stem}\t{int(number in defective)}\t{stem}.PNG\t0\t{label}")
    files["Label/Labels.txt"] = ("\n".join(lines) + "\n").encode()
    for home in (job.root / _ROOT, job.root / _ROOT / _ROOT):
        for name, content in files.items():
            write_bytes(home / studio.subset / part / name, content)


def ellipse_around(mask: Mask) -> Mask:
    """A filled ellipse along the defect's axes that holds all of it, as the annotators drew them."""
    rows, columns = np.nonzero(mask)
    points = np.stack([columns, rows], axis=1).astype(np.float64)
    middle = points.mean(axis=0)
    away = points - middle
    angle = 0.5 * math.atan2(2 * (away[:, 0] * away[:, 1]).sum(), (away[:, 0] ** 2 - away[:, 1] ** 2).sum())
    axes = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    half = _MARGIN * np.maximum(np.abs(away @ axes.T).max(axis=0), 2.0)
    half *= np.sqrt((((away @ axes.T) / half) ** 2).sum(axis=1).max())
    y, x = np.indices(mask.shape)
    u, v = np.tensordot(axes, np.stack([x - middle[0], y - middle[1]]), axes=1)
    # The farthest pixel lies on the ellipse: without the slack, rounding would decide about it.
    return np.asarray((u / half[0]) ** 2 + (v / half[1]) ** 2 <= 1.0 + 1e-9, dtype=np.bool_)
