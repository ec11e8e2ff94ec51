"""Layouts that a folder may have by the names of its folders, for `guess`.

Either folders are the labels, `good` beside `dent`, below a folder `test` or not; or masks are, in a folder
of their own or among the images. `roles` says which pictures are masks. What differs in one folder of the
way, days or products, are subsets.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final, TypeAlias

from pipeline.catalog.layouts import AnyLayout
from pipeline.catalog.layouts.base import is_empty_mask
from pipeline.catalog.layouts.folders import ImageMaskFolders
from pipeline.catalog.layouts.mvtec_like import MvtecLike
from pipeline.catalog.roles import Pictures, likeliest, mask_pattern
from pipeline.catalog.tree import MANY, Tree, folded, join, some, stem

_IMAGES: Final = frozenset({"images", "image", "imgs", "img", "rgb"})
_TESTS: Final = frozenset({"test", "testing", "test_public", "test_set", "eval", "evaluation"})
_DEFECT: Final = "anomaly"

Rule: TypeAlias = tuple[
    AnyLayout, bool, tuple[str, ...]
]  # layout, whether it has masks, subsets (() for one)
Kinds: TypeAlias = Mapping[
    str, Mapping[str, str]
]  # folder to the kinds below it, each with that of its images


def by_label_folders(pictures: Pictures, words: Collection[str], *, given: bool) -> Iterator[Rule | str]:
    """Folders that are the labels; `given` says that the user gave the word for normal."""
    places = _label_folders(pictures.images)
    tests = {above for above in places if folded(PurePosixPath(above).name) in _TESTS}
    chosen = tests or {above for above, kinds in places.items() if _normals(kinds, words)}
    highest = min((len(_parts(above)) for above in chosen), default=0)
    kinds = {above: places[above] for above in sorted(chosen) if len(_parts(above)) == highest}
    if not kinds:
        return
    if (problem := _unclear(kinds, words, sure=bool(tests) or given)) is not None:
        yield problem
        return
    cut = _cut(list(kinds), at_home=bool(tests))
    if cut is None:
        yield f"folders of labels in different places, {some(kinds)}; add each alone"
        return
    homes, rest = cut
    tails = Counter(tail for inner in kinds.values() for tail in inner.values())
    yield _mvtec_like(
        pictures,
        dict(zip(homes, kinds.values(), strict=True)),
        test=join(rest, join("{defect}", tails.most_common(1)[0][0])),
        normal=_normals(next(iter(kinds.values())), words)[0],
    )


def by_masks(tree: Tree, pictures: Pictures) -> Iterator[Rule | str]:
    """Images and their masks, which are the labels."""
    found = {folder: pair for folder in pictures.images if (pair := _masks_of(pictures, folder))}
    if not found:
        return
    patterns = {pattern for _, pattern in found.values()}
    patterns -= {pattern.removesuffix(MANY) for pattern in patterns if pattern.endswith(MANY)}
    if len(patterns) > 1:
        yield f"masks are called in different ways, {some(sorted(patterns))}; call all in one"
        return
    places = {folder: place for folder, (place, _) in found.items()}
    way: tuple[str, str | None, tuple[str, ...]] | None
    if all(folder == place for folder, place in places.items()):
        way = _among(list(places))
    else:
        way = _side_by_side(places)
    if way is None:
        yield f"several folders of images with masks, {some(found)}; add each alone"
        return
    images, masks, subsets = way
    layout = ImageMaskFolders(
        kind="image_mask_folders",
        images=images,
        masks=masks,
        mask=patterns.pop(),
        defect=_DEFECT,
        empty_is_normal=any(is_empty_mask(tree, mask) for mask in _masks(pictures, found)),
    )
    yield layout, True, subsets


def unnamed_folders(pictures: Pictures, words: Collection[str]) -> Iterator[str]:
    """No layout, but the question which of several folders is the normal one; or why that cannot be asked."""
    deep = [folder for folder in pictures.images if _normals(_parts(folder)[:-1], words)]
    if deep:
        yield (
            f"pictures lie in folders below a label, {some(deep)}; put each folder of labels below those, or "
            "list image and label in a CSV"
        )
        return
    for above, kinds in _label_folders(pictures.images).items():
        if len(kinds) > 1:
            yield _which(above, kinds)


def _which(above: str, kinds: Iterable[str]) -> str:
    return (
        f"which folder in {above or 'the top'} is the normal one, {some(sorted(kinds))}? Say it with --normal"
    )


def _parts(path: str) -> list[str]:
    return path.split("/") if path else []


def _label_folders(folders: Iterable[str]) -> dict[str, dict[str, str]]:
    """Folder to the kinds below it, each with the folder in which its images lie (`img`), "" for its own."""
    found: dict[str, dict[str, str]] = {}
    for folder in filter(None, folders):
        label, _, tail = folder.rpartition("/")
        if not (label and folded(tail) in _IMAGES):
            label, tail = folder, ""
        above, _, kind = label.rpartition("/")
        found.setdefault(above, {})[kind] = tail
    return found


def _normals(names: Iterable[str], words: Collection[str]) -> list[str]:
    """The names that are one of `words`, upper or lower case."""
    return [name for name in sorted(names) if folded(name) in words]


def _unclear(kinds: Kinds, words: Collection[str], *, sure: bool) -> str | None:
    """Why labels do not follow from these folders; `sure` when all others are known to be defects."""
    normals = {above: _normals(inner, words) for above, inner in kinds.items()}
    word = next((names[0] for names in normals.values() if names), None)
    for above, names in normals.items():
        place = above or "the top"
        if word is None:
            return _which(above, kinds[above])
        if not names:
            return f"{place}: no folder of normal images ({word}), which image level needs; move {place} away"
        if len(names) > 1:
            return f"{place}: {some(names)} may all mean normal; say with --normal which one does"
        others = sorted(set(kinds[above]) - set(names))
        if len(others) > 1 and not sure:
            return (
                f"several folders beside {join(above, word)}, {some(others)}; if all of them show anomalies, "
                f"say so with --normal {word}"
            )
    return None


def _cut(paths: Sequence[str], *, at_home: bool) -> tuple[list[str], str] | None:
    """Paths cut behind the one part in which they differ: (up to it, the same rest); None without such.

    A single path is cut before its last part when `at_home`, so that what holds `test` is the subset.
    """
    parts = [_parts(path) for path in paths]
    if len(paths) == 1:
        stop = len(parts[0]) - 1 if at_home else 0
    elif len({len(one) for one in parts}) > 1:
        return None
    else:
        differs = [len(set(map(folded, column))) > 1 for column in zip(*parts, strict=True)]
        if sum(differs) != 1:
            return None
        stop = differs.index(True) + 1
    return ["/".join(one[:stop]) for one in parts], "/".join(parts[0][stop:])


def _names(homes: Iterable[str]) -> tuple[str, ...]:
    """The subsets that have these folders; () for the top alone."""
    return tuple(PurePosixPath(home).name for home in homes if home)


def _mvtec_like(pictures: Pictures, kinds: Kinds, test: str, normal: str) -> Rule:
    """The rule for kinds below the homes of subsets, with the folder in which most masks lie."""
    found: dict[str, Counter[str]] = {test: Counter()}
    files: Counter[str] = Counter()
    for home, inner in kinds.items():
        stems = {}
        for kind in inner:
            folder = join(home, test.replace("{defect}", kind))
            stems[kind] = {folded(stem(name)) for name in pictures.images.get(folder, ())}
            found[test].update(pictures.beside.get(folder, {}).values())
        for place, names in pictures.masks.items():
            if not home or place.startswith(f"{home}/"):
                truth, patterns = _truth(place.removeprefix(f"{home}/"), names, stems)
                found.setdefault(truth, Counter()).update(patterns)
                files[truth] += len(names)
    truth, counted = max(found.items(), key=lambda item: (item[1].total(), files[item[0]]))
    masks = tuple(pattern for pattern, _ in counted.most_common())
    layout = MvtecLike(kind="mvtec_like", normal=normal, masks=masks, flat=list(kinds) == [""], test=test)
    if truth != test or masks:
        layout = layout.model_copy(update={"truth": truth})
    return layout, bool(masks), _names(kinds)


def _truth(place: str, names: Sequence[str], stems: Mapping[str, set[str]]) -> tuple[str, list[str]]:
    """A folder of masks as `MvtecLike.truth`, and how each mask in it is called after an image."""
    spelled = {folded(kind): kind for kind in stems}
    parts = place.split("/")
    kind = next((spelled[folded(part)] for part in parts if folded(part) in spelled), None)
    known = stems[kind] if kind is not None else set().union(*stems.values())
    if folded(parts[-1]) in known and folded(parts[-1]) not in spelled:  # a folder of all masks of one image
        *parts, last = parts
        names = (f"{last}.png",)
    truth = ["{defect}" if kind and folded(part) == folded(kind) else part for part in parts]
    return "/".join(truth), [found for name in names if (found := mask_pattern(name, known)) is not None]


def _masks_of(pictures: Pictures, folder: str) -> tuple[str, str] | None:
    """The folder of the masks of the images in a folder, and how most are called."""
    if beside := Counter(pictures.beside.get(folder, {}).values()):
        return folder, likeliest(beside)
    stems = {folded(stem(name)) for name in pictures.images[folder]}
    found = Counter(
        (place, pattern)
        for place, names in pictures.masks.items()
        if _is_partner(folder, place)
        for name in names
        if (pattern := mask_pattern(name, stems)) is not None
    )
    if not found:
        return None
    ((most, _), _), *_ = found.most_common(1)
    return most, likeliest({pattern: number for (place, pattern), number in found.items() if place == most})


def _is_partner(images: str, masks: str) -> bool:
    """Whether two folders differ in one part of their paths, or the masks lie right below the images."""
    one, two = _parts(images), _parts(masks)
    if two[:-1] == one:
        return True
    return len(one) == len(two) and sum(a != b for a, b in zip(one, two, strict=True)) == 1


def _masks(pictures: Pictures, found: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """All masks of folders with their places."""
    for folder, (place, _) in found.items():
        names = pictures.beside[folder] if place == folder else pictures.masks[place]
        yield from (join(place, name) for name in names)


def _among(folders: Sequence[str]) -> tuple[str, None, tuple[str, ...]] | None:
    """Folders of images with masks among them, as one set: (images, masks, subsets)."""
    parts = [_parts(folder) for folder in folders]
    if len({len(one) for one in parts}) > 1:
        return None
    columns = [set(column) for column in zip(*parts, strict=True)]
    return "/".join(_escaped(column.pop()) if len(column) == 1 else "*" for column in columns), None, ()


def _side_by_side(places: Mapping[str, str]) -> tuple[str, str, tuple[str, ...]] | None:
    """Folders of images to those of their masks, as (images, masks, subsets)."""
    images, masks = _cut(list(places), at_home=False), _cut(list(places.values()), at_home=False)
    if images is None or masks is None or images[0] != masks[0]:
        return None
    return _escaped(images[1]), masks[1], _names(images[0])


def _escaped(name: str) -> str:
    return name.replace("[", "[[]")
