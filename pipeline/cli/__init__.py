"""The `zsad` command: one module a group of commands, each parses and prints.

The work is done by the packages below, which every command imports when it runs, so that `zsad --help` is
quick.
"""

from pipeline.cli.checkpoints import import_checkpoint
from pipeline.cli.datasets import datasets
from pipeline.cli.downloading import download
from pipeline.cli.group import main
from pipeline.cli.health import doctor
from pipeline.cli.initialising import init
from pipeline.cli.planning import plan
from pipeline.cli.report import report
from pipeline.cli.reports import diff, tables
from pipeline.cli.scoring import score
from pipeline.cli.serve import serve

_COMMANDS = (
    init,
    datasets,
    download,
    plan,
    serve,
    score,
    tables,
    report,
    diff,
    import_checkpoint,
    doctor,
)

for _command in _COMMANDS:
    main.add_command(_command)

__all__ = ["main"]
