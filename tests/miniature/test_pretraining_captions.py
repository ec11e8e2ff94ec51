"""The sentences: complete, true, without a word of an evaluated class or of the prompts' states."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline import methods
from pipeline.catalog import names, record
from pipeline.miniature.drawing import COLOURS, DEFECTS, OBJECTS, ORGANS, TEXTURES
from pipeline.miniature.pretraining import vocabulary
from pipeline.miniature.pretraining.captions import (
    Subject,
    ground_caption,
    mark_caption,
    place_words,
    spoiled_caption,
    whole_caption,
)

KINDS = [*OBJECTS, *TEXTURES, *ORGANS]


def words_of(text: str) -> set[str]:
    return set(re.findall("[a-z]+", text.lower()))


def sentence_texts() -> list[str]:
    texts: list[str] = []
    for name, value in vars(vocabulary).items():
        if name.isupper() and name != "ASSOCIATIONS":
            groups = value.values() if isinstance(value, dict) else [value]
            texts += [text.replace("{}", " ") for group in groups for text in group]
    return texts


def vocabulary_words() -> set[str]:
    return words_of(" ".join(sentence_texts()))


def evaluated_class_words() -> set[str]:
    subsets = [subset for name in names() for subset in record(name).subsets]
    return words_of(" ".join(f"{subset.class_name} {subset.name}" for subset in subsets))


def test_no_word_of_an_evaluated_class_name_occurs_in_a_caption() -> None:
    assert {"hazelnut", "leather", "screw", "thyroid", "woven"} <= evaluated_class_words()
    assert not vocabulary_words() & (evaluated_class_words() - set(COLOURS))


def prompts() -> dict[str, dict[str, Any]]:
    folder = Path(methods.__file__).parent / "prompts"
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*.yaml"))}


def state_words() -> set[str]:
    """Words that stand in some prompt's normal or abnormal state and in no template: they tell the state."""
    states = [
        value
        for content in prompts().values()
        for key, value in content.items()
        if key in ("states", "pairs")
    ]
    plain = {"a", "an", "the", "photo", "of", "object", "with", "without"}
    return words_of(re.sub(r"'(normal|abnormal)'", "", str(states)).replace("{}", " ")) - plain - NAMES


NAMES = {"object", "aware", "class", "words", "photo", "pairs", "states", "coop"}


def test_no_word_of_a_sentence_tells_normal_from_abnormal_in_a_prompt() -> None:
    assert {"damaged", "anomalous", "flawless", "defect", "perfect", "broken", "unblemished"} <= state_words()
    assert not vocabulary_words() & (
        state_words() | {"normal", "abnormal", "anomaly", "healthy", "undamaged"}
    )


def test_every_association_is_a_word_of_sentences() -> None:
    said = vocabulary_words() | set(COLOURS)
    assert set(vocabulary.ASSOCIATIONS) <= state_words() | {"normal", "with", "without"}
    assert {word for near in vocabulary.ASSOCIATIONS.values() for word in near} <= said


def test_the_frames_are_those_of_the_prompts() -> None:
    templates = [
        template
        for content in prompts().values()
        for group in content.get("templates", {}).values()
        for template in group
    ]
    assert len(templates) > 100
    missing = {word for template in templates for word in words_of(template)} - vocabulary_words()
    assert missing <= {"anomaly", "detection"}


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


def test_a_caption_of_a_spoiled_picture_always_says_so_and_one_of_a_whole_picture_never() -> None:
    rng = np.random.default_rng(0)
    signs = [state.replace("{}", "").strip() for state in vocabulary.SPOILED_STATES]
    for kind in KINDS * 10:
        subject = Subject(kind, "red", "crack")
        spoiled, whole = f" {spoiled_caption(subject, rng)}", f" {whole_caption(subject, rng)}"
        assert any(f" {sign}" in spoiled for sign in signs), spoiled
        assert not any(f" {sign}" in whole for sign in signs), whole


def test_a_sentence_about_a_piece_says_what_is_there_and_nothing_of_a_state() -> None:
    rng = np.random.default_rng(0)
    states = words_of(" ".join([*vocabulary.SPOILED_STATES, *vocabulary.WHOLE_STATES]).replace("{}", " "))
    states -= {"all", "in", "one", "just", "as", "it", "was", "made", "piece", "its"}
    there = [*vocabulary.MARKS, *vocabulary.DEFECT_PHRASES["crack"]]
    for kind in KINDS * 10:
        subject = Subject(kind, "red", "crack")
        mark, ground = mark_caption(subject, "at the top", rng), ground_caption(subject, rng)
        assert any(mark.startswith(phrase) for phrase in there), mark
        assert not any(phrase in ground for phrase in there), ground
        assert not words_of(mark + " " + ground) & states


def test_captions_vary_and_repeat_under_the_same_seed() -> None:
    subject = Subject("gear", "blue", "scratch")
    first, second = (
        [spoiled_caption(subject, np.random.default_rng(seed)) for seed in range(200)] for _ in range(2)
    )
    assert first == second
    assert len(set(first)) > 100
    assert any("blue" in text for text in first)
    assert any(" an odd" in text or text.startswith("an odd") for text in first)
    assert not any(re.search(r"\ba [aeiou]", text) for text in first)


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
