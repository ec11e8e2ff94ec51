"""The progress on the page of a run: told now and then, and at the end in any case."""

import re
from uuid import UUID, uuid4

import pytest

from pipeline.flows import artifacts
from pipeline.flows.artifacts import ProgressArtifact, artifact_key


@pytest.mark.parametrize("name", ["cells", "table_1", "train-mvtec+cvc_colondb"])
def test_prefect_takes_the_key_of_every_name(name: str) -> None:
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", artifact_key("miniature", name))


@pytest.mark.parametrize(("seconds", "told"), [(60.0, [100.0]), (0.0, [25.0, 50.0, 75.0, 100.0])])
def test_progress_is_told_now_and_then_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch, seconds: float, told: list[float]
) -> None:
    shares: list[float] = []

    def update(_artifact: UUID, share: float) -> None:
        shares.append(share)

    monkeypatch.setattr(artifacts, "_STEP_SECONDS", seconds)
    monkeypatch.setattr(artifacts, "create_progress_artifact", lambda *_, **__: uuid4())
    monkeypatch.setattr(artifacts, "update_progress_artifact", update)
    page = ProgressArtifact("key", 4, "Groups")
    for done in range(1, 5):
        page.reach(done)
    assert shares == told
