"""What an official checkpoint format has to say of itself, and the checks that every format shares.

A format translates between the state dict of a released file and the tensors of our own method. It knows no
files and no digests; `interchange` does.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from pipeline.clip import Clip
from pipeline.errors import WeightsError
from pipeline.methods.base import LearntMethod

State = Mapping[str, Tensor]


class Format(Protocol):
    """One official format.

    Attributes:
        method: The method of this package that reads it.
        key: Top-level key of the released file, over the state dict.
    """

    method: str
    key: str

    def settings(self, state: State, clip: Clip, given: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that names and shapes of `state` decide.

        Args:
            state: As in the file.
            clip: The tower that it is meant for; frozen parts are compared with it.
            given: Settings that are chosen already, for those that shapes leave open.

        Raises:
            WeightsError: names or shapes are not those of the format, or the tower is another one.
        """

    def learnt(self, state: State) -> dict[str, Tensor]:
        """The tensors of `LearntMethod.load_state`; `state` has passed `settings`."""

    def official(self, method: LearntMethod) -> dict[str, Tensor]:
        """The complete state dict that the official loader expects.

        Raises:
            WeightsError: the method runs under settings that the format cannot hold.
        """


def numbered(state: State, prefix: str, suffix: str = "") -> int:
    """How many of `prefix0suffix`, `prefix1suffix`, ... there are without a gap."""
    count = 0
    while f"{prefix}{count}{suffix}" in state:
        count += 1
    return count


def require_shapes(state: State, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a state dict with other names or shapes than expected, or with values that are not finite.

    Raises:
        WeightsError: the first such name, in alphabetical order.
    """
    for name in sorted(state.keys() | expected.keys()):
        found = tuple(state[name].shape) if name in state else "missing"
        wanted = expected.get(name, "no such tensor")
        if found != wanted:
            raise WeightsError(f"{name} is {found}, expected {wanted}")
        if not torch.isfinite(state[name]).all():
            raise WeightsError(f"{name} holds values that are not finite: the file is damaged")
