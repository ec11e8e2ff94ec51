"""`zsad doctor`: what would stop a run or make it wrong."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from pipeline.errors import count
from pipeline.params import load_params


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
    for finding in examine(params, repair=repair):
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
