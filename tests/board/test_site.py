"""The files of a board, and what may stand on it."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipeline.board import verify, write_board
from pipeline.board.site import Entry, board_data, entry
from pipeline.cli import main
from pipeline.errors import ZsadError

from .make import cells, write_folder

SETS = ("btad", "headct")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(cells(datasets=SETS), tmp_path_factory.mktemp("board") / "lab" / "miniature")


@pytest.fixture(scope="module")
def made(run: Path) -> Entry:
    return entry(run, verify(run))


def test_the_page_and_the_data_behind_it(made: Entry, tmp_path: Path) -> None:
    page, as_json, as_parquet = write_board([made], tmp_path / "a")
    board = json.loads(as_json.read_text())
    assert board == json.loads(json.dumps(board_data([made])))
    rows = pq.read_table(as_parquet).to_pylist()
    assert len(rows) == len(board["numbers"]) > 30
    one = next(
        it for it in rows if (it["method"], it["dataset"], it["metric"]) == ("clip", "btad", "image_ap")
    )
    own = next(own for own in made.outcome.means.values() if own.system.method == "clip")
    assert one["value"] == pytest.approx(own.over_subsets("btad", "image_ap").value)
    assert (one["track"], one["protocol"], one["build_name"]) == ("main", "none", "miniature")
    assert "default-src 'none'" in page.read_text()
    again = write_board([made], tmp_path / "b")
    assert [path.read_bytes() for path in again] == [
        path.read_bytes() for path in (page, as_json, as_parquet)
    ]


def test_the_command_takes_what_is_accepted_and_calls_it_as_its_folder(run: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(main, ["board", str(run), "--out", str(tmp_path / "site")])
    assert told.exit_code == 0, told.output
    board = json.loads((tmp_path / "site" / "board.json").read_text())
    assert [it["name"] for it in board["entries"]] == ["lab"]
    refused = CliRunner().invoke(main, ["board", str(run / "metrics")])
    assert refused.exit_code == 1


def test_what_is_not_accepted_is_no_entry(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "miniature"
    shutil.copytree(run, folder)
    (folder / "run.json").unlink()
    with pytest.raises(ZsadError, match=r"run.json: missing.*lists every reason"):
        entry(folder, verify(folder))


def test_a_name_that_is_markup_is_refused(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "<img src=x>" / "miniature"
    shutil.copytree(run, folder)
    with pytest.raises(ZsadError, match="cannot name an entry"):
        entry(folder, verify(folder))


def test_two_entries_of_one_name_are_refused(made: Entry, tmp_path: Path) -> None:
    with pytest.raises(ZsadError, match="two entries are called 'lab'"):
        write_board([made, made], tmp_path)
