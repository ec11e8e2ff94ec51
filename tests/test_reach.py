"""`tests.reach` on a repository of a few lines: what it must follow, and what it must not."""

from pathlib import Path

import pytest

from tests.reach import Reach

FILES = {
    "stages/__init__.py": "",
    "stages/score.py": """
from typing import TYPE_CHECKING
from pipeline import tower
from pipeline.tower import made
if TYPE_CHECKING:
    from pipeline.typed import Typed
def run(given: "Typed") -> None:
    from pipeline.late import helper
    tower.read(made, helper)
if __name__ == "__main__":
    run()
""",
    "pipeline/__init__.py": "",
    "pipeline/tower/__init__.py": """
from pipeline.tower.plug_ins import find
from pipeline.tower.read import read
def __getattr__(name):
    from importlib import import_module
    return getattr(import_module(f"{__name__}.maker"), name)
""",
    "pipeline/tower/read.py": """
from pathlib import Path
from pipeline.tower.plug_ins import find
FOLDER = Path(__file__).parent / "words"
def read(made, helper): return find("a")
def unused(): return other()
""",
    "pipeline/tower/maker.py": "made = 1",
    "pipeline/tower/words/a.yaml": "",
    "pipeline/tower/letters/a.yaml": "",
    "pipeline/tower/plug_ins.py": """
from importlib import import_module
def find(name): return import_module(f"pipeline.plug_ins.{name}")
""",
    "pipeline/plug_ins/__init__.py": "",
    "pipeline/plug_ins/a.py": "from pipeline.base import Base\nclass A(Base): pass",
    "pipeline/base.py": "class Base: pass",
    "pipeline/late.py": "from pipeline.other import other\ndef helper(): pass\ndef more(): other()",
    "pipeline/typed.py": "class Typed: pass",
    "pipeline/other.py": "def other(): pass",
}


@pytest.fixture
def reach(tmp_path: Path) -> Reach:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return Reach(tmp_path)


def test_what_is_mentioned_is_reached_and_nothing_else(reach: Reach) -> None:
    ran = reach.names([("stages.score", "run")])
    assert ran == {
        ("stages.score", "run"),
        ("pipeline.tower", "__getattr__"),
        ("pipeline.tower.maker", "made"),
        ("pipeline.tower.read", "read"),
        ("pipeline.tower.plug_ins", "find"),
        ("pipeline.plug_ins.a", "A"),
        ("pipeline.base", "Base"),
        ("pipeline.late", "helper"),
    }


def test_data_is_reached_by_the_text_that_names_it(reach: Reach) -> None:
    words = "pipeline/tower/words/a.yaml"
    assert words not in reach.files([("stages.score", "run")])
    assert reach.files([("pipeline.tower.read", "FOLDER")]) == {"pipeline/tower/read.py", words}
