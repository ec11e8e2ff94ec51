"""Any folder of images: equal to scoring them one by one, and complete whatever lies among them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from pipeline import methods
from pipeline.detection.detector import Detector, GivenTower, open_detector
from pipeline.detection.folder import (
    DETECTOR_KEY,
    SCHEMA,
    FolderTask,
    Unreadable,
    list_images,
    read_batches,
    score_folder,
)
from pipeline.detection.overlay import write_overlay
from pipeline.errors import DataError, ParamsError, WeightsError
from pipeline.files import file_digest
from pipeline.methods.base import LearntMethod, Method, Scores
from pipeline.params import parse_params
from pipeline.results.parquet import from_bytes
from pipeline.training import save_checkpoint
from pipeline.training.interchange import export_official
from tests.catalog.trees import mask
from tests.execution.folder_files import ANOMALYCLIP, SIZE, write_pictures
from tests.project import ROOT

NAMES = ("a.jpg", "a.png", "b/deep/c.bmp", "b/d.PNG", "e.webp")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pictures", NAMES)


def rows(out: Path) -> dict[str, float]:
    table, _ = from_bytes((out / "scores.parquet").read_bytes(), SCHEMA, "scores.parquet")
    return dict(zip(table["image"].to_pylist(), table["score"].to_pylist(), strict=True))


def straight(method: Method, path: Path, class_name: str) -> Scores:
    """One image, alone."""
    pixels = np.asarray(Image.open(path).resize((SIZE, SIZE), Image.Resampling.BICUBIC).convert("RGB"))
    features = method.clip.encode_image(torch.from_numpy(pixels.copy())[None], method.taps)
    return method.score(features, method.text_features(class_name))


def test_masks_are_not_scored(clip_detector: Detector, pictures: Path, tmp_path: Path) -> None:
    """Neither beside their images nor in a folder of their own."""
    for name in ("a_mask.png", "a_mask_1.png", "ground_truth/hole/c.png", "b/deep/gt_c.png", "mask_7.png"):
        mask(pictures / name)
    done = score_folder(FolderTask(pictures, tmp_path / "out", "bottle"), clip_detector)
    assert set(rows(tmp_path / "out")) == set(done.names) == set(NAMES)
    assert done.masks == (
        "a_mask.png",
        "a_mask_1.png",
        "b/deep/gt_c.png",
        "ground_truth/hole/c.png",
        "mask_7.png",
    )
    assert done.left_out == []
    mask(tmp_path / "x/gt/c.png")
    with pytest.raises(DataError, match=r"no image in it but masks, such as gt/c\.png"):
        score_folder(FolderTask(tmp_path / "x", tmp_path / "out", "bottle"), clip_detector)


def test_every_image_gets_the_score_and_map_that_it_has_alone(
    clip_detector: Detector, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = score_folder(FolderTask(pictures, out, "bottle", batch=2, maps=True), clip_detector)
    assert tuple(done.names) == tuple(sorted(NAMES))
    assert not done.left_out
    scores = rows(out)
    assert tuple(scores) == tuple(sorted(NAMES))
    for name, score in scores.items():
        expected = straight(clip_detector.method, pictures / name, "bottle")
        assert score == pytest.approx(float(expected.image), abs=1e-6)
        values = np.load(out / "maps" / f"{name}.npz")["map"]
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected.maps[0].numpy(), atol=1e-6)


def test_own_prompts_are_used_and_named_in_the_footer(
    tower: GivenTower, clip_detector: Detector, pictures: Path, tmp_path: Path
) -> None:
    prompts = tmp_path / "mine.yaml"
    prompts.write_text(
        'states: {normal: ["good {}"], abnormal: ["bad {}"]}\ntemplates: {single: ["one {}"]}',
        encoding="utf-8",
    )
    detector = open_detector("clip", None, tower=tower, settings={"layers": [6]}, prompts=prompts)
    score_folder(FolderTask(pictures, tmp_path / "out", "cup"), detector)
    embeddings = detector.method.clip.text.encode(["one good cup", "one bad cup"])
    torch.testing.assert_close(
        detector.method.text_features("cup"), torch.nn.functional.normalize(embeddings, dim=-1)
    )
    score_folder(FolderTask(pictures, tmp_path / "published", "cup"), clip_detector)
    assert rows(tmp_path / "out") != rows(tmp_path / "published")
    footer = pq.ParquetFile(tmp_path / "out" / "scores.parquet").schema_arrow.metadata
    facts = json.loads(footer[DETECTOR_KEY.encode()])
    assert facts["prompts"] == {"file": "mine.yaml", "sha256": file_digest(prompts)}


def test_the_file_has_the_declared_columns_and_says_what_made_it(
    clip_detector: Detector, pictures: Path, tmp_path: Path
) -> None:
    score_folder(FolderTask(pictures, tmp_path / "out", "bottle"), clip_detector)
    file = pq.ParquetFile(tmp_path / "out" / "scores.parquet")
    assert file.schema_arrow.names == ["image", "score"]
    facts = json.loads(file.metadata.metadata[DETECTOR_KEY.encode()])
    assert (facts["method"], facts["class_name"], facts["learnt"]) == ("clip", "bottle", None)
    assert facts["tower"]["activation"] == "quickgelu"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["scores.parquet"]


def test_same_images_give_the_same_bytes(clip_detector: Detector, pictures: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        score_folder(FolderTask(pictures, tmp_path / name, "bottle"), clip_detector)
    contents = [(tmp_path / name / "scores.parquet").read_bytes() for name in ("one", "two")]
    assert contents[0] == contents[1]


def test_bad_files_are_named_and_the_others_scored(
    clip_detector: Detector, pictures: Path, tmp_path: Path
) -> None:
    good = (pictures / "a.png").read_bytes()
    (pictures / "cut.png").write_bytes(good[: len(good) // 2])
    (pictures / "text.jpg").write_text("no image")
    (pictures / "empty.png").touch()
    (pictures / "notes.txt").write_text("not looked at")
    (pictures / "phone.HEIC").write_text("another kind of picture")
    (pictures / "away.png").symlink_to(tmp_path / "elsewhere.png")
    reported: list[Unreadable] = []
    task = FolderTask(pictures, tmp_path / "out", "bottle", batch=1)
    done = score_folder(task, clip_detector, reported.append)
    assert reported == done.left_out
    named = ["away.png", "cut.png", "empty.png", "phone.HEIC", "text.jpg"]
    assert sorted(file.name for file in reported) == named
    assert all(file.reason and not file.reason.startswith(file.name) for file in reported)
    assert set(rows(tmp_path / "out")) == set(NAMES)


def test_a_folder_of_nothing_but_bad_files_gives_an_empty_table(
    clip_detector: Detector, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").touch()
    done = score_folder(FolderTask(tmp_path / "in", tmp_path / "out", "bottle"), clip_detector)
    assert len(done.left_out) == 1
    assert rows(tmp_path / "out") == {}


def test_a_score_that_is_not_finite_is_left_out(
    clip_detector: Detector, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(features: Any, text: torch.Tensor) -> Scores:
        image = torch.tensor([0.5, torch.nan])
        return Scores(image, torch.zeros(2, SIZE, SIZE))

    for name in NAMES[2:]:
        (pictures / name).unlink()
    monkeypatch.setattr(clip_detector.method, "score", broken)
    done = score_folder(FolderTask(pictures, tmp_path / "out", "bottle"), clip_detector)
    assert rows(tmp_path / "out") == {"a.jpg": 0.5}
    assert [(file.name, file.reason) for file in done.left_out] == [("a.png", "its score is nan")]


def test_results_inside_the_folder_are_not_scored_again(clip_detector: Detector, pictures: Path) -> None:
    task = FolderTask(pictures, pictures / "results", "bottle", overlays=True)
    for _ in range(2):
        assert set(score_folder(task, clip_detector).names) == set(NAMES)


def twelve_bits(folder: Path, stored: int) -> None:
    """Two grey pictures of 12 bits, as 8 bits (`stored` 1), or as 12 bits in 16 (16)."""
    folder.mkdir()
    grey = np.arange(SIZE * SIZE).reshape(SIZE, SIZE) % 256
    for name, values in (("dark", grey // 4), ("light", grey)):
        kind = np.uint8 if stored == 1 else np.uint16
        Image.fromarray((values * stored).astype(kind)).save(folder / f"{name}.png")


def test_the_bit_depth_is_that_of_the_folder_or_as_stated(clip_detector: Detector, tmp_path: Path) -> None:
    """Alone, the dark picture would seem to have 10 bits."""
    twelve_bits(tmp_path / "plain", 1)
    twelve_bits(tmp_path / "wide", 16)
    plain = score_folder(FolderTask(tmp_path / "plain", tmp_path / "a", "cup"), clip_detector)
    found = score_folder(FolderTask(tmp_path / "wide", tmp_path / "b", "cup"), clip_detector)
    assert plain.depth_note == ""
    assert found.depth_note == "2 images of 16 bits, largest value 4080: read as 12 bits"
    task = FolderTask(tmp_path / "wide", tmp_path / "c", "cup", bit_depth=16)
    stated = score_folder(task, clip_detector)
    assert stated.depth_note == ""
    near, far = (np.abs(np.array(one.scores) - plain.scores).max() for one in (found, stated))
    assert near < far / 10  # 4080 is not quite white, and a sixteenth of it is black
    for out, depth in (("a", None), ("b", 12), ("c", 16)):
        metadata = pq.ParquetFile(tmp_path / out / "scores.parquet").schema_arrow.metadata
        assert json.loads(metadata[DETECTOR_KEY.encode()])["bit_depth"] == depth
    (tmp_path / "wide/broken.png").write_bytes(b"no image")
    assert [file.name for file in score_folder(task, clip_detector).left_out] == ["broken.png"]


def test_an_orientation_tag_is_counted_and_not_applied(clip_detector: Detector, tmp_path: Path) -> None:
    upright, turned = tmp_path / "in/a.png", tmp_path / "in/b.png"
    write_pictures(tmp_path / "in", ("a.png",))
    tag = Image.Exif()
    tag[274] = 6
    Image.open(upright).save(turned, exif=tag)
    done = score_folder(FolderTask(tmp_path / "in", tmp_path / "out", "cup"), clip_detector)
    assert done.turned == 1
    assert done.scores[0] == pytest.approx(done.scores[1], abs=1e-6)


def test_no_image_and_no_class_name_are_errors(
    clip_detector: Detector, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="in: no image in it"):
        score_folder(FolderTask(tmp_path / "in", tmp_path / "out", "bottle"), clip_detector)
    with pytest.raises(ParamsError, match="clip reads the class name"):
        score_folder(FolderTask(pictures, tmp_path / "out"), clip_detector)
    assert not (tmp_path / "out").exists()


def test_overlays_are_as_large_as_their_pictures_and_hottest_where_the_map_is(tmp_path: Path) -> None:
    values = np.zeros((SIZE, SIZE), dtype=np.float32)
    values[:10, 30:] = 0.001
    write_overlay(tmp_path / "a.png", Image.new("L", (400, 200), 128), values)
    overlay = Image.open(tmp_path / "a.png")
    pixels = np.asarray(overlay).astype(int)
    assert (overlay.width, overlay.height - 200) == (400, 20)
    hot, cold = pixels[1, -2], pixels[198, 1]
    assert hot[0] > cold[0]  # turbo ends in red
    assert (pixels[200:, 0, 2] > pixels[200:, -1, 2]).any()  # and begins in blue: the scale below
    assert (float(overlay.info["lowest"]), overlay.info["highest"][:5]) == (0, "0.001")
    write_overlay(tmp_path / "flat.png", Image.new("RGB", (9, 900)), np.ones_like(values))
    assert Image.open(tmp_path / "flat.png").width == 9


def test_overlays_are_named_by_the_picture(clip_detector: Detector, pictures: Path, tmp_path: Path) -> None:
    score_folder(FolderTask(pictures, tmp_path / "out", "bottle", overlays=True), clip_detector)
    for name in NAMES:
        overlay, picture = Image.open(tmp_path / "out/overlays" / f"{name}.png"), Image.open(pictures / name)
        assert overlay.width == picture.width
        assert overlay.height > picture.height


def test_chunks_are_read_in_order(pictures: Path) -> None:
    names, _, _ = list_images(pictures, pictures / "nowhere")
    batches = list(read_batches(pictures, [names[:2], names[2:4], names[4:]], SIZE))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert tuple(item.name for batch in batches for item in batch) == names
    assert list(read_batches(pictures, (), SIZE)) == []


def learnt(tower: GivenTower, **changes: Any) -> LearntMethod:
    detector = open_detector("clip", None, tower=tower, settings={"layers": [6]})
    method = methods.build("anomalyclip", ANOMALYCLIP | changes, detector.method.clip)
    assert isinstance(method, LearntMethod)
    method.reset(torch.Generator().manual_seed(4))
    return method


def test_our_checkpoint_and_its_official_twin_score_the_same(
    tower: GivenTower, pictures: Path, tmp_path: Path
) -> None:
    method = learnt(tower)
    save_checkpoint(tmp_path / "a.safetensors", method, {"auxiliary": "visa"})
    export_official(tmp_path / "a.pth", method)
    found = {}
    for name, settings in (("a.safetensors", {}), ("a.pth", {"dpam_start": 3})):
        detector = open_detector(None, None, checkpoint=tmp_path / name, tower=tower, settings=settings)
        assert detector.facts()["learnt"]["sha256"] == file_digest(tmp_path / name)
        score_folder(FolderTask(pictures, tmp_path / name[2:]), detector)
        found[name] = rows(tmp_path / name[2:])
    assert found["a.safetensors"] == found["a.pth"]
    alone = straight(method, pictures / "a.png", "")
    assert found["a.pth"]["a.png"] == pytest.approx(float(alone.image), abs=1e-6)


def test_settings_of_the_request_stand_above_those_of_the_checkpoint(
    tower: GivenTower, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path / "a.safetensors", learnt(tower, sigma=3.0), {})
    learnt_file = tmp_path / "a.safetensors"
    assert open_detector(None, None, checkpoint=learnt_file, tower=tower).method.settings.sigma == 3.0
    changed = open_detector(None, None, checkpoint=learnt_file, tower=tower, settings={"sigma": 1.0})
    assert changed.method.settings.sigma == 1.0


def test_what_does_not_fit_together_is_refused(tower: GivenTower, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.safetensors", learnt(tower), {})
    with pytest.raises(ParamsError, match="no method is named"):
        open_detector(None, None, tower=tower)
    with pytest.raises(ParamsError, match="coop is a learnt method: give its checkpoint"):
        open_detector("coop", None, tower=tower)
    with pytest.raises(WeightsError, match="was learnt by anomalyclip, not by vand"):
        open_detector("vand", None, checkpoint=tmp_path / "a.safetensors", tower=tower)
    with pytest.raises(ParamsError, match="musc is of the batch track"):
        open_detector("musc", None, tower=tower)
    with pytest.raises(ParamsError, match="needs the tower 'main'"):
        open_detector("clip", None)


@pytest.mark.parametrize(
    ("method", "position", "activation"),
    [("clip", "bilinear", "quickgelu"), ("winclip", "native", "gelu")],
)
def test_a_tower_by_hand_runs_under_the_rules_of_the_method(
    tower: GivenTower, method: str, position: str, activation: str
) -> None:
    settings = {} if method == "winclip" else {"layers": [6]}
    spec = open_detector(method, None, tower=tower, settings=settings).method.clip.spec
    assert (spec.position, spec.activation) == (position, activation)
    other = GivenTower(tower.model, tower.weights, SIZE, "bicubic", "quickgelu")
    spec = open_detector(method, None, tower=other, settings=settings).method.clip.spec
    assert (spec.position, spec.activation) == ("bicubic", "quickgelu")


def test_tower_and_settings_come_from_params(tower: GivenTower, monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    described = {"model": tower.model, "weights": tower.weights, "image_size": SIZE}
    values["towers"] = {"main": {**described, "position": "bilinear", "activation": "gelu"}}
    values["methods"] = {"clip": {"layers": [5], "sigma": 2.5}}
    detector = open_detector("clip", parse_params(values))
    assert detector.method.settings.model_dump() | {"layers": (5,), "sigma": 2.5} == (
        detector.method.settings.model_dump()
    )
    assert detector.method.clip.spec.activation == "gelu"
