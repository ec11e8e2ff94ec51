"""Names and links in a tree from outside: what leads out or cannot be written safely is refused."""

import errno
import os
from pathlib import Path

import pytest

from pipeline.catalog import Ignored
from pipeline.catalog.tree import read_tree, some
from pipeline.errors import DataError

from . import trees
from .trees import listed


def test_links_that_leave_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "mvtec"
    trees.mvtec(root)
    outside = trees.picture(tmp_path / "outside.png")
    (root / "bottle/test/good/009.png").symlink_to(outside)
    (root / "pill/test/good").rename(tmp_path / "elsewhere")
    (root / "pill/test/good").symlink_to(tmp_path / "elsewhere")
    listing = listed("mvtec", root)
    assert set(listing.problems) == {"bottle", "pill"}
    assert "bottle/test/good/009.png: a link that leads out" in listing.problems["bottle"]
    assert any(entry.path == "pill/test/good" for entry in listing.ignored)


def test_a_link_inside_is_fine(tmp_path: Path) -> None:
    trees.mvtec(tmp_path)
    target = tmp_path / "bottle/test/good/000.png"
    (tmp_path / "bottle/test/good/009.png").symlink_to(target)
    listing = listed("mvtec", tmp_path)
    assert listing.problems == {}
    assert listing.counts()["bottle"] == (4, 4)


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    trees.br35h(tmp_path)
    (tmp_path / "no/again").symlink_to(tmp_path)
    assert "no/again: a link to a folder" in listed("br35h", tmp_path).problems["brain"]


@pytest.mark.parametrize("name", ["new\nline.png", "back\\slash.png", "\udcff.png"])
def test_unsafe_names_are_refused(name: str, tmp_path: Path) -> None:
    trees.br35h(tmp_path)
    (tmp_path / "no" / name).write_bytes((tmp_path / "no/no0.jpg").read_bytes())
    message = listed("br35h", tmp_path).problems["brain"]
    assert "not safe in a path" in message
    assert message.isprintable()


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    trees.br35h(tmp_path)
    (tmp_path / "no/self.png").symlink_to("self.png")
    assert "no/self.png: a link" in listed("br35h", tmp_path).problems["brain"]


def test_a_folder_that_may_not_be_listed_is_no_fact_about_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees.br35h(tmp_path)
    scan = os.scandir

    def locked(path: Path) -> object:
        if path.name == "yes":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr("pipeline.catalog.tree.os.scandir", locked)
    with pytest.raises(PermissionError, match="yes"):
        listed("br35h", tmp_path)


@pytest.mark.parametrize(("wrapped", "found"), [(3, True), (4, False)])
def test_how_deep_a_data_set_is_looked_for(wrapped: int, found: bool, tmp_path: Path) -> None:
    trees.br35h(tmp_path.joinpath(*"abcd"[:wrapped]))
    assert bool(listed("br35h", tmp_path).samples) == found


def test_a_long_list_is_shown_in_part() -> None:
    assert some(list("abcde")) == "a, b, c, d, e"
    assert some(["", *"abcdef"]) == "the root, a, b, c, d and 2 more"


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", ".hidden.png"])
def test_litter_is_no_problem(name: str, tmp_path: Path) -> None:
    expected = trees.br35h(tmp_path)
    (tmp_path / "no" / name).touch()
    listing = listed("br35h", tmp_path)
    assert listing.counts() == expected
    assert Ignored(f"no/{name}", "left behind by a file system or a tool") in listing.ignored


def test_what_is_neither_a_file_nor_a_folder(tmp_path: Path) -> None:
    trees.br35h(tmp_path)
    os.mkfifo(tmp_path / "no/pipe.png")
    assert "no/pipe.png: neither a file nor a folder" in listed("br35h", tmp_path).problems["brain"]


def test_a_list_that_is_too_long_for_one_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("image,label\n")
    tree = read_tree(tmp_path)
    assert tree.read("labels.csv") == b"image,label\n"
    with (tmp_path / "labels.csv").open("r+b") as file:
        file.truncate(1 << 40)  # takes no room on the disk
    with pytest.raises(DataError, match=r"^labels\.csv: more than 64 MB; leave out what is not tested$"):
        tree.read("labels.csv")
