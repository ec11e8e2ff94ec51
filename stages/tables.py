"""DVC stage `tables`: the paper-style tables of what was measured."""

from pipeline.params import load_params
from pipeline.tables import write_run_tables
from stages.entry import stage


def run() -> None:
    """Write the tables of the profile in params."""
    params = load_params()
    written = write_run_tables(params)
    print(f"tables: {len(written)} files in {params.results / 'tables'}")


if __name__ == "__main__":
    stage(run)
