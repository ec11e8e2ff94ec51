"""Where the limits lie, to the byte."""

from pathlib import Path

import pytest

from pipeline.archives import rules
from pipeline.archives.rules import Gate, Member
from pipeline.errors import DataError, DiskFullError

SET = Path("set.zip")


def gate(packed: int = 10, free: int = 1 << 40) -> Gate:
    return Gate(SET, packed, free)


@pytest.mark.parametrize("name", ["n" * 255, "\u00e4" * 127, "n" * 128 + ("/" + "n" * 127) * 7])
def test_the_longest_names(name: str) -> None:
    assert gate().admit(Member(name, "file")) == name
    with pytest.raises(DataError, match="too long a name"):
        gate().admit(Member(f"{name}\u00e4", "file"))


def test_a_long_name_is_shown_in_part() -> None:
    with pytest.raises(DataError, match=rf"member '{'n' * 120}\.\.\.' has too long a name"):
        gate().admit(Member("n" * 2000, "file"))


def test_unpacked_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "HARMLESS_BYTES", 1500)
    for packed, most in ((10, 1500), (20, 2000)):
        one = gate(packed)
        one.admit(Member("a", "file", most - 1))
        one.admit(Member("b", "file", 1))
        with pytest.raises(DataError, match="more than 100 times as large"):
            one.admit(Member("c", "file", 1))
        assert one.files == {"a": most - 1, "b": 1}


def test_room_on_the_disk() -> None:
    one = gate(free=3 << 20)
    one.admit(Member("a", "file", 3 << 20))
    with pytest.raises(DiskFullError, match="needs more than 3 MB unpacked and the disk has 3 MB left"):
        one.admit(Member("b", "file", 1))


def test_folders_may_be_there_twice_and_have_files() -> None:
    one = gate()
    assert one.admit(Member("./", "folder")) == ""
    for _ in range(2):
        assert one.admit(Member("a/", "folder")) == "a"
    assert one.admit(Member("a/b", "file", 2)) == "a/b"
    assert one.files == {"a/b": 2}


@pytest.mark.parametrize(
    ("path", "target", "leads_to"),
    [("a/b", "c", "a/c"), ("a/b", "../c", "c"), ("a/b", "./c/../d", "a/d"), ("b", "..c", "..c")],
)
def test_where_a_link_leads(path: str, target: str, leads_to: str) -> None:
    assert gate().target(Member(path, "symlink", target=target), path) == leads_to
    assert gate().target(Member(path, "hardlink", target="x/y"), path) == "x/y"
