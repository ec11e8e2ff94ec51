"""Prompts files: the published ones read, a user's own filled as written, everything else refused by name."""

from pathlib import Path

import pytest

from pipeline import methods
from pipeline.errors import ParamsError
from pipeline.methods.prompt_data import ensemble, pairs, published_prompts

ENSEMBLE = """
states: {normal: ["{}", "clean {}"], abnormal: ["broken {}"]}
templates:
  two: ["a photo of {}", "{} again"]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_published_file_reads() -> None:
    published = sorted(published_prompts("clip").parent.glob("*.yaml"))
    for path in published:
        read = pairs if "\npairs:" in path.read_text("utf-8") else ensemble
        assert read(path)
    assert {path.stem for path in published} <= set(methods.names())


def test_every_state_goes_into_every_template(tmp_path: Path) -> None:
    normal, abnormal = ensemble(write(tmp_path, ENSEMBLE)).fill("two", "cup")
    assert normal == ["a photo of cup", "cup again", "a photo of clean cup", "clean cup again"]
    assert abnormal == ["a photo of broken cup", "broken cup again"]


def test_braces_in_a_class_name_are_only_text(tmp_path: Path) -> None:
    normal, _ = ensemble(write(tmp_path, ENSEMBLE)).fill("two", "{0.__class__}")
    assert normal[0] == "a photo of {0.__class__}"


def test_words_are_class_aware_where_they_have_a_place(tmp_path: Path) -> None:
    found = pairs(
        write(tmp_path, 'pairs: {a: {normal: "a {}", abnormal: "bad"}, b: {normal: x, abnormal: y}}')
    )
    assert found["a"].class_aware
    assert found["a"].fill("cup") == ("a cup", "bad")
    assert not found["b"].class_aware


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (ENSEMBLE.replace("broken {}", "broken {cls}"), "states.abnormal.0"),
        (ENSEMBLE.replace("{} again", "again"), "templates.two.1"),
        (ENSEMBLE.replace('["broken {}"]', "[]"), "states.abnormal"),
        (ENSEMBLE.replace("templates", "template"), "templates"),
        ("just words", "file"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_another_content_is_refused_with_its_key(tmp_path: Path, text: str, key: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ParamsError, match=r"mine\.yaml") as caught:
        ensemble(path)
    assert key in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"gone\.yaml"):
        pairs(tmp_path / "gone.yaml")
