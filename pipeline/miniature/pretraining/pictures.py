"""Twin pictures: the same drawing whole and damaged, seen through the same window, with the defect's mask.

Twins differ in nothing but the defect, so that only the defect explains the difference of their captions.
The window varies from the whole drawing to a piece of it, because evaluation shows larger pictures to the
same patches. A batch of a training run says which twins, through which window, under which captions.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.miniature.drawing import (
    COLOURS,
    DEFECTS,
    OBJECTS,
    ORGANS,
    TEXTURES,
    Picture,
    add_defect,
    draw_object,
    draw_organ,
    random_look,
    random_palette,
    texture,
)
from pipeline.miniature.pretraining.captions import (
    Subject,
    choice,
    ground_caption,
    mark_caption,
    place_words,
    spoiled_caption,
    whole_caption,
)

_FAMILIES = {"object": 0.36, "texture": 0.22, "organ": 0.42}
_MONOCHROME = 0.25  # of the objects and textures are seen by a camera without colour
_ORGAN_DEFECTS = {
    "brain_ct": ("tumour", "bleeding"),
    "brain_mri": ("tumour", "lesion"),
    "chest": ("opacity", "nodule"),
    "skin": ("lesion", "blotch", "stain"),
    "colon": ("polyp", "bleeding", "lesion"),
    "thyroid": ("nodule", "tumour"),
}
_GREY_ORGANS = ("brain_ct", "brain_mri", "chest", "thyroid")
_OTHER_DEFECTS = tuple(
    name for name in DEFECTS if name not in ("lesion", "polyp", "nodule", "tumour", "bleeding", "opacity")
)

Pixels = npt.NDArray[np.uint8]
_STRENGTH = (0.35, 1.0)
_AREA = (0.4, 1.2)
_MIN_VISIBLE = 12  # pixels of a defect inside the window
_CHUNK = 64  # twins a task of the drawing processes


def draw_scene(canvas: int, rng: np.random.Generator) -> tuple[Subject, Picture, bool]:
    """Any thing on a square of `canvas` pixels; `rng` decides all of it.

    Returns:
        What is drawn and which defect its twin will have, the drawing, whether the camera sees no colour.
    """
    family = list(_FAMILIES)[int(rng.choice(len(_FAMILIES), p=list(_FAMILIES.values())))]
    size = (canvas, canvas)
    if family == "organ":
        kind = choice(tuple(ORGANS), rng)
        defect = choice(_ORGAN_DEFECTS[kind], rng)
        return Subject(kind, "", defect), draw_organ(kind, size, rng), kind in _GREY_ORGANS
    grey = bool(rng.random() < _MONOCHROME)
    colour = choice(tuple(COLOURS), rng)
    kind = choice(tuple(OBJECTS if family == "object" else TEXTURES), rng)
    if family == "object":
        picture = draw_object(kind, size, rng, look=random_look(rng, colour=colour))
    else:
        picture = _textured(kind, size, colour, rng)
    return Subject(kind, "" if grey else colour, choice(_OTHER_DEFECTS, rng)), picture, grey


def _textured(kind: str, size: tuple[int, int], colour: str, rng: np.random.Generator) -> Picture:
    palette = random_palette(rng, colour=colour)
    image = texture(kind, size, rng, palette=palette, scale=float(rng.uniform(0.6, 1.8)))
    return Picture(image, np.ones(size, dtype=np.bool_), texture("smooth", size, rng))


@dataclass(frozen=True)
class View:
    """How drawings become pictures.

    Attributes:
        side: Of a picture in pixels, S.
        canvas: Smallest and largest side of a drawing in pixels.
        zoom: Smallest and largest ratio of the drawing's side to that of the window on it.
    """

    side: int
    canvas: tuple[int, int]
    zoom: tuple[float, float]


TRAINING_VIEW = View(side=72, canvas=(64, 112), zoom=(1.0, 1.7))
EVALUATION_VIEW = View(side=112, canvas=(96, 144), zoom=(1.0, 1.0))


@dataclass(frozen=True)
class Twins:
    """One drawing, whole and damaged.

    Attributes:
        whole: uint8 (S, S, 3).
        damaged: uint8 (S, S, 3).
        mask: bool (S, S), the defect.
        subject: What the captions may say.
    """

    whole: Pixels
    damaged: Pixels
    mask: npt.NDArray[np.bool_]
    subject: Subject


@dataclass(frozen=True)
class Pool:
    """All twins of a training run.

    Attributes:
        images: uint8 (N, 2, S, S, 3); index 1 is the damaged twin.
        masks: bool (N, S, S), of the damaged twin.
        subjects: N descriptions.
    """

    images: Pixels
    masks: npt.NDArray[np.bool_]
    subjects: tuple[Subject, ...]

    def __len__(self) -> int:
        return len(self.subjects)


def draw_pool(count: int, view: View, *, seed: int, processes: int = 1) -> Pool:
    """Draw `count` twins; the same whatever the number of processes."""
    draw = partial(draw_twins, view=view, seed=seed)
    if processes == 1:
        return _stack([draw(index) for index in range(count)])
    with ProcessPoolExecutor(processes) as executor:
        return _stack(list(executor.map(draw, range(count), chunksize=_CHUNK)))


def draw_twins(index: int, *, view: View, seed: int) -> Twins:
    """Number `index` of the pool under `seed`; independent of all others."""
    rng = np.random.default_rng((seed, index))
    subject, picture, grey = draw_scene(int(rng.integers(*view.canvas, endpoint=True)), rng)
    while True:
        strength, scale = float(rng.uniform(*_STRENGTH)), float(rng.uniform(*_AREA))
        damaged, mask = add_defect(subject.defect, picture, rng, strength=strength, scale=scale)
        window = _window(mask, view.zoom, rng)
        seen = _resized(Image.fromarray(mask.astype(np.uint8) * 255), window, view.side) > 127
        if seen.sum() >= _MIN_VISIBLE:
            break
    return Twins(
        whole=_view(picture.image, window, view.side, grey=grey),
        damaged=_view(damaged, window, view.side, grey=grey),
        mask=seen,
        subject=subject,
    )


def _window(
    mask: npt.NDArray[np.bool_], zoom: tuple[float, float], rng: np.random.Generator
) -> tuple[float, float, float]:
    """Left, top and side of a square window, in pixels of the drawing, that holds a pixel of the defect."""
    canvas = mask.shape[0]
    extent = canvas / float(rng.uniform(*zoom))
    rows, columns = np.nonzero(mask)
    chosen = int(rng.integers(len(rows)))
    left, top = (
        float(np.clip(centre - rng.uniform(0.1, 0.9) * extent, 0, canvas - extent))
        for centre in (float(columns[chosen]), float(rows[chosen]))
    )
    return left, top, extent


def _view(
    image: npt.NDArray[np.float32], window: tuple[float, float, float], side: int, *, grey: bool
) -> Pixels:
    picture = Image.fromarray((image * 255).round().astype(np.uint8))
    return _resized(picture.convert("L").convert("RGB") if grey else picture, window, side)


def _resized(picture: Image.Image, window: tuple[float, float, float], side: int) -> Pixels:
    left, top, extent = window
    box = (left, top, left + extent, top + extent)
    resample = Image.Resampling.BICUBIC if picture.mode == "RGB" else Image.Resampling.BILINEAR
    return np.asarray(picture.resize((side, side), resample, box=box))


def _stack(twins: Sequence[Twins]) -> Pool:
    return Pool(
        images=np.stack([np.stack([pair.whole, pair.damaged]) for pair in twins]),
        masks=np.stack([pair.mask for pair in twins]),
        subjects=tuple(pair.subject for pair in twins),
    )


@dataclass(frozen=True)
class Batch:
    """P pairs of twins.

    Attributes:
        images: uint8 (2P, s, s, 3), the whole twins first.
        masks: bool (P, s, s), the defects of the damaged ones.
        captions: 2P sentences about the pictures.
        pieces: 2P sentences about what their patches show: the ground, and what lies on it.
        corner: Row and column of the patch grid at which the pictures are said to lie.
    """

    images: Pixels
    masks: npt.NDArray[np.bool_]
    captions: list[str]
    pieces: list[str]
    corner: tuple[int, int]


def batches(
    pool: Pool, stages: tuple[tuple[int, int], ...], pairs: int, *, seed: int, patch: int
) -> Iterator[Batch]:
    """Batches of all stages, going through the pool in a new order each time round.

    A stage whose pictures are smaller than the pool's shows windows that hold a piece of the defect, and a
    random place of the patch grid, so that position embeddings come to mean relations rather than the edges
    of a window.

    Args:
        pool: At least `pairs` twins.
        stages: Steps and side in pixels of each stage.
        pairs: Twins a batch.
        seed: Decides order, windows and captions.
        patch: Side of a patch in pixels.
    """
    rng = np.random.default_rng((seed, 1))
    order = np.empty(0, dtype=np.intp)
    for side in (side for steps, side in stages for _ in range(steps)):
        if len(order) < pairs:
            order = np.concatenate([order, rng.permutation(len(pool))])
        chosen, order = order[:pairs], order[pairs:]
        free = (pool.images.shape[2] - side) // patch + 1
        corner = (int(rng.integers(free)), int(rng.integers(free)))
        yield _batch(pool, chosen, side, corner, rng)


def _batch(
    pool: Pool, chosen: npt.NDArray[np.intp], side: int, corner: tuple[int, int], rng: np.random.Generator
) -> Batch:
    views = [_seen(pool, int(index), side, rng) for index in chosen]
    masks = np.stack([mask for _, mask in views])
    placed = [(pool.subjects[i], place_words(mask)) for i, mask in zip(chosen, masks, strict=True)]
    captions = [whole_caption(subject, rng) for subject, _ in placed]
    captions += [spoiled_caption(subject, rng) for subject, _ in placed]
    pieces = [ground_caption(subject, rng) for subject, _ in placed]
    pieces += [mark_caption(subject, place, rng) for subject, place in placed]
    images = np.concatenate([np.stack([pair[twin] for pair, _ in views]) for twin in (0, 1)])
    return Batch(images, masks, captions, pieces, corner)


def _seen(
    pool: Pool, index: int, side: int, rng: np.random.Generator
) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """Both twins (2, side, side, 3) and the mask, seen through one window on a piece of the defect."""
    mask = pool.masks[index]
    places = np.argwhere(mask)
    place = places[int(rng.integers(len(places)))]
    margin = side // 6
    start = np.clip(place - rng.integers(margin, side - margin, size=2), 0, mask.shape[0] - side)
    rows, columns = (slice(int(first), int(first) + side) for first in start)
    return pool.images[index, :, rows, columns], mask[rows, columns]
