"""KolektorSDD: tall grey photographs of commutators, a mask beside each of them, all zero on most.

    kosNN/PartK.jpg   kosNN/PartK_label.bmp

What is tested are pieces of these images, a share of the normal ones: the rule belongs to the reader, and the
counts here follow its constants.
"""

from itertools import pairwise

import numpy as np

from pipeline.catalog.layouts.kolektor import NORMAL_SHARE, PIECES
from pipeline.miniature.datasets.files import save, save_mask
from pipeline.miniature.datasets.layouts.job import Counts, Job
from pipeline.miniature.drawing.plane import Mask

_PARTS = 3


def write(job: Job) -> Counts:
    """Write the items; defects lie on every third image or so, and the last item lacks a part."""
    (subset,) = job.spec.subsets
    studio = job.studio(subset)
    images = job.spec.normal + job.spec.anomalous
    defective = {round((k + 0.5) * images / job.spec.anomalous) for k in range(job.spec.anomalous)}
    normal = anomalous = 0
    for number in range(images):
        home = job.root / f"kos{number // _PARTS + 1:02d}"
        stem = f"Part{number % _PARTS}"
        if number in defective:
            shot = studio.anomalous(number)
            pixels, mask = shot.pixels, shot.mask
        else:
            pixels = studio.normal(number)
            mask = np.zeros(pixels.shape, dtype=np.bool_)
        save(home / f"{stem}.jpg", pixels)
        save_mask(home / f"{stem}_label.bmp", mask)
        marked = _marked_pieces(mask)
        normal, anomalous = normal + PIECES - marked, anomalous + marked
    return {subset: (-(-normal // NORMAL_SHARE), anomalous)}


def _marked_pieces(mask: Mask) -> int:
    """How many of the pieces hold a part of the defect."""
    cuts = [mask.shape[0] * piece // PIECES for piece in range(PIECES + 1)]
    return sum(bool(mask[top:bottom].any()) for top, bottom in pairwise(cuts))
