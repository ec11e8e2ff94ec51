"""Runs every command block of README and docs/ in an empty clone.

    python -m tests.docs.run_commands [PAGE ...]

Page by page; between two pages the tracked files are put back as the first page, with `make repro`, leaves
them. A line that .ci/run has too is left to it. Exit code 1 when a block does not end as its page says.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.docs.blocks import TYPED, Block, blocks
from tests.docs.clone import Clone, Outcome, make_clone
from tests.project import ROOT

_SECONDS: Final = 480  # that one block may take: twice what `make repro` takes on a slow machine


def pages() -> list[Path]:
    """The pages with blocks to run, relative to the root, in the order in which one reads them."""
    first = [Path("README.md"), Path("docs/tutorial.md")]
    docs = sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md"))
    others = [Path("CONTRIBUTING.md"), *docs]
    return first + [page for page in others if page not in first and (ROOT / page).is_file()]


def command(block: Block, done_by_ci: set[str]) -> list[str] | None:
    """What runs a block; None when nothing but lines of CI's own is in it."""
    if block.language == "python":
        return [sys.executable, "-c", block.text]
    lines = [line for line in block.text.splitlines() if line.partition("#")[0].strip() not in done_by_ci]
    if not any(line.partition("#")[0].strip() for line in lines):
        return None
    return ["bash", "-euo", "pipefail", "-c", "\n".join(lines)]


def failure(block: Block, outcome: Outcome) -> str | None:
    """Why an outcome is not what the page says; None when it is."""
    wanted = int(block.attributes.get("exit", "0"))
    if outcome.code == wanted:
        return None
    code = "not ended in time" if outcome.code is None else f"exit code {outcome.code}"
    return f"{block.place}: {code}, not {wanted}\n{block.text}\n{outcome.output[-3000:]}"


def run_page(page: Path, clone: Clone, done_by_ci: set[str]) -> Iterator[tuple[Block, str, str | None]]:
    """Each typed block of a page, what was done with it, and why it failed."""
    for block in blocks(page, (clone.folder / page).read_text()):
        if (file := block.attributes.get("file")) is not None:
            clone.write(file, block.text)
            yield block, f"wrote {file}", None
        elif block.language not in TYPED:
            continue
        elif (needs := block.attributes.get("needs")) is not None:
            yield block, f"needs {needs}", None
        elif (line := command(block, done_by_ci)) is None:
            yield block, "a line of .ci/run", None
        else:
            outcome = clone.run(line, _SECONDS, until=block.attributes.get("until"))
            yield block, f"ran, {outcome.seconds:.1f} s", failure(block, outcome)


def run_pages(chosen: list[Path], clone: Clone) -> Iterator[tuple[Block, str, str | None]]:
    """All pages, one after the other."""
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    done_by_ci = {line for line in lines if line.startswith("make ")}
    for place, page in enumerate(chosen):
        yield from run_page(page, clone, done_by_ci)
        if place == 0:
            clone.keep()
        clone.reset()


def main(chosen: list[str]) -> int:
    """Run the pages that are named, or all; say of every block what was done, and how many ran."""
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="zsad-docs-") as folder:
        clone = make_clone(Path(folder) / "zsad")
        for block, done, failed in run_pages([Path(name) for name in chosen] or pages(), clone):
            kind = done.split()[0].rstrip(",") if done.startswith(("ran", "wrote")) else f"not run: {done}"
            counts[kind] += 1
            failures += [failed] if failed else []
            word = "FAILED" if failed else "ok" if kind in {"ran", "wrote"} else "-"
            print(f"{word:7}{block.place}  {block.text.splitlines()[0]}  ({done})", flush=True)
    print("", *(f"{count:4} {kind}" for kind, count in counts.items()), *failures, sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
