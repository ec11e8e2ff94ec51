"""Captions: one sentence for what a picture shows, in the words of `vocabulary`.

A caption is made anew each time a picture is shown, as the same picture on the web has many descriptions:
sometimes the kind, colour, material and exact defect with its place, sometimes only "a photo of a damaged
object". What it says of the state is always true; a sentence about a whole picture may leave the state out,
one about damage never does.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.miniature.pretraining.vocabulary import (
    DAMAGED_STATES,
    DEFECT_PHRASES,
    GENERIC_NOUNS,
    NORMAL_STATES,
    OBJECT_NOUNS,
    ORGAN_NOUNS,
    PLAIN_FRAMES,
    RARE_DAMAGED_STATES,
    RARE_NORMAL_STATES,
    STYLE_FRAMES,
    TEXTURE_NOUNS,
)

_NOUNS = OBJECT_NOUNS | TEXTURE_NOUNS | ORGAN_NOUNS
_STATELESS = 0.4  # of the captions of whole pictures
_GENERIC = 0.3  # of the nouns
_COLOURED = 0.4  # of the captions where the colour is known
_RARE = 0.04  # of the words for a state are a specialist's
_SPECIFIC = 0.55  # of the captions of damage name it
_PLACED = 0.25  # of those say where
_STYLED = 0.2  # of the sentence frames


@dataclass(frozen=True)
class Subject:
    """What a pair of twin pictures shows.

    Attributes:
        kind: A key of the drawing's objects, textures or organs.
        colour: Name of its colour; empty where it has none of its own.
        defect: Kind of the damaged twin's defect.
    """

    kind: str
    colour: str
    defect: str


def whole_caption(subject: Subject, rng: np.random.Generator) -> str:
    """One description of the whole twin."""
    noun = _noun(subject, rng)
    if rng.random() < _STATELESS:
        return _framed(noun, rng)
    states = RARE_NORMAL_STATES if rng.random() < _RARE else NORMAL_STATES
    return _framed(choice(states, rng).format(noun), rng)


def damaged_caption(subject: Subject, place: str, rng: np.random.Generator) -> str:
    """One description of the damaged twin, whose defect lies at `place`."""
    noun = _noun(subject, rng)
    if rng.random() >= _SPECIFIC:
        states = RARE_DAMAGED_STATES if rng.random() < _RARE else DAMAGED_STATES
        return _framed(choice(states, rng).format(noun), rng)
    phrase = f"{noun} with {choice(DEFECT_PHRASES[subject.defect], rng)}"
    return _framed(f"{phrase} {place}" if rng.random() < _PLACED else phrase, rng)


def place_words(mask: npt.NDArray[np.bool_]) -> str:
    """Where in the picture the middle of a defect lies, e.g. "at the top left"."""
    y, x = (float(places.mean()) / side for places, side in zip(np.nonzero(mask), mask.shape, strict=True))
    row = ("top", "", "bottom")[min(int(3 * y), 2)]
    column = ("left", "", "right")[min(int(3 * x), 2)]
    return f"at the {row} {column}".replace("  ", " ").rstrip() if row or column else "in the middle"


def _noun(subject: Subject, rng: np.random.Generator) -> str:
    noun = choice(GENERIC_NOUNS if rng.random() < _GENERIC else _NOUNS[subject.kind], rng)
    return f"{subject.colour} {noun}" if subject.colour and rng.random() < _COLOURED else noun


def _framed(phrase: str, rng: np.random.Generator) -> str:
    return choice(STYLE_FRAMES if rng.random() < _STYLED else PLAIN_FRAMES, rng).format(phrase)


def choice(options: tuple[str, ...], rng: np.random.Generator) -> str:
    """One of the options, all equally likely."""
    return options[int(rng.integers(len(options)))]
