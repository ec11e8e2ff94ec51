"""The `zsad` command: one module a command, each parses and prints.

The work is done by the packages below, which every command imports when it runs, so that `zsad --help` is
quick.
"""

from pipeline.cli import (
    datasets,
    diff,
    doctor,
    download,
    import_checkpoint,
    init,
    plan,
    report,
    score,
    serve,
    tables,
)
from pipeline.cli.group import main

_COMMANDS = (
    init.init,
    datasets.datasets,
    download.download,
    plan.plan,
    serve.serve,
    score.score,
    tables.tables,
    report.report,
    diff.diff,
    import_checkpoint.import_checkpoint,
    doctor.doctor,
)

for _command in _COMMANDS:
    main.add_command(_command)

__all__ = ["main"]
