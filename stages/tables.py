"""DVC stage `tables`: the paper-style tables of what was measured.

A copy lies where no params can move it: DVC may keep only such a folder (see dvc.yaml), and an experiment is
its params and these tables.
"""

from pathlib import Path

from pipeline.params import load_params
from pipeline.progress import progress
from pipeline.tables import MEANS, keep_tables, read_outcome, write_means, write_tables
from stages.entry import stage


def run() -> None:
    """Write the tables of the profile in params."""
    params = load_params()
    folder = params.results / "tables"
    with progress("tables", 1) as steps:
        outcome = read_outcome(params)
        written = write_tables(outcome, folder)
        keep_tables(folder)
        write_means(outcome, MEANS)
        steps.step(f"{len(written)} files in {folder}, table1.md first")
    if (baseline := Path("baseline") / params.profile).is_dir():
        print(f"tables: to compare with the committed ones: zsad diff {baseline} {params.results}")
        print("tables: another kind of processor moves last digits; the comparison knows what is noise")


if __name__ == "__main__":
    stage(run)
