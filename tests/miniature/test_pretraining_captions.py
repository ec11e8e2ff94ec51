"""The captions: complete, true, and without a word of an evaluated class."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline import methods
from pipeline.catalog import names, record
from pipeline.miniature.drawing import COLOURS, DEFECTS, OBJECTS, ORGANS, TEXTURES
from pipeline.miniature.pretraining import vocabulary
from pipeline.miniature.pretraining.captions import Subject, damaged_caption, place_words, whole_caption

KINDS = [*OBJECTS, *TEXTURES, *ORGANS]


def words_of(text: str) -> set[str]:
    return set(re.findall("[a-z]+", text.lower()))


def vocabulary_words() -> set[str]:
    texts: list[str] = []
    for name, value in vars(vocabulary).items():
        if name.isupper():
            groups = value.values() if isinstance(value, dict) else [value]
            texts += [text for group in groups for text in group]
    return words_of(" ".join(texts).replace("{}", " "))


def evaluated_class_words() -> set[str]:
    subsets = [subset for name in names() for subset in record(name).subsets]
    return words_of(" ".join(f"{subset.class_name} {subset.name}" for subset in subsets))


def test_no_word_of_an_evaluated_class_name_occurs_in_a_caption() -> None:
    assert {"hazelnut", "leather", "screw", "thyroid", "woven"} <= evaluated_class_words()
    assert not vocabulary_words() & (evaluated_class_words() - set(COLOURS))


def test_the_words_of_the_benchmarks_prompts_are_trained() -> None:
    folder = Path(methods.__file__).parent / "prompts"
    content = [yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*.yaml"))]
    assert content
    known = vocabulary_words() | {"itap"}
    frames = re.findall(r"[^'\"\[\],:]*\{\}[^'\"\[\],:]*", str(content))
    assert len(frames) > 20
    missing = {word for frame in frames for word in words_of(frame)} - known
    assert not missing
    assert {"object", "damaged", "normal", "anomalous", "photo"} <= known


@pytest.mark.parametrize(
    ("kinds", "nouns"),
    [
        (OBJECTS, vocabulary.OBJECT_NOUNS),
        (TEXTURES, vocabulary.TEXTURE_NOUNS),
        (ORGANS, vocabulary.ORGAN_NOUNS),
        (DEFECTS, vocabulary.DEFECT_PHRASES),
    ],
)
def test_everything_that_can_be_drawn_has_a_name(
    kinds: dict[str, object], nouns: dict[str, tuple[str, ...]]
) -> None:
    assert set(kinds) == set(nouns)


def test_a_caption_of_damage_always_says_so_and_one_of_a_whole_picture_never() -> None:
    rng = np.random.default_rng(0)
    states = [*vocabulary.DAMAGED_STATES, *vocabulary.RARE_DAMAGED_STATES]
    fixed = [state.replace("{}", "").strip() for state in states]
    for kind in KINDS * 10:
        subject = Subject(kind, "red", "crack")
        signs = [*fixed, *vocabulary.DEFECT_PHRASES["crack"]]
        damaged = f" {damaged_caption(subject, 'in the middle', rng)}"
        whole = f" {whole_caption(subject, rng)}"
        assert any(f" {sign}" in damaged for sign in signs), damaged
        assert not any(f" {sign}" in whole for sign in signs), whole


def test_captions_vary_and_repeat_under_the_same_seed() -> None:
    subject = Subject("gear", "blue", "scratch")
    first, second = (
        [damaged_caption(subject, "at the top", np.random.default_rng(seed)) for seed in range(200)]
        for _ in range(2)
    )
    assert first == second
    assert len(set(first)) > 100
    assert any("blue" in text for text in first)
    assert any(text.rstrip(".").endswith("at the top") for text in first)


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        (slice(0, 3), slice(0, 3), "at the top left"),
        (slice(4, 5), slice(4, 5), "in the middle"),
        (slice(4, 5), slice(7, 9), "at the right"),
        (slice(8, 9), slice(4, 5), "at the bottom"),
        (slice(8, 9), slice(8, 9), "at the bottom right"),
    ],
)
def test_place_words(rows: slice, columns: slice, words: str) -> None:
    mask = np.zeros((9, 9), dtype=np.bool_)
    mask[rows, columns] = True
    assert place_words(mask) == words
