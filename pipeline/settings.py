"""What every record of settings checks, be it of a run or of a method.

No unknown key, no infinity, and no truth value for a number, although Python counts `true` as 1. Also
the rule of a tower's image size, which params check before a run and the tower when it is loaded.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


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
