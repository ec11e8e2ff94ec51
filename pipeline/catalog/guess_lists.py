"""Layouts that a folder may have by a list of its images (CSV, JSON, JSON lines), for `guess`.

Columns are known by the names that people give them; without a known one, the label is the only other column,
or the only one with a word for normal. Where paths count from is tried on the files that are there. Lists of
one kind in one folder, each called like a subset, are one data set.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final, TypeAlias

from pipeline.catalog.layouts.entries import is_list, read_entries
from pipeline.catalog.layouts.image_list import TESTED, ImageList, as_degree, as_word, finder
from pipeline.catalog.roles import mask_paths
from pipeline.catalog.samples import GOOD
from pipeline.catalog.tree import Tree, folded, is_image, join, some, stem
from pipeline.errors import DataError

ListRule: TypeAlias = tuple[ImageList, bool, tuple[str, ...]]  # layout, whether it has masks, subsets

# What people call the columns, in lower case without anything but letters and digits; the likeliest first.
_CALLED: Final[Mapping[str, tuple[str, ...]]] = {
    "image": (
        "image", "img", "imagepath", "imgpath", "filename", "imagename", "imagefile", "file", "path",
        "filepath", "name", "id", "imageid", "picture",
    ),
    "label": (
        "label", "labels", "anomaly", "isanomaly", "anomalous", "target", "anomalyclass", "defective",
        "isdefective", "abnormal", "class", "status", "result",
        "good", "ok", "normal", "isnormal", "isgood", "isok", "healthy",
    ),
    "mask": ("mask", "maskpath", "maskname", "maskfile", "gt", "gtpath", "groundtruth", "annotation"),
    "defect": ("defecttype", "anomalytype", "speciename", "defect"),
    "subset": ("subset", "clsname", "classname", "category", "object", "product"),
    "split": ("split", "phase", "partition"),
}  # fmt: skip
_SAYS_NORMAL: Final = frozenset({"good", "ok", "normal", "isnormal", "isgood", "isok", "healthy"})
_YES: Final = frozenset({"1", "1.0", "true", "yes"})
_NO: Final = frozenset({"0", "0.0", "false", "no"})
_TABLES: Final = frozenset({".csv", ".tsv"})  # other files may hold anything
_SUBSET: Final = "{subset}"


def by_lists(tree: Tree, words: frozenset[str], *, given: bool) -> Iterator[ListRule | str]:
    """Every list that has a column of images and a label out of `words`, those at the top before others."""
    lists = sorted((path for path in tree.paths() if is_list(path)), key=lambda path: (path.count("/"), path))
    found = {path: rule for path in lists if (rule := _by_list(tree, path, words, given=given)) is not None}
    good = {path: rule for path, rule in found.items() if not isinstance(rule, str)}
    folders = {path.rpartition("/")[0] for path in good}
    groups = [{path: good[path] for path in good if path.rpartition("/")[0] == folder} for folder in folders]
    for group in (good, *groups):
        if (together := _together(group)) is not None:
            yield together
            good = {path: rule for path, rule in good.items() if path not in group}
    for rule in good.values():
        yield rule
        layout, masks, _ = rule
        if layout.columns.get("subset"):  # that may have been the kind of defect
            yield layout.model_copy(update={"columns": {**layout.columns, "subset": ""}}), masks, ()
    yield from (rule for rule in found.values() if isinstance(rule, str))


def _by_list(tree: Tree, path: str, words: frozenset[str], *, given: bool) -> ListRule | str | None:
    """The rule of one list, or why there is none; None for a file that lists no images."""
    suffix = PurePosixPath(path).suffix.lower()
    table = suffix in _TABLES
    try:
        entries = [cells for _, cells in read_entries(tree, path)]
    except DataError as error:
        return None if suffix == ".txt" else str(error)
    columns = _columns(entries, words)
    if "image" not in columns or "label" not in columns:
        there = some(dict.fromkeys(column for cells in entries for column in cells if column)) or "none"
        return f"{path}: must name the columns image and label ({_known()}), not {there}" if table else None
    rows = [{name: cells.get(column, "") for name, column in columns.items()} for cells in entries]
    tested = [row for row in rows if (row.get("split") or "test").casefold() in TESTED]
    if not tested:
        return f"{path}: no row has the split test, but {some({row['split'] for row in rows})}; call it test"
    normal = _normal(path, tested, columns, words, given=given)
    if not isinstance(normal, list):
        return normal
    placed = _placed(tree, path, tested, normal[0])
    if isinstance(placed, str):
        return placed
    layout = ImageList(
        kind="image_list",
        file=path,
        normal=normal[0],
        anomalous_above=0.0 if _graded({row["label"] for row in tested}) and not given else None,
        columns={name: column for name, column in columns.items() if name != column},
        **placed,
    )
    subsets = dict.fromkeys(row.get("subset", "") for row in tested)
    masks = any(row.get("mask") for row in tested)
    return layout, masks, tuple(filter(None, subsets))


def _placed(tree: Tree, path: str, rows: Sequence[Mapping[str, str]], normal: str) -> dict[str, Any] | str:
    """From where paths of images and of masks count, as keys of the layout; or the doubt."""
    images = _whence(tree, path, [row["image"] for row in rows], lambda file: file not in mask_paths(tree))
    if isinstance(images, str):
        return images
    cut, home = images or ("", path.rpartition("/")[0])
    placed = {"cut": cut, "home": home}
    cells = [row.get("mask", "") for row in rows if as_word(row["label"]) != as_word(normal)]
    marks = _whence(tree, path, cells, lambda file: file in mask_paths(tree)) if any(cells) else None
    if marks is None or marks == (cut, home):
        return placed
    return marks if isinstance(marks, str) else placed | {"mask_cut": marks[0], "mask_home": marks[1]}


def _known() -> str:
    return f"{', '.join(_CALLED['image'][:6])} and {', '.join(_CALLED['label'][:6])} are understood"


def _normal(
    path: str,
    rows: Sequence[Mapping[str, str]],
    columns: Mapping[str, str],
    words: frozenset[str],
    *,
    given: bool,
) -> list[str] | str:
    """The one label that means normal, or the question which."""
    labels = sorted({row["label"] for row in rows} - {""})
    if strange := _strange(labels, columns["label"]):
        return f"{path}: {strange}"
    means = (words - _NO) | _YES if _plain(columns["label"]) in _SAYS_NORMAL and not given else words
    normal = {as_word(label): label for label in labels if {label.casefold(), as_word(label)} & means}
    if len(normal) > 1:
        return f"{path}: {some(normal.values())} may all mean normal; say with --normal which one does"
    if normal:
        return list(normal.values())
    if bare := next((row["image"] for row in rows if not row["label"]), ""):
        return f"{path}: {bare} has no label; write what it shows, good or a kind of defect"
    if len(labels) == 1 and all(row.get("mask") for row in rows):
        return [GOOD]  # images of lesions, say: none is normal
    return f"{path}: which label means normal, {some(labels)}? Say it with --normal"


def _strange(labels: Sequence[str], column: str) -> str:
    """What is wrong with labels, whatever normal is called; "" when nothing is."""
    if unprintable := [label for label in labels if not label.isprintable()]:
        return f"the label {unprintable[0]!a} cannot be printed; write another word"
    if _graded(labels) and _plain(column) in _SAYS_NORMAL:
        return f"{some(labels)} are degrees of {column}; give 0 and 1"
    return ""


def _graded(labels: Collection[str]) -> bool:
    """Whether labels are degrees: all from 0 to 1, and some between."""
    degrees = [as_degree(label) for label in labels if label]
    return None not in degrees and any(degree not in (0, 1) for degree in degrees)


def _plain(column: str) -> str:
    return "".join(char for char in column.casefold() if char.isalnum())


def _columns(entries: Sequence[Mapping[str, str]], words: Collection[str]) -> dict[str, str]:
    """What the columns of a list are called, by the names of this project."""
    names = list(dict.fromkeys(column for cells in entries for column in cells if column))
    found: dict[str, str] = {}
    for name, called in _CALLED.items():
        rest = {_plain(column): column for column in reversed(names) if column not in found.values()}
        there = [rest[word] for word in called if word in rest]
        if name == "label":  # of several, one that has a word for normal
            there.sort(key=lambda column: not _says(column, entries, words))
        found |= {name: there[0]} if there else {}
    if "image" not in found:
        pictured = [name for name in names if entries and is_image(entries[0].get(name, ""))]
        found |= dict.fromkeys(["image"] if pictured else [], *pictured[:1])
    if "label" not in found and "defect" in found:
        found["label"] = found.pop("defect")
    if "label" not in found:
        others = [name for name in names if name not in found.values()]
        likely = [name for name in others if _says(name, entries, words)]
        (one,) = others if len(others) == 1 else likely if len(likely) == 1 else ("",)
        found |= {"label": one} if one else {}
    return found


def _says(column: str, entries: Iterable[Mapping[str, str]], words: Collection[str]) -> bool:
    """Whether a column holds a word for normal."""
    return any(cells.get(column, "").casefold() in words for cells in entries)


def _whence(
    tree: Tree, path: str, cells: Sequence[str], likely: Callable[[str], bool]
) -> tuple[str, str] | str | None:
    """What is to be cut from the front of paths, and the folder from which they count then.

    The doubt where that is not clear; None where nothing is found. Of folders that have all files, those
    whose first is `likely` are preferred, and among them that of the list.
    """
    names = [cell.replace("\\", "/") for cell in cells if cell]
    first = names[0] if names else ""
    folder = path.rpartition("/")[0]
    parts = first.split("/")
    for gone, _ in enumerate(parts):
        inner = "/".join(parts[gone:])
        cut = first.removesuffix(inner)
        if not all(name.startswith(cut) for name in names):
            break
        finds = {home: finder(tree, home, cut) for home in dict.fromkeys((folder, *_homes(tree, inner)))}
        homes = {home: find(first) or "" for home, find in finds.items() if all(map(find, names))}
        if len(homes) > 1:
            homes = {home: file for home, file in homes.items() if likely(file)} or homes
        if len(homes) > 1 and folder not in homes:
            return f"{path}: paths may count from {some(homes)}; move all but one of them away"
        if homes:
            return cut, folder if folder in homes else next(iter(homes))
    return None


def _homes(tree: Tree, inner: str) -> list[str]:
    """The folders below which an image of this path, stem or number lies."""
    depth = inner.count("/") + 1
    wanted = folded(inner)
    homes = set()
    for folder in tree.folders:
        for name in tree.images(folder):
            parts = join(folder, name).split("/")
            tail = folded("/".join(parts[-depth:]))
            number = wanted.isdecimal() and stem(tail).isdecimal()
            if wanted in (tail, tail.rpartition(".")[0]) or number:
                homes.add("/".join(parts[:-depth]))
    return sorted(homes, key=lambda home: (home.count("/"), home))


def _together(rules: Mapping[str, ListRule]) -> ListRule | None:
    """One rule for several lists whose paths differ in one part, the subset, after which their images lie."""
    parts = [path.rpartition(".")[0].split("/") for path in rules]
    if len(rules) < 2 or len({len(one) for one in parts}) > 1:
        return None
    columns = list(zip(*parts, strict=True))
    differing = [column for column in columns if len(set(column)) > 1]
    if len(differing) != 1:
        return None
    likes = set()
    for subset, (path, (layout, _, _)) in zip(differing[0], rules.items(), strict=True):
        file = f"{_with_subset(path.rpartition('.')[0], subset)}{PurePosixPath(path).suffix}"
        homes = {"home": layout.home, "mask_home": layout.mask_home}
        inner = {key: _with_subset(home, subset) for key, home in homes.items() if home is not None}
        like = layout.model_copy(update={"file": file, **inner})
        likes.add(like.model_dump_json())
    if len(likes) > 1 or _SUBSET not in like.home:
        return None
    return (
        ImageList.model_validate_json(likes.pop()),
        any(masks for _, masks, _ in rules.values()),
        differing[0],
    )


def _with_subset(path: str, subset: str) -> str:
    return "/".join(_SUBSET if part == subset else part for part in path.split("/"))
