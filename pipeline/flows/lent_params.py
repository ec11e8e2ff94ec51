"""params.yaml, lent to one run at a time and given back.

DVC reads the params.yaml of the project and no other, so a run with parameters of its own has to write there.
What the user had is kept first and put back afterwards; a run that was killed is made good by the next one.
Whoever edits params.yaml during a run keeps that edit: only what the run itself wrote is replaced.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from pipeline.errors import ZsadError
from pipeline.files import file_digest, write_bytes, write_json, write_text
from pipeline.flows.request import Request
from pipeline.params import PARAMS_FILE

_FOLDER = Path(".zsad") / "params"
_NOTE = _FOLDER / "lent.json"


class BusyError(ZsadError):
    """Another run has the project."""

    def __init__(self) -> None:
        super().__init__("another run of this project is under way: wait for its end, or cancel it")


@contextmanager
def lent_params(request: Request) -> Iterator[None]:
    """Hold the project for one run; inside, params.yaml says what `request` asks for.

    Raises:
        BusyError: another run holds it.
        ParamsError: `request` cannot be met.
    """
    with _held():
        _give_back()
        if request.as_it_stands:
            yield
            return
        _lend(request.params())
        try:
            yield
        finally:
            _give_back()


def recover() -> None:
    """Put back the params.yaml that a killed run left changed; do nothing while a run is under way."""
    try:
        with _held():
            _give_back()
    except BusyError:
        return


@contextmanager
def _held() -> Iterator[None]:
    _FOLDER.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_FOLDER / "lock", blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise BusyError from error
    try:
        yield
    finally:
        lock.release()


def _lend(values: dict[str, Any]) -> None:
    saved = _FOLDER / f"{file_digest(PARAMS_FILE)[:16]}.yaml"
    write_bytes(saved, PARAMS_FILE.read_bytes())
    written = _FOLDER / "run.yaml"
    write_text(written, yaml.safe_dump(values, sort_keys=False))
    # The note is there before params.yaml changes, so that a kill in between can be told from an edit.
    write_json(_NOTE, {"saved": saved.name, "written": file_digest(written)})
    write_bytes(PARAMS_FILE, written.read_bytes())


def _give_back() -> None:
    if not _NOTE.is_file():
        return
    note = json.loads(_NOTE.read_text(encoding="utf-8"))
    saved = _FOLDER / note["saved"]
    if PARAMS_FILE.is_file() and file_digest(PARAMS_FILE) == note["written"]:
        write_bytes(PARAMS_FILE, saved.read_bytes())
        saved.unlink()
    _NOTE.unlink()
