"""Sentences for what a picture and its pieces show, in the words of `vocabulary`.

They are made anew each time a picture is shown, as the same picture on the web has many descriptions. A
caption is about the picture: its kind, colour and state. What it says of the state is always true; one of a
whole picture may leave it out, one of a spoiled picture never does. Of pieces it is said what they show, the
ground or what lies on it with its place, and nothing of a state. So the state of a picture and what lies on
its ground are not learnt in the same words.
"""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.miniature.pretraining.vocabulary import (
    ASIDES,
    DEFECT_PHRASES,
    GENERIC_NOUNS,
    MARKS,
    OBJECT_NOUNS,
    ORGAN_NOUNS,
    PLAIN_FRAMES,
    SPOILED_STATES,
    STYLE_FRAMES,
    TEXTURE_NOUNS,
    WHOLE_STATES,
)

_NOUNS = OBJECT_NOUNS | TEXTURE_NOUNS | ORGAN_NOUNS
_STATELESS = 0.4  # of the captions of whole pictures
_GENERIC = 0.3  # of the nouns
_COLOURED = 0.4  # of the captions where the colour is known
_MARKED = 0.3  # of the sentences about what lies on the ground leave it open
_ASIDE = 0.4  # of the nouns
_PLACED = 0.25  # of them say where
_STYLED = 0.2  # of the sentence frames
_ARTICLE = re.compile(r"\ba(?= [aeiou])")


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
    return _framed(choice(WHOLE_STATES, rng).format(noun), rng)


def spoiled_caption(subject: Subject, rng: np.random.Generator) -> str:
    """One description of the damaged twin as a whole: its state, not what made it so."""
    return _framed(choice(SPOILED_STATES, rng).format(_noun(subject, rng)), rng)


def ground_caption(subject: Subject, rng: np.random.Generator) -> str:
    """One description of a piece of the whole twin: what it is made of or belongs to, without a state."""
    return _framed(_noun(subject, rng), rng)


def mark_caption(subject: Subject, place: str, rng: np.random.Generator) -> str:
    """One description of what the damaged twin has on that ground, at `place`."""
    phrase = choice(MARKS if rng.random() < _MARKED else DEFECT_PHRASES[subject.defect], rng)
    phrase = f"{phrase} {place}" if rng.random() < _PLACED else phrase
    return phrase + "." * int(rng.integers(2))


def place_words(mask: npt.NDArray[np.bool_]) -> str:
    """Where in the picture the middle of a defect lies, e.g. "at the top left"."""
    y, x = (float(places.mean()) / side for places, side in zip(np.nonzero(mask), mask.shape, strict=True))
    row = ("top", "", "bottom")[min(int(3 * y), 2)]
    column = ("left", "", "right")[min(int(3 * x), 2)]
    return f"at the {row} {column}".replace("  ", " ").rstrip() if row or column else "in the middle"


def _noun(subject: Subject, rng: np.random.Generator) -> str:
    noun = choice(GENERIC_NOUNS if rng.random() < _GENERIC else _NOUNS[subject.kind], rng)
    noun = f"{choice(ASIDES, rng)} {noun}" if rng.random() < _ASIDE else noun
    return f"{subject.colour} {noun}" if subject.colour and rng.random() < _COLOURED else noun


def _framed(phrase: str, rng: np.random.Generator) -> str:
    frames = STYLE_FRAMES if rng.random() < _STYLED else PLAIN_FRAMES
    return _ARTICLE.sub("an", choice(frames, rng).format(phrase))


def choice(options: tuple[str, ...], rng: np.random.Generator) -> str:
    """One of the options, all equally likely."""
    return options[int(rng.integers(len(options)))]
