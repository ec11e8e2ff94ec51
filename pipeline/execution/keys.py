"""Content keys: what a cell's numbers depend on, as one digest.

Method code, settings, tower, learnt weights, prepared images, seed. Where and how fast it runs is left out.
The code part is a digest of the source files between an image and its metrics and examples, so nobody has to
remember to raise a version.
"""

from functools import cache
from pathlib import Path

import pipeline
from pipeline.files import file_digest, value_digest
from pipeline.methods import source_files

_ROOT = Path(pipeline.__file__).parent
_SHARED_SOURCES = (
    "clip",
    "metrics",
    "shards/reader.py",
    "execution/batches.py",
    "execution/scoring.py",
    "execution/examples.py",
    "results/examples.py",
)


def _python_files(part: str) -> list[Path]:
    path = _ROOT / part
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


@cache
def code_digest(method: str) -> str:
    """Digest of the source that turns an image into metrics and examples of `method`, prompts included."""
    files = [file for part in _SHARED_SOURCES for file in _python_files(part)] + list(source_files(method))
    # A plug-in's files lie elsewhere; where they lie must not matter.
    named = [
        [file.relative_to(_ROOT).as_posix() if file.is_relative_to(_ROOT) else file.name, file_digest(file)]
        for file in files
    ]
    return value_digest(sorted(named))


@cache
def tower_digest(model: str, weights: str) -> str:
    """Digest of a tower's model and weights: of the content where they are files, else of the names."""
    return value_digest(
        [file_digest(Path(part)) if Path(part).is_file() else part for part in (model, weights)]
    )
