"""The files that a real run executes: `tests.reach` knows them all."""

import pytest

from tests.grain import executed_files
from tests.reach import Reach


@pytest.mark.soak
def test_nothing_is_executed_that_the_syntax_trees_do_not_show() -> None:
    reach = Reach()
    for stage, files in executed_files().items():
        assert files - reach.files([(f"stages.{stage}", "run")]) == set(), stage
