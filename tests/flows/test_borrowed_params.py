"""params.yaml is borrowed by a run and given back, whatever happens."""

import sys
from pathlib import Path

import pytest

from pipeline.errors import BusyError, ParamsError
from pipeline.flows.request import Request, borrowed_params, recover
from pipeline.params import load_params
from tests.project import Project

ONLY_CLIP = Request(methods=["clip"])


def test_it_is_borrowed_and_given_back_byte_by_byte(project: Project) -> None:
    params = Path("params.yaml")
    params.write_text("# a remark\n" + params.read_text())
    before = params.read_bytes()
    with borrowed_params(ONLY_CLIP):
        assert set(load_params().methods) == {"clip"}
    assert params.read_bytes() == before
    with pytest.raises(RuntimeError), borrowed_params(ONLY_CLIP):
        raise RuntimeError
    assert params.read_bytes() == before


def test_an_edit_during_the_run_stays(project: Project) -> None:
    with borrowed_params(ONLY_CLIP):
        project.set_param("compute.batch", 5)
        edited = Path("params.yaml").read_bytes()
    assert Path("params.yaml").read_bytes() == edited
    recover()
    assert Path("params.yaml").read_bytes() == edited


def test_a_bad_request_changes_nothing(project: Project) -> None:
    before = Path("params.yaml").read_bytes()
    with pytest.raises(ParamsError), borrowed_params(Request(methods=["clop"])):
        pass
    assert Path("params.yaml").read_bytes() == before


def test_two_runs_do_not_share_a_project(project: Project) -> None:
    with borrowed_params(Request()), pytest.raises(BusyError), borrowed_params(ONLY_CLIP):
        pass


HOLD = """
import time
from pipeline.flows.request import borrowed_params
from pipeline.flows.request import Request
with borrowed_params(Request(methods=["clip"])):
    print("borrowed", flush=True)
    time.sleep(100)
"""


def test_a_killed_run_is_made_good_and_not_before_it_is_dead(project: Project) -> None:
    before = Path("params.yaml").read_bytes()
    process = project.start(sys.executable, "-c", HOLD)
    assert process.stdout is not None
    assert process.stdout.readline() == "borrowed\n"
    recover()
    assert set(load_params().methods) == {"clip"}
    process.kill()
    process.wait()
    recover()
    assert Path("params.yaml").read_bytes() == before


@pytest.mark.parametrize("note", ["{", "[]", "{}", '{"saved": 1}'])
def test_a_damaged_note_names_what_to_put_back(project: Project, note: str) -> None:
    Path(".zsad/params").mkdir(parents=True)
    Path(".zsad/params/borrowed.json").write_text(note)
    with pytest.raises(ParamsError, match=r"borrowed\.json is damaged: .* then delete the note"):
        recover()
