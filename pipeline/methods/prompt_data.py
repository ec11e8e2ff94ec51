"""Prompt files: what stands in `prompts/<method>.yaml` or in a file of the user's, checked, and filled.

A file holds an ensemble (states inside templates) or named pairs of words behind learnt context. Braces other
than the place `{}` that a class name or state takes are refused: somebody meant another place by them.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import ParamsError
from pipeline.settings import read_yaml

_FOLDER = Path(__file__).parent / "prompts"


def _fillable(text: str) -> str:
    if set("{}") & set(text.replace("{}", "")):
        raise ValueError(f"{text!r}: the only place to fill is {{}}")
    return text


def _with_place(text: str) -> str:
    if "{}" not in text:
        raise ValueError(f"{text!r} has no place {{}} for the state")
    return text


def _fill(text: str, what: str) -> str:
    return text.replace("{}", what)


Phrase = Annotated[str, Field(min_length=1), AfterValidator(_fillable)]
TemplateText = Annotated[Phrase, AfterValidator(_with_place)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class States(_Record):
    """Phrases that say normal or abnormal; `{}` is the class name."""

    normal: tuple[Phrase, ...] = Field(min_length=1)
    abnormal: tuple[Phrase, ...] = Field(min_length=1)


class Ensemble(_Record):
    """Every state in every template; `templates` are sets by name, `{}` is the state."""

    states: States
    templates: dict[str, Annotated[tuple[TemplateText, ...], Field(min_length=1)]]

    def fill(self, templates: str, class_name: str) -> tuple[list[str], list[str]]:
        """Normal and abnormal prompts of a class under one set of templates, template by template."""
        chosen = self.templates[templates]
        normal, abnormal = (
            [_fill(template, _fill(state, class_name)) for state in states for template in chosen]
            for states in (self.states.normal, self.states.abnormal)
        )
        return normal, abnormal


class Pair(_Record):
    """The words behind learnt context; `{}` is the class name."""

    normal: Phrase
    abnormal: Phrase

    @property
    def class_aware(self) -> bool:
        """Whether the words depend on the class name."""
        return "{}" in self.normal + self.abnormal

    def fill(self, class_name: str) -> tuple[str, str]:
        """Normal and abnormal words of a class."""
        return _fill(self.normal, class_name), _fill(self.abnormal, class_name)


class Pairs(_Record):
    """Pairs of words by name."""

    pairs: dict[str, Pair]


_Kind = TypeVar("_Kind", bound=_Record)


def published_prompts(method: str) -> Path:
    """The prompts that a method was published with."""
    return _FOLDER / f"{method}.yaml"


def _read(kind: type[_Kind], path: Path) -> _Kind:
    try:
        return kind.model_validate(read_yaml(path, ParamsError))
    except FileNotFoundError as error:
        raise ParamsError(f"{path} does not exist: give the path of a file of prompts") from error
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors()]
        example = published_prompts("anomalyclip" if kind is Pairs else "clip").name
        raise ParamsError("\n".join(f"{path}: {line}; prompts/{example} is one" for line in lines)) from error


@cache
def ensemble(path: Path) -> Ensemble:
    """The ensemble that a file holds.

    Raises:
        ParamsError: it cannot be read, or holds something else.
    """
    return _read(Ensemble, path)


@cache
def pairs(path: Path) -> dict[str, Pair]:
    """The pairs that a file holds, by name.

    Raises:
        ParamsError: it cannot be read, or holds something else.
    """
    return _read(Pairs, path).pairs
