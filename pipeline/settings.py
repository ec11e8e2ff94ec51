"""Settings as people write them: the one reader of YAML, and what every record of settings checks.

In YAML (params, records, counts, prompts, the ledger of downloads) a scalar is a number, a truth value or
nothing only where YAML 1.1 and 1.2 agree on it, and so PyYAML and DVC: `no`, `1:30`, `010` and `.inf` are
text. A key that stands there twice, aliases, tags, deep nesting and long files are refused, with the line.
A record of settings has no unknown key, no infinity, and no truth value for a number, although Python counts
`true` as 1. Also the rule of a tower's image size, which params check before a run and the tower later.
"""

import re
from math import isinf
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from pipeline.errors import ZsadError
from pipeline.files import NotAFileError, TooLongError, open_regular, read_all

MOST_SHOTS = 4
"""Reference images of a subset that are prepared, and that a method of the few-shot track can ask for."""

_LONGEST = 4 << 20
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_DEEPEST = 32


class SettingsRecord(BaseModel):
    """A frozen record of settings.

    Examples:
        >>> from pydantic import ValidationError
        >>> class Blur(SettingsRecord):
        ...     sigma: float
        >>> try:
        ...     Blur(sigma=True)
        ... except ValidationError as error:
        ...     print(error.errors()[0]["msg"])
        Value error, true is a truth value; a number or a text is meant
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value(cls, value: Any, info: ValidationInfo) -> Any:
        if cls.model_fields[str(info.field_name)].annotation is bool:
            return value
        items = value if isinstance(value, list | tuple) else [value]
        for item in items:
            if isinstance(item, bool):
                raise ValueError(f"{str(item).lower()} is a truth value; a number or a text is meant")
        return value


def patches_per_side(image_size: int, patch: int) -> int:
    """Patches along one side of an image; a rest would be cut off, and the map stretched over it.

    Raises:
        ValueError: the patch does not divide the image; the message names the nearest sizes that it divides.

    Examples:
        >>> patches_per_side(518, 14)
        37
    """
    side, rest = divmod(image_size, patch)
    if rest:
        below = f"{side * patch} or " if side else ""
        raise ValueError(
            f"image_size: {image_size} px are no multiple of the patch, {patch} px; "
            f"the nearest sizes are {below}{(side + 1) * patch}"
        )
    return side


def read_yaml(path: Path, refusal: type[ZsadError]) -> Any:
    """The plain values in a file.

    Args:
        path: Of the file.
        refusal: What to raise where it cannot be read.

    Raises:
        ZsadError: of the type `refusal`: no regular file, too long, or `parse_yaml` refuses it.
        OSError: it is not there, or the machine cannot read it now.
    """
    try:
        with open_regular(path) as file:
            content = read_all(file, _LONGEST)
    except NotAFileError as error:
        raise refusal(f"{path} cannot be read: it is no regular file") from error
    except TooLongError as error:
        raise refusal(f"{path} has {error}: no YAML file of a project is that long") from None
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise refusal(
            f"{path} is not UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8"
        ) from None
    return parse_yaml(text, str(path), refusal)


def parse_yaml(text: str, source: str, refusal: type[ZsadError]) -> Any:
    """The plain values in a text; `source` is what messages call it.

    Raises:
        ZsadError: of the type `refusal`; the message names source and line.
    """
    try:
        _require_bounded(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader with fewer types
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise refusal(f"{source} cannot be read as YAML: {line}{error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        reason = ascii(str(error).splitlines()[0])[1:-1]
        raise refusal(f"{source} cannot be read as YAML: {reason}") from None


def _require_bounded(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise _refused(event, f"nested deeper than {_DEEPEST}; write it flatter")
        if isinstance(event, yaml.ScalarEvent) and (found := _STEERING.search(event.value)):
            raise _refused(event, f"the character {found[0]!a}, which steers a terminal; leave it out")
        if isinstance(event, yaml.AliasEvent):
            raise _refused(event, f"an alias, *{event.anchor:.40}; write the value again")
        if tag := getattr(event, "tag", None):
            raise _refused(event, f"a tag, {tag:.40}; leave it out")


def _refused(place: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


class _Loader(yaml.CSafeLoader):
    """Mappings with each key once, and scalars that mean the same in YAML 1.1 and 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as in its base

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _refused(key_node, "a key that is a list or a mapping; give it a name")
            key = self.construct_object(key_node)
            if key in made:
                raise _refused(key_node, f"the key {str(key)[:80]!r} stands there twice; remove one")
            made[key] = self.construct_object(value_node, deep=deep)
        return made

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        return int(node.value)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        if isinf(value := float(node.value)):
            raise _refused(node, f"{node.value:.40} is too large for a number; write a smaller one")
        return value


_SCALARS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    "float": (r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+][0-9]+)?", list("-+.0123456789")),
}
for _kind, (_pattern, _starts) in _SCALARS.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), _starts)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)
