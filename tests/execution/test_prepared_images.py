"""What becomes of prepared images that are not those that were prepared, and of what a training leaves."""

import shutil
from pathlib import Path

from pipeline.execution.systems import read_status
from pipeline.files import scratch_folder
from tests.execution.running import evaluate, train
from tests.project import Project

CELLS = (3 + 1 + 1 + 1) * 3


def flip_a_bit(dataset: str) -> None:
    """In the prepared images; as a disk would do it."""
    path = next(Path("shards/miniature", dataset).rglob("images-*"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_prepared_images_that_changed_by_themselves_give_no_number(trained: Project) -> None:
    flip_a_bit("headct")
    summary = evaluate()
    reason = (
        "headct/brain: its content at 112 pixels is not what was prepared; run `dvc repro --force prepare@"
    )
    assert all(reason in why for _, why in summary.failures)
    assert summary.counts() == {"run": CELLS - 3, "reused": 0, "failed": 3}


def test_prepared_images_that_changed_by_themselves_teach_nothing(trained: Project) -> None:
    flip_a_bit("sdd")
    shutil.rmtree("weights/miniature/sdd")
    train("sdd")
    (name,) = read_status(Path("weights/miniature/sdd"))
    assert name == "anomalyclip-seed111.safetensors"
    assert not list(Path("weights/miniature/sdd").glob("*.safetensors"))


def test_features_that_a_killed_training_left_are_deleted(trained: Project) -> None:
    place = Path(".zsad/features")
    place.mkdir(parents=True, exist_ok=True)
    with scratch_folder(place, "") as alive:
        left = place / "left"
        shutil.copytree(alive, left)  # its lock is nobody's
        (left / "features.npy").touch()
        train("sdd")
        assert [path.name for path in place.iterdir()] == [alive.name]


def test_a_size_at_which_nothing_is_prepared_is_named(trained: Project) -> None:
    trained.set_param("towers.main.image_size", 56)
    summary = evaluate()
    reason = "endo/colon is not prepared at 56 pixels: run `dvc repro prepare@endo`"
    assert ("clip on endo/colon", reason) in summary.failures
    assert summary.counts() == {"run": 0, "reused": 0, "failed": CELLS}
