"""The nouns of a plan: entry, subset, cell, group, failure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A method, or a variant of one, that params ask for.

    `tower` names the tower that it reads. A learnt entry gets one cell a seed, any other entry one cell.
    `error` says why its settings cannot be used. `auxiliary` is what it is tuned on, None where the common
    rule decides; `datasets` what it is evaluated on, None for every data set.
    """

    method: str
    variant: str
    tower: str
    learnt: bool
    error: str | None = None
    auxiliary: str | None = None
    datasets: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """How messages name it: `anomalyclip` or `anomalyclip[no_dpam]`."""
        return f"{self.method}[{self.variant}]" if self.variant else self.method


@dataclass(frozen=True)
class Subset:
    """A subset to evaluate on; `error` says why it cannot be."""

    dataset: str
    name: str
    images: int
    error: str | None = None


@dataclass(frozen=True)
class Cell:
    """One method or variant on one subset with one seed. `auxiliary` is what it was tuned on."""

    entry: Entry
    dataset: str
    subset: str
    seed: int | None
    auxiliary: str | None

    @property
    def label(self) -> str:
        """How messages name it: `anomalyclip on mvtec/bottle, seed 111`."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.entry.label} on {self.dataset}/{self.subset}{seed}"


@dataclass(frozen=True)
class Group:
    """Cells that share a tower and a subset: one pass of the images serves them all."""

    tower: str
    dataset: str
    subset: str
    images: int
    cells: tuple[Cell, ...]

    @property
    def label(self) -> str:
        """How messages name it: `mvtec/bottle`."""
        return f"{self.dataset}/{self.subset}"


@dataclass(frozen=True)
class Failure:
    """A cell without numbers, and why."""

    cell: Cell
    reason: str


@dataclass(frozen=True)
class Plan:
    """Groups longest first, and the cells that cannot be run."""

    groups: tuple[Group, ...]
    refused: tuple[Failure, ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells that can be run."""
        return tuple(cell for group in self.groups for cell in group.cells)
