"""How tables and figures name things, and the order in which methods appear.

What is not listed here (a method or a group that somebody added) goes by its own name, after the paper's.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from pipeline.tables.aggregate import Entry

METHOD_TITLES: Final = {
    "clip": "CLIP",
    "clip_ac": "CLIP-AC",
    "winclip": "WinCLIP",
    "vand": "VAND",
    "coop": "CoOp",
    "anomalyclip": "AnomalyCLIP",
}

METRIC_TITLES: Final = {
    "image_auroc": "image AUROC",
    "image_ap": "image AP",
    "image_f1_max": "image F1-max",
    "pixel_auroc": "pixel AUROC",
    "pixel_ap": "pixel AP",
    "pixel_f1_max": "pixel F1-max",
    "pixel_pro": "PRO (200 steps)",
    "pixel_pro_exact": "PRO (exact)",
}

_GROUP_TITLES: Final = {"object_and_texture": "Obj & texture", "object": "Obj"}

_NUMBERS: Final = re.compile(r"(\d+)")


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """The paper's methods in its order, then others by name; a variant after its method, 8 before 12."""
    known = list(METHOD_TITLES)

    def place(entry: Entry) -> tuple[int, str, list[str | int]]:
        rank = known.index(entry.method) if entry.method in known else len(known)
        return (rank, entry.method, [int(it) if it.isdigit() else it for it in _NUMBERS.split(entry.variant)])

    return sorted(entries, key=place)


def entry_title(entry: Entry) -> str:
    """The method as a table names it, such as `AnomalyCLIP` or `AnomalyCLIP (no_dpam)`."""
    title = METHOD_TITLES.get(entry.method, entry.method)
    return f"{title} ({entry.variant})" if entry.variant else title


def labelled(labels: Mapping[Entry, str]) -> list[str]:
    """A line of a legend: which entries stand behind the labels of a table. None without labels."""
    texts = [f"{label}: `{entry.name}`" for entry, label in labels.items()]
    return [f"{'; '.join(texts)}."] if texts else []


def group_title(group: str) -> str:
    """The category of data sets as a table names it."""
    return _GROUP_TITLES.get(group, group.replace("_", " ").capitalize())
