"""Chunks against what they were made of, unpacked by hand."""

import base64
import io
import json
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from pipeline.report import Sources
from pipeline.report.chunks import cell_id, subset_chunk
from pipeline.results import CellRow
from pipeline.shards import open_subset

DATASET, SUBSET = "btad", "01"


def unpacked(text: str) -> tuple[dict[str, Any], bytes]:
    content = zlib.decompress(base64.b64decode(text))
    length = int.from_bytes(content[:4], "little")
    return json.loads(content[4 : 4 + length]), content[4 + length :]


def rows(sources: Sources) -> list[CellRow]:
    return [row for row in sources.rows if (row.dataset, row.subset) == (DATASET, SUBSET)]


def test_every_cell_of_the_subset_is_in_its_chunk(sources: Sources) -> None:
    header, blob = unpacked(subset_chunk(sources, DATASET, SUBSET))
    assert set(header["cells"]) == {cell_id(row) for row in rows(sources)}
    for row in rows(sources):
        cell = header["cells"][cell_id(row)]
        assert cell["digests"]["weights"] == row.weights
        low, high = cell["intervals"]["pixel_auroc"]
        assert (round(row.pixel_auroc_low or 0, 6), round(row.pixel_auroc_high or 0, 6)) == (low, high)
        for example, shown in zip(sources.examples[row.key], cell["examples"], strict=True):
            start, length = shown["heatmap"]
            assert blob[start : start + length] == example.heatmap
            assert header["images"][shown["image"]]["name"] == example.image
            assert (shown["score"], shown["role"]) == (example.score, example.role)


def test_histograms_count_every_image_once(sources: Sources) -> None:
    header, _ = unpacked(subset_chunk(sources, DATASET, SUBSET))
    for row in rows(sources):
        histogram = header["cells"][cell_id(row)]["histogram"]
        labels, scores = sources.scores[row.key]
        assert (histogram["low"], histogram["high"]) == (scores.min(), scores.max())
        edges = np.linspace(histogram["low"], histogram["high"], len(histogram["normal"]) + 1)
        for label, counts in ((0, histogram["normal"]), (1, histogram["anomalous"])):
            own = scores[labels == label]
            cumulated = [(own < edge).sum() for edge in edges[1:-1]]
            assert np.cumsum(counts)[:-1].tolist() == cumulated
            assert sum(counts) == len(own)


def test_photos_and_masks_are_those_of_their_image(sources: Sources) -> None:
    header, blob = unpacked(subset_chunk(sources, DATASET, SUBSET))
    shard = open_subset(sources.shards / DATASET, SUBSET, 112)
    assert header["images"]
    for image in header["images"]:
        place = shard.paths.index(image["name"])
        photo, mask = (
            np.array(Image.open(io.BytesIO(blob[start : start + length])))
            for start, length in (image["photo"], image["mask"])
        )
        assert np.abs(photo.astype(int) - shard.images[place]).mean() < 6
        masks = shard.masks(place, place + 1)
        assert masks is not None
        np.testing.assert_array_equal(mask, masks[0].astype(bool))


def test_without_prepared_images_the_heatmaps_stay(sources: Sources) -> None:
    gone = replace(sources, shards=sources.shards / "gone")
    header, _ = unpacked(subset_chunk(gone, DATASET, SUBSET))
    assert all(image["photo"] is image["mask"] is None for image in header["images"])
    assert all(cell["examples"] for cell in header["cells"].values())
