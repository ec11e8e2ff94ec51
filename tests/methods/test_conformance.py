"""What every registered method must do, whoever wrote it, with its settings in the miniature profile."""

from collections.abc import Callable
from importlib.resources import files

import pytest
import yaml

from pipeline import methods
from pipeline.conformance import METHOD_CHECKS, build_method
from pipeline.methods.base import Method

WORDS = ("extended", "batch", "few_shot")
PARTS = ("profile/miniature", *(f"by_profile/{word}_miniature" for word in WORDS))
CONF = [yaml.safe_load((files("pipeline") / f"conf/{part}.yaml").read_text("utf-8")) for part in PARTS]
SETTINGS = {name: values for conf in CONF for name, values in conf["methods"].items()}


@pytest.mark.parametrize("check", METHOD_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", methods.names())
def test_conforms(name: str, check: Callable[[Method], None]) -> None:
    check(build_method(name, SETTINGS.get(name)))
