"""What every record of settings checks, be it of a run or of a method.

No unknown key, no infinity, and no truth value for a number, although Python counts `true` as 1.
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
