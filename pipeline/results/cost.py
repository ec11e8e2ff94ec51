"""What systems cost, beside the results in a file of its own: `results/<profile>/cost/cost.json`.

Times belong to a machine and differ from run to run, so they are no columns of results, whose bytes stay the
same. `zsad cost` measures (`pipeline.cost`), `pipeline.tables.cost` shows.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.cells import System
from pipeline.files import write_text
from pipeline.results.schema import ResultsError

_FILE = "cost.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SystemCost(_Record):
    """What one system costs, alone on its tower; None is not known, or nothing that it has.

    Attributes:
        method: its name; `variant` "" for the method itself.
        title: of the method, as tables print it.
        learnt: parameters that are tuned.
        frozen: parameters of its tower, image and text side.
        image_gflop: 10^9 operations of an image, tower and head; a multiplication and an addition are two.
        text_gflop: likewise of the text side of a class, where it has one; so `text_ms`.
        tower_ms: milliseconds of an image in the tower, in batches.
        head_ms: likewise from features to image score and map.
        text_ms: milliseconds of the text side of a class.
        memory_mib: peak of a batch in 2^20 bytes, weights of the tower included.
        training_s: seconds of one tuning: a tower pass of every image, and all steps.
        epochs: of that tuning.
    """

    method: str
    variant: str
    title: str
    learnt: int = Field(ge=0)
    frozen: int = Field(ge=0)
    image_gflop: float = Field(ge=0)
    text_gflop: float | None = Field(ge=0)
    tower_ms: float = Field(ge=0)
    head_ms: float = Field(ge=0)
    text_ms: float | None = Field(ge=0)
    memory_mib: float | None = Field(ge=0)
    training_s: float | None = Field(ge=0)
    epochs: int | None = Field(ge=0)

    @property
    def system(self) -> System:
        """Which it is."""
        return System(self.method, self.variant)

    @property
    def label(self) -> str:
        """What tables call it, be it evaluated or not."""
        return f"{self.title} ({self.variant})" if self.variant else self.title

    @property
    def image_ms(self) -> float:
        """Milliseconds of an image; its text side is made once a class."""
        return self.tower_ms + self.head_ms


class Costs(_Record):
    """One measurement of the systems of a profile.

    Attributes:
        device: name of the GPU, or of the processor.
        machine: see `pipeline.speed.machine`.
        threads: of torch, on a processor.
        batch: images of a pass.
        rounds: in which all systems took turns; times are medians over them.
        auxiliary: what `training_s` is for.
        images: that it has.
    """

    profile: str
    device: str
    machine: dict[str, str | int]
    threads: int
    batch: int
    rounds: int
    auxiliary: str
    images: int
    systems: tuple[SystemCost, ...] = Field(min_length=1)

    def write(self, folder: Path) -> Path:
        """Write it into the folder `cost` of a profile's results; returns the file."""
        write_text(folder / _FILE, self.model_dump_json(indent=1) + "\n")
        return folder / _FILE


def read_costs(folder: Path) -> Costs | None:
    """What was measured last; None where nothing was.

    Raises:
        ResultsError: the file is damaged or of another version.
    """
    path = folder / _FILE
    try:
        return Costs.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        why = error.errors()[0]["msg"]
        raise ResultsError(f"{path} cannot be read ({why}): run `zsad cost` again") from error
