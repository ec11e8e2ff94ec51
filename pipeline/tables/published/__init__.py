"""The numbers that the paper prints in its Tables 1 to 5, as data: one row a value, in percent.

Files are described, with their sources, in the README beside them. What the paper leaves blank has no row.
The `appendix/` folder keeps numbers from elsewhere as they were found; nothing here reads them.
"""

import csv
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from pipeline.results import METRICS, ResultsError

_FILES: Final = {
    1: "table1_industrial.csv",
    2: "table2_medical.csv",
    3: "table3_medical_auxiliary.csv",
    4: "table4_module_ablation.csv",
    5: "table5_context_optimization.csv",
}


@dataclass(frozen=True)
class PublishedValue:
    """One printed number.

    Attributes:
        method: such as `anomalyclip`.
        variant: row of an ablation table (4 and 5, all of AnomalyCLIP), "" elsewhere.
        dataset: name in the catalog.
        metric: name of a metric.
        percent: the value as printed, in [0, 100].
    """

    table: int
    method: str
    variant: str
    dataset: str
    metric: str
    percent: float

    def __post_init__(self) -> None:
        if self.metric not in METRICS or not 0 <= self.percent <= 100:
            raise ResultsError(
                f"published table {self.table}: {self} is no metric in percent; mend its CSV file"
            )


def published_table(number: int) -> tuple[PublishedValue, ...]:
    """The values of Table `number` (1 to 5) of the paper, in the order of its file."""
    text = files(__name__).joinpath(_FILES[number]).read_text(encoding="utf-8")
    return tuple(
        PublishedValue(
            table=number,
            method=line.get("method", "anomalyclip"),
            variant=line.get("variant", ""),
            dataset=line["dataset"],
            metric=line["metric"],
            percent=float(line["value"]),
        )
        for line in csv.DictReader(text.splitlines())
    )
