"""From a published picture to its row in the arrays of a subset, as the official code does it.

Images: resized to S x S, bicubic, the aspect ratio is not kept; converted to RGB after that, which
matters for palette, alpha and 1-bit pictures. Masks (`pipeline.catalog.masks`): all above 0 is defect,
another bound is a build of its own; resized bilinearly as 0/255, and defect again where the result exceeds
one half (AnomalyCLIP, dataset.py and test.py). JPEG masks therefore grow by their compression noise, and
one-pixel defects may vanish.

Each image is written straight into its row of a memory map, so memory does not grow with the data set.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from pipeline.catalog import ANOMALOUS, DatasetRecord, Sample
from pipeline.catalog.builds import FileFact
from pipeline.catalog.images import decode, read_image
from pipeline.catalog.masks import SAME_SHAPE, read_mask
from pipeline.catalog.samples import Box
from pipeline.catalog.tree import mask_files
from pipeline.errors import DataError, is_fault
from pipeline.files import atomic_path
from pipeline.shards.reader import Bytes, images_name, masks_name


@dataclass(frozen=True)
class Arrays:
    """The open arrays of one size: images (N, S, S, 3), packed masks (N, ceil(S * S / 8)) or None."""

    size: int
    images: Bytes
    masks: Bytes | None

    def flush(self) -> None:
        """Bring the arrays to disk."""
        for array in (self.images, self.masks):
            if isinstance(array, np.memmap):
                array.flush()


@dataclass(frozen=True)
class Done:
    """What is known about one image after it was written."""

    width: int
    height: int
    facts: Mapping[str, FileFact]


def create_arrays(stack: ExitStack, folder: Path, size: int, count: int, *, masks: bool) -> Arrays:
    """Arrays for `count` images in `folder`, under temporary names until the stack is left without an error.

    Raises:
        OSError: no room for them, or the folder cannot be written.
    """
    images = create_array(stack, folder / images_name(size), (count, size, size, 3))
    bits = create_array(stack, folder / masks_name(size), (count, -(-size * size // 8))) if masks else None
    return Arrays(size, images, bits)


def create_array(stack: ExitStack, path: Path, shape: tuple[int, ...]) -> Bytes:
    """A memory-mapped array of bytes; name and errors as of `create_arrays`."""
    temporary = stack.enter_context(atomic_path(path))
    array: Bytes = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        # Without space of its own, a full disk would kill the process at the first write to a page.
        with temporary.open("r+b") as handle:
            os.posix_fallocate(handle.fileno(), 0, temporary.stat().st_size)
    return array


def fill_row(root: Path, sample: Sample, row: int, arrays: Sequence[Arrays], record: DatasetRecord) -> Done:
    """Decode one image and its mask once, and write them at every size, by the rules of the record.

    Raises:
        OSError: the machine cannot read a file now.
        DataError: a file is missing or cannot be decoded, is too small for the piece that is meant, or is an
            empty mask of an anomalous image or one of another shape.
    """
    build = record.builds[0]
    content = _read(root, sample.image)
    facts = {sample.image: FileFact.of(content)}
    whole = decode(content, sample.image, build.bit_depth)
    picture = crop_to(whole, sample.crop, sample.image)
    for one in arrays:
        one.images[row] = image_array(picture, one.size)
    if sample.mask is not None:
        parts = {path: _read(root, path) for path in mask_files(root, sample.mask)}
        facts |= {path: FileFact.of(content) for path, content in parts.items()}
        if sample.label == ANOMALOUS:
            mask = _united(sample, parts, whole.size, record)
            for one in arrays:
                if one.masks is not None:
                    one.masks[row] = mask_bits(mask, one.size)
    return Done(picture.width, picture.height, facts)


def _united(
    sample: Sample, parts: Mapping[str, bytes], size: tuple[int, int], record: DatasetRecord
) -> Image.Image:
    """The mask of an anomalous image, 0 and 255, out of all files of it together."""
    found: Image.Image | None = None
    for path, content in parts.items():
        mask = read_mask(content, path, record.builds[0].mask_above)
        check_pair(sample, size, path, mask.size, own=record.domain == "own")
        part = crop_to(mask, sample.crop, path)
        if found is not None and found.size != part.size:
            raise DataError(f"{path}: {part.width} x {part.height} pixels, not the size of its other masks")
        found = part if found is None else ImageChops.lighter(found, part)
    if found is None or found.getbbox() is None:
        raise DataError(f"{sample.mask}: the mask of an anomalous image is empty")
    return found


def _read(root: Path, path: str) -> bytes:
    try:
        return read_image(root / path, path)
    except OSError as error:
        if is_fault(error):
            raise
        raise DataError(f"{path}: {error.strerror}") from None


def crop_to(picture: Image.Image, box: Box | None, name: str) -> Image.Image:
    """The piece of a picture that is meant.

    Raises:
        DataError: the box reaches beyond the picture.
    """
    if box is None:
        return picture
    if box[2] > picture.width or box[3] > picture.height:
        raise DataError(f"{name}: {picture.width} x {picture.height} pixels, too small for the piece {box}")
    return picture.crop(box)


def image_array(picture: Image.Image, size: int) -> Bytes:
    """A picture as uint8 (size, size, 3) RGB."""
    resized = picture.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(resized.convert("RGB"), dtype=np.uint8)


def check_pair(
    sample: Sample, size: tuple[int, int], mask: str, mask_size: tuple[int, int], *, own: bool = True
) -> None:
    """Refuse a mask that is not of its image's shape; one of another size is resized with it.

    A published pair may be somewhat out of proportion, since the official code stretches both alike, but not
    turned. `own`: it is none.

    Raises:
        DataError: the sides are not in proportion, as when only one of the two was turned; or only a piece is
            meant, which is counted in pixels of both, and the sizes differ.
    """
    shape = _alike(size, mask_size)
    turned = not shape and _alike(size, mask_size[::-1])
    if (not shape if own else turned) or (sample.crop and size != mask_size):
        (width, height), (other, tall) = size, mask_size
        raise DataError(
            f"{mask}: {other} x {tall} pixels, while its image {sample.image} has {width} x {height}; "
            "turn or cut one of them as the other"
        )


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two pictures, (width, height), have the same proportions."""
    across = one[0] * other[1], one[1] * other[0]
    return abs(across[0] - across[1]) <= SAME_SHAPE * max(across)


def mask_bits(mask: Image.Image, size: int) -> Bytes:
    """A 0/255 mask as packed bits of the (size, size) mask, uint8 (ceil(size * size / 8),)."""
    resized = np.asarray(mask.resize((size, size), Image.Resampling.BILINEAR))
    return np.packbits(resized > 0.5 * 255)
