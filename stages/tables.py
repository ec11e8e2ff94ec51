"""DVC stage `tables`: the paper-style tables of what was measured."""

from pipeline.params import load_params
from pipeline.results import read_metrics
from pipeline.tables import expected_sets, write_tables
from stages.entry import stage


def run() -> None:
    """Write the tables of the profile in params."""
    params = load_params()
    metrics = read_metrics(params.results / "metrics")
    written = write_tables(
        metrics, expected_sets(params.every_dataset, params.builds), params.profile, params.results / "tables"
    )
    print(f"tables: {len(written)} files in {params.results / 'tables'}")


if __name__ == "__main__":
    stage(run)
