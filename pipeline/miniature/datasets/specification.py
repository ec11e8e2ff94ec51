"""The specification of the miniature data sets as frozen, validated records.

The YAML files beside this one say what every subset shows; how a data set lies on disk is decided by the
writers in `layouts`.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import DataError
from pipeline.miniature.drawing import COLOURS, DEFECTS, OBJECTS, ORGANS, TEXTURES

SURFACE = "surface"
"""The value of `draw` for a picture that is all material."""

FEWER = "fewer"
"""The defect of a picture that shows one item less than it should: logical, no place on it looks wrong."""

_PATHS = tuple(
    Path(__file__).with_name(f"{name}.yaml") for name in ("specification", "specification_extended")
)
_Side = Annotated[int, Field(ge=48, le=512)]
_Count = Annotated[int, Field(ge=0, le=100)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Factor = Annotated[float, Field(gt=0, le=4)]


class SubsetSpec(BaseModel):
    """What the pictures of one subset show; proportions as in `drawing.Look`.

    `strength` and `area` are the lowest and the highest of its defects, as in `drawing.add_defect`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    draw: str
    size: tuple[_Side, _Side]
    spread: _Share = 0.0
    grey: bool = False
    colour: str = "grey"
    contrast: _Share = 0.5
    surface: str = "smooth"
    backdrop_colour: str = "black"
    backdrop: str = "smooth"
    count: Annotated[int, Field(ge=3, le=12)] = 6
    slender: _Share = 0.5
    extent: Annotated[float, Field(gt=0.3, lt=1)] = 0.75
    turn: Annotated[float, Field(ge=0, lt=3.2)] = 0.1
    grain: _Share = 0.3
    scale: Annotated[float, Field(gt=0.2, lt=4)] = 1.0
    strength: tuple[_Share, _Share] = (0.6, 1.0)
    area: tuple[_Factor, _Factor] = (1.0, 1.0)
    defects: dict[str, tuple[str, ...]]

    @model_validator(mode="after")
    def _known(self) -> "SubsetSpec":
        known = (
            ("draw", [self.draw], {SURFACE, *OBJECTS, *ORGANS}),
            ("colour", [self.colour, self.backdrop_colour], COLOURS),
            ("surface", [self.surface, self.backdrop], TEXTURES),
            ("defects", [kind for kinds in self.defects.values() for kind in kinds], {FEWER, *DEFECTS}),
        )
        for field, values, names in known:
            if unknown := sorted(set(values) - set(names)):
                raise ValueError(f"{field}: {unknown[0]} is unknown; known are {', '.join(sorted(names))}")
        return self


class DatasetSpec(BaseModel):
    """One data set: images a subset (training, normal and anomalous test images), and its subsets.

    `strength` and `area` are those of the subsets that have none of their own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: _Count
    normal: _Count
    anomalous: _Count
    strength: tuple[_Share, _Share] = (0.6, 1.0)
    area: tuple[_Factor, _Factor] = (1.0, 1.0)
    subsets: dict[str, SubsetSpec]

    @model_validator(mode="before")
    @classmethod
    def _inherited(cls, values: dict[str, Any]) -> dict[str, Any]:
        shared = {key: values[key] for key in ("strength", "area") if key in values}
        return values | {"subsets": {name: shared | entry for name, entry in values["subsets"].items()}}

    def defect_folders(self, subset: str) -> list[str]:
        """The folder of each anomalous test image: all folders in turn, every one at least once."""
        folders = list(self.subsets[subset].defects)
        return sorted(folders[k % len(folders)] for k in range(max(self.anomalous, len(folders))))


@cache
def specification() -> dict[str, DatasetSpec]:
    """Every data set by its name, in the order of the files: the paper's, then those of the extended suite.

    Raises:
        DataError: a file does not say what this module expects.
    """
    return {name: entry for path in _PATHS for name, entry in _read(path).items()}


def _read(path: Path) -> dict[str, DatasetSpec]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        return {name: DatasetSpec.model_validate(entry) for name, entry in content.items()}
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"{path.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}; correct it"
        ) from error
