"""Prompt files: what stands in `prompts/<method>.yaml`, checked, and filled with a class name.

A file holds an ensemble (states inside templates) or named pairs of words behind learnt context.
"""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

_FOLDER = Path(__file__).parent / "prompts"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class States(_Record):
    """Phrases that say normal or abnormal; `{}` is the class name."""

    normal: tuple[str, ...] = Field(min_length=1)
    abnormal: tuple[str, ...] = Field(min_length=1)


class Ensemble(_Record):
    """Every state in every template; `templates` are sets by name, `{}` is the state."""

    states: States
    templates: dict[str, tuple[str, ...]]

    def fill(self, templates: str, class_name: str) -> tuple[list[str], list[str]]:
        """Normal and abnormal prompts of a class under one set of templates, template by template."""
        chosen = self.templates[templates]
        normal, abnormal = (
            [template.format(state.format(class_name)) for state in states for template in chosen]
            for states in (self.states.normal, self.states.abnormal)
        )
        return normal, abnormal


class Pair(_Record):
    """The words behind learnt context; `{}` is the class name."""

    normal: str
    abnormal: str

    @property
    def class_aware(self) -> bool:
        """Whether the words depend on the class name."""
        return "{}" in self.normal + self.abnormal

    def fill(self, class_name: str) -> tuple[str, str]:
        """Normal and abnormal words of a class."""
        return self.normal.format(class_name), self.abnormal.format(class_name)


class Pairs(_Record):
    """Pairs of words by name."""

    pairs: dict[str, Pair]


def _content(method: str) -> Any:
    return yaml.safe_load((_FOLDER / f"{method}.yaml").read_text(encoding="utf-8"))


@cache
def ensemble(method: str) -> Ensemble:
    """The ensemble of a method."""
    return Ensemble.model_validate(_content(method))


@cache
def pairs(method: str) -> dict[str, Pair]:
    """The pairs of a method by name."""
    return Pairs.model_validate(_content(method)).pairs
