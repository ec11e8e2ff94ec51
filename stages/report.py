"""DVC stage `report`: the figures and the HTML report of what was measured."""

from pipeline.params import load_params
from pipeline.progress import progress
from pipeline.report import read_sources, write_report
from stages.entry import stage


def run() -> None:
    """Write the report of the profile in params."""
    params = load_params()
    with progress("report", 1) as steps:
        # Revision, machine and time would make what DVC compares differ from clone to clone.
        written = write_report(read_sources(params, with_run=False), params.results / "report")
        steps.step(f"{written[0]} and {len(written) - 1} figure files")


if __name__ == "__main__":
    stage(run)
