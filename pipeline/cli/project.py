"""`zsad init`, `zsad doctor` and `zsad serve`: a project's folder, its health, and its schedule."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from pipeline.errors import count
from pipeline.params import load_params


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def init(folder: Path) -> None:
    """Make a new FOLDER a project of its own: settings, miniature data, and links to the installed code.

    \b
    Example:
      zsad init bench
      cd bench && dvc repro
    """  # noqa: D301 - click reads the backspace
    from pipeline.project import create

    create(folder)
    click.echo(f"{folder}: settings in params.yaml, stages in dvc.yaml, drawn data sets in data/")
    click.echo(f"run it: cd {folder} && dvc repro")
    click.echo("`dvc exp run` needs one commit: git add . && git commit -m start")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array on standard output.")
@click.option("--profile", help="Look at what this profile needs, not at params.yaml.")
@click.option("--repair", is_flag=True, help="Delete damaged cells and what killed runs left behind.")
@click.pass_obj
def doctor(params_file: Path, profile: str | None, as_json: bool, repair: bool) -> None:
    """Check environment, machine, services, weights, data and finished cells; exit code 1 on a problem.

    \b
    Example:
      zsad doctor --repair
      zsad doctor --profile paper
    """  # noqa: D301 - click reads the backspace
    from pipeline.doctor import examine
    from pipeline.flows.request import composed_params

    params = composed_params(profile) if profile else load_params(params_file)
    found = []
    for finding in examine(params, repair=repair, profile=profile):
        found.append(finding)
        if not as_json:
            click.echo(f"{finding.level:8}{finding.area}, {finding.name}: {finding.text}")
    problems = sum(finding.level == "problem" for finding in found)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in found], indent=1, ensure_ascii=False))
    else:
        click.echo(f"{count(problems, 'problem')} in {count(len(found), 'check')}")
    if problems:
        sys.exit(1)


@click.command()
@click.option("--port", default=4200, show_default=True, type=click.IntRange(1, 65535), help="Of the pages.")
@click.option(
    "--cron", default="0 2 * * *", show_default=True, help="When the nightly run starts, in local time."
)
def serve(port: int, cron: str) -> None:
    """Run the benchmark every night and on demand, and show it in Prefect's pages on this machine.

    Example: zsad serve --cron "30 1 * * 1-5"
    """
    from pipeline.flows.request import recover
    from pipeline.flows.serving import Service
    from pipeline.flows.serving import serve as keep_serving

    recover()
    keep_serving(Service(port, cron), click.echo)
