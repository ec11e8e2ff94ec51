"""Runs every command block of README and docs/ in an empty clone: `python -m tests.docs.run_commands [PAGE ...]`.

Page by page; between two pages the tracked files are put back, what `make repro` has written stays. A line
that .ci/run has too is left to it. Exit code 1 when a block does not end as its page says.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.docs.blocks import TYPED, Block, blocks
from tests.docs.clone import Clone, Outcome, make_clone
from tests.project import ROOT

_SECONDS: Final = 240  # that one block may take


def pages() -> list[Path]:
    """The pages with blocks to run, relative to the root: README and the tutorial first, as one reads them."""
    first = [Path("README.md"), Path("docs/tutorial.md")]
    others = [Path("CONTRIBUTING.md"), *sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md"))]
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
    if outcome.code == wanted or (outcome.code is not None and "until" in block.attributes):
        return None
    ended = "did not end as it should in time" if outcome.code is None else f"exit code {outcome.code}, not {wanted}"
    return f"{block.place}: {ended}\n{block.text}\n{outcome.output[-3000:]}"


def run_page(page: Path, clone: Clone, done_by_ci: set[str]) -> Iterator[tuple[Block, str, str | None]]:
    """Each typed block of a page, what was done with it, and why it failed."""
    for block in blocks(page, (clone.folder / page).read_text()):
        if block.language not in TYPED:
            continue
        if (needs := block.attributes.get("needs")) is not None:
            yield block, f"needs {needs}", None
        elif (line := command(block, done_by_ci)) is None:
            yield block, "a line of .ci/run", None
        else:
            outcome = clone.run(line, _SECONDS, until=block.attributes.get("until"))
            yield block, f"ran, {outcome.seconds:.1f} s", failure(block, outcome)


def main(chosen: list[str]) -> int:
    """Run the pages that are named, or all."""
    done_by_ci = {line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("make ")}
    counts: dict[str, int] = {}
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="zsad-docs-") as folder:
        clone = make_clone(Path(folder) / "zsad")
        for page in [Path(name) for name in chosen] or pages():
            for block, done, failed in run_page(page, clone, done_by_ci):
                line = block.text.splitlines()[0]
                sys.stdout.write(f"{'FAILED' if failed else 'ok':7}{page}:{block.line}  {line}  ({done})\n")
                sys.stdout.flush()
                kind = "ran" if done.startswith("ran") else done
                counts[kind] = counts.get(kind, 0) + 1
                failures += [failed] if failed else []
            clone.reset()
    sys.stdout.write("\n" + "".join(f"{count:4} {kind}\n" for kind, count in counts.items()))
    sys.stdout.write("".join(f"\n{failed}\n" for failed in failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
