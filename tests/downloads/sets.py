"""A small data set in the MVTec layout: its files, its archive, its record."""

import hashlib
import io
import tarfile
import zipfile
from typing import Any

import numpy as np

from pipeline.catalog import DatasetRecord

FILES = {
    "widget/train/good/000.png": b"train",
    "widget/test/good/000.png": b"good 0",
    "widget/test/good/001.png": b"good 1",
    "widget/test/dent/000.png": b"dent 0",
    "widget/ground_truth/dent/000_mask.png": b"mask 0",
    "readme.txt": np.random.default_rng(0).bytes(600_000),  # so that a connection can be cut in the middle
}


def zipped(files: dict[str, bytes] = FILES, top: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(top + name), content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes] = FILES) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def record(*sources: dict[str, Any], **changes: Any) -> DatasetRecord:
    return DatasetRecord.model_validate(
        {
            "name": "widgets",
            "title": "Widgets",
            "paper_name": "Widgets",
            "domain": "industrial",
            "group": "object",
            "modality": "drawn",
            "tasks": ["image", "pixel"],
            "subsets": [{"name": "widget", "class_name": "widget", "normal": 2, "anomalous": 1}],
            "builds": [{"name": "published", "normal": 2, "anomalous": 1, "status": "confirmed"}],
            "sources": sources,
            "licence": {"name": "CC BY 4.0"},
            "layouts": [{"kind": "mvtec_like"}],
            "facts_from": [],
            **changes,
        }
    )


def http(url: str, archive: str = "widgets.zip", **changes: Any) -> dict[str, Any]:
    return {"kind": "http", "url": url, "archive": archive, "confirmed": True, **changes}


def published(content: bytes) -> dict[str, Any]:
    """Size and digest of an archive as a record has them."""
    return {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "digest_status": "tool",
    }
