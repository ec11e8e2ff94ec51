"""A new method is one new file and its prompts: the example of the page on methods is run and tabulated.

`make docs-commands` takes it through the suite that every method passes.
"""

import pytest

from tests.docs.blocks import blocks
from tests.project import ROOT, SECONDS, Project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2 * SECONDS)]

PAGE = ROOT / "docs" / "how-to" / "method.md"


def test_one_file_and_its_prompts_are_enough(trained: Project, served: None) -> None:
    files = [block for block in blocks(PAGE, PAGE.read_text()) if "file" in block.attributes]
    written = [block for block in files if "odd_patch" in block.attributes["file"]]
    assert len(written) == 2
    for block in written:
        (trained.folder / block.attributes["file"]).write_text(f"{block.text}\n")
    trained.set_param("methods", {"odd_patch": {}, "clip": {"layers": [8], "sigma": 1.0}})
    trained.set_param("datasets", ["btad", "sdd"])
    output = trained.run("python", "-m", "stages.evaluate")
    assert "cells: 8 run, 0 reused, 0 failed" in output
    trained.run("python", "-m", "stages.tables")
    table = (trained.folder / "results/miniature/tables/table1.md").read_text()
    assert "| CLIP | Odd patch |" in table
