"""Images that are both tuned on and evaluated: planted ones are found and named, and nothing else is."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image, ImageEnhance

from pipeline.cli import main
from pipeline.duplicates import NEAR, Overlap, overlaps
from pipeline.params import Params, parse_params
from tests.project import ROOT
from tests.test_params import composed

SAMPLES = ROOT / "samples"
BOTTLE = Path("mvtec/bottle/test/good/000.png")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One subset of each of MVTec AD and BTAD, and the polyps."""
    root = tmp_path / "data"
    shutil.copytree(SAMPLES / "mvtec/bottle", root / "mvtec/bottle")
    shutil.copytree(SAMPLES / "btad/BTech_Dataset_transformed/01", root / "btad/BTech_Dataset_transformed/01")
    for name in ("cvc_300", "colon_auxiliary", "cvc_clinicdb"):
        shutil.copytree(SAMPLES / name, root / name)
    return root


def params(data: Path, *datasets: str, **changes: object) -> Params:
    values = composed() | {
        "datasets": list(datasets),
        "auxiliaries": ["mvtec"],
        "auxiliary": ["mvtec"],
        "retuned": {},
        "data_root": str(data),
    }
    return parse_params(values | changes)


def one(params: Params, auxiliary: str, dataset: str) -> Overlap:
    (found,) = [it for it in overlaps(params) if (it.auxiliary, it.dataset) == (auxiliary, dataset)]
    return found


def test_nothing_is_reported_where_there_is_nothing(data: Path) -> None:
    found = list(overlaps(params(data, "mvtec", "btad", "cvc_300", "cvc_clinicdb")))
    assert [(it.auxiliary, it.dataset) for it in found] == [
        ("mvtec", "btad"), ("mvtec", "cvc_300"), ("mvtec", "cvc_clinicdb")
    ]  # fmt: skip
    assert [it for it in found if it.duplicates or it.cells] == []


def test_a_planted_file_is_found_and_the_cells_that_it_touches(data: Path) -> None:
    planted = data / "btad/BTech_Dataset_transformed/01/test/ok/0900.png"
    shutil.copy(data / BOTTLE, planted)
    found = one(params(data, "mvtec", "btad"), "mvtec", "btad")
    (twins,) = found.duplicates
    assert twins.image == "BTech_Dataset_transformed/01/test/ok/0900.png"
    assert (twins.place, twins.twin_place, twins.twin) == (
        "btad/01", "mvtec/bottle", "bottle/test/good/000.png"
    )  # fmt: skip
    assert twins.bits is None
    assert set(found.cells) == {
        f"{method} on btad/01, seed 111" for method in ("vand", "coop", "anomalyclip")
    }


def as_jpeg(image: Image.Image) -> Image.Image:
    sink = io.BytesIO()
    image.save(sink, "JPEG", quality=40)
    return Image.open(sink)


@pytest.mark.parametrize(
    "change",
    [
        as_jpeg,
        lambda image: image.resize((image.width * 3 // 4, image.height * 3 // 4)),
        lambda image: image.convert("L"),
        lambda image: ImageEnhance.Brightness(image).enhance(1.2),
        lambda image: as_jpeg(image.resize((image.width * 2, image.height * 2))),
    ],
)
def test_a_picture_that_was_saved_anew_is_near(
    data: Path, change: Callable[[Image.Image], Image.Image]
) -> None:
    with Image.open(data / BOTTLE) as image:
        change(image).save(data / "btad/BTech_Dataset_transformed/01/test/ok/0900.png")
    (twins,) = one(params(data, "mvtec", "btad"), "mvtec", "btad").duplicates
    assert twins.twin == "bottle/test/good/000.png"
    assert twins.bits is not None
    assert twins.bits <= NEAR


def test_pictures_of_one_colour_are_near_to_none(data: Path) -> None:
    for shade, home in ((90, "mvtec/bottle/test/good"), (120, "btad/BTech_Dataset_transformed/01/test/ok")):
        Image.new("RGB", (60, 60), (shade, 10, 10)).save(data / home / "0901.png")
    assert one(params(data, "mvtec", "btad"), "mvtec", "btad").duplicates == ()


def test_what_the_plan_refuses_anyway_touches_no_cell(data: Path) -> None:
    """A polyp of the auxiliary set among CVC-300: the record says that both are of one family."""
    shutil.copy(data / "colon_auxiliary/CVC-ColonDB/images/1.png", data / "cvc_300/CVC-300/images/999.png")
    shutil.copy(data / "colon_auxiliary/CVC-ColonDB/masks/1.png", data / "cvc_300/CVC-300/masks/999.png")
    medical = {"auxiliary": "colon_auxiliary", "methods": ["vand"], "datasets": ["cvc_300", "cvc_clinicdb"]}
    found = one(
        params(
            data,
            *("mvtec", "cvc_300", "cvc_clinicdb", "colon_auxiliary"),
            auxiliaries=["mvtec", "colon_auxiliary"],
            retuned={"medical": medical},
        ),
        "colon_auxiliary",
        "cvc_300",
    )
    assert [twins.image for twins in found.duplicates] == ["CVC-300/images/999.png"]
    assert found.cells == ()


def test_the_command_names_pairs_and_cells_and_fails(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    shutil.copy(data / BOTTLE, data / "btad/BTech_Dataset_transformed/01/test/ok/0900.png")
    path = tmp_path / "params.yaml"
    path.write_text(json.dumps(params(data, "mvtec", "btad").model_dump(mode="json")))
    command = ["--params", str(path), "datasets", "duplicates"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1
    assert "btad and mvtec, which is tuned on: 1 equal and 0 near images" in done.stdout
    assert "ok/0900.png and mvtec/bottle bottle/test/good/000.png" in done.stdout
    assert "anomalyclip on btad/01, seed 111" in done.stdout
    assert "1 pair of data sets compared, 1 share images" in done.stdout
    (plain,) = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)
    assert plain["duplicates"][0]["twin"] == "bottle/test/good/000.png"
    (data / "btad/BTech_Dataset_transformed/01/test/ok/0900.png").unlink()
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0
    assert done.stdout.endswith("1 pair of data sets compared, 0 share images\n")


def test_what_is_not_here_is_not_compared_and_said(data: Path, tmp_path: Path) -> None:
    shutil.rmtree(data / "cvc_300")
    path = tmp_path / "params.yaml"
    path.write_text(json.dumps(params(data, "mvtec", "btad", "cvc_300").model_dump(mode="json")))
    done = CliRunner().invoke(main, ["--params", str(path), "datasets", "duplicates"])
    assert "not looked at, for their files are not here: cvc_300" in done.stdout
    assert "1 pair of data sets compared, 0 share images" in done.stdout
