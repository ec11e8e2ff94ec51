"""The fences of the documentation are understood, and what a block does is judged as its page says."""

import re
from pathlib import Path

import pytest

from tests.docs.blocks import TYPED, Block, blocks
from tests.docs.clone import Clone
from tests.docs.run_commands import pages, run_page
from tests.project import ROOT

PAGE = Path("page.md")
SERVER = "import http.server as s; s.test(s.SimpleHTTPRequestHandler, bind='127.0.0.1', port=0)"


@pytest.mark.parametrize("page", pages(), ids=str)
def test_every_fence_is_understood(page: Path) -> None:
    found = blocks(page, (ROOT / page).read_text())
    assert all(block.attributes.get("needs", "said") for block in found if block.language in TYPED)


@pytest.mark.parametrize("page", pages(), ids=str)
def test_what_a_reader_types_is_fenced_as_such(page: Path) -> None:
    text = (ROOT / page).read_text()
    typed = r"(zsad|dvc|make|python|prefect|ray|pip) [a-z-]"
    assert not re.search(rf"^    {typed}", text, re.MULTILINE)
    plain = [block for block in blocks(page, text) if block.language not in (*TYPED, "bash")]
    assert not [block.place for block in plain if re.search(rf"^{typed}", block.text, re.MULTILINE)]


def test_attributes_of_a_fence() -> None:
    (block,) = blocks(PAGE, 'text\n\n```{ .sh exit="1" needs="a cluster" }\nfalse\ntrue\n```\n')
    assert block == Block(PAGE, 3, "sh", "false\ntrue", {"exit": "1", "needs": "a cluster"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('```{ .sh need="x" }\nls\n```', "page.md:1: the fence has 'need'"),
        ("```sh\nls\n", "page.md:1: the block is not closed"),
        ('```sh exit="1"\nls\n```', "page.md:1: fence"),
    ],
)
def test_a_bad_fence_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        blocks(PAGE, text)


def run(folder: Path, text: str, *, done_by_ci: set[str] | None = None) -> tuple[str, str | None]:
    (folder / "page.md").write_text(text)
    ((_, done, failed),) = run_page(PAGE, Clone(folder), done_by_ci or set())
    return done.partition(",")[0], failed


def test_a_block_that_ends_otherwise_fails(tmp_path: Path) -> None:
    done, failed = run(tmp_path, "```sh\necho before\nfalse\necho after\n```")
    assert done == "ran"
    assert failed is not None
    assert "page.md:1: exit code 1, not 0" in failed
    assert failed.rstrip().endswith("before")
    assert run(tmp_path, '```{ .sh exit="1" }\nfalse\n```') == ("ran", None)
    assert run(tmp_path, '```{ .sh exit="1" }\ntrue\n```')[1] is not None
    assert run(tmp_path, "```python\nimport nothing_of_that_name\n```")[1] is not None


def test_what_does_not_run_says_why(tmp_path: Path) -> None:
    assert run(tmp_path, '```{ .sh needs="a cluster" }\nfalse\n```') == ("needs a cluster", None)
    block = "```sh\nmake test    # all of them\n```"
    assert run(tmp_path, block, done_by_ci={"make test"}) == ("a line of .ci/run", None)


def test_a_block_can_be_a_file(tmp_path: Path) -> None:
    assert run(tmp_path, '```{ .yaml file="a/b.yaml" }\nkey: 1\n```') == ("wrote a/b.yaml", None)
    assert (tmp_path / "a" / "b.yaml").read_text() == "key: 1\n"


def test_a_server_is_interrupted_once_it_is_up(tmp_path: Path) -> None:
    served = f'```{{ .sh until="%s" }}\nPYTHONUNBUFFERED=1 python3 -c "{SERVER}"\n```'
    assert run(tmp_path, served % "Serving HTTP") == ("ran", None)
    assert run(tmp_path, '```{ .sh until="up" }\necho down\n```')[1] is not None
