"""The price of a profile, against numbers that were worked out by hand; nothing of it is here."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.catalog import record
from pipeline.cli import main
from pipeline.cli.plan import _price_lines
from pipeline.flows.request import composed_params
from pipeline.params import Params
from pipeline.plan import Rates
from pipeline.price import Price, price
from tests.project import ROOT

SLOW = Rates(start=10.0, cell=1.0, image=10.0, score=0.1, pixels=0.2, finish=0.3, part=0.0, memory=2**30)


@pytest.fixture(scope="module")
def paper() -> Params:
    return composed_params("paper")


@pytest.fixture(scope="module")
def priced(paper: Params) -> Price:
    return price(paper)


def test_cells_and_images_are_those_of_the_records(priced: Price) -> None:
    """Images by hand: 14,695 industrial and 8,198 medical ones."""
    assert (len(priced.datasets), priced.subsets, priced.images) == (17, 69, 22_893)
    assert {name: tower.images for name, tower in priced.towers.items()} == {
        "main": 22_893,
        "vand": 22_893,
        "winclip": 22_893,
    }
    assert len(priced.groups) == 3 * 69
    medical = 379 + 612 + 1000 + 200 + 614  # those of the 9 that have masks
    assert priced.maps == 6 * (22_893 - 200 - 253 - 3000 - 1560) + 2 * medical
    # CLIP, CLIP-AC, CoOp, AnomalyCLIP, VAND and WinCLIP everywhere; two methods once more on 9 medical sets.
    assert priced.cells == 6 * 69 + 2 * 9


def test_operations_of_a_tower(priced: Price) -> None:
    """TFLOP of an image, by hand: 24 blocks of 24 L W² + 4 L² W at L = 1370, W = 1024 are 1.012.

    The V-V stream adds 19 times 4 L² W + 2 L W², 0.201; the patches and projections the rest. WinCLIP: own
    pass 0.054, windows of 2 x 2 and 3 x 3 0.227 and 0.392.
    """
    found = {name: round(tower.flop / 1e12, 3) for name, tower in priced.towers.items()}
    assert found == pytest.approx({"main": 1.219, "vand": 1.014, "winclip": 0.673}, abs=0.004)


def test_disk_and_memory(priced: Price) -> None:
    images, masks = 3 * (518**2 + 240**2), -(-(518**2) // 8) + 240**2 // 8
    without = 200 + 253 + 3000 + 1560  # HeadCT, BrainMRI, Br35H, COVID-19 have no masks
    assert priced.prepared == (22_893 + 380) * images + (22_893 + 380 - without) * masks
    # VisA has the most test images of the auxiliary sets, 2162: VAND's loss reads four taps of 1369 patches
    # of 1024 channels.
    assert priced.features == 2162 * 4 * 1369 * 1024 * 4
    # 428 million weights in float32, and eight images of about a tenth of a GiB.
    assert 1.6 * 2**30 + 8 * 0.05 * 2**30 < priced.gpu_memory < 1.6 * 2**30 + 8 * 0.25 * 2**30


def test_training_steps(priced: Price) -> None:
    """15 epochs of AnomalyCLIP on 1725, 2162 and 380 images in batches of 8; VAND and CoOp come on top."""
    ours = 15 * (216 + 271 + 48)
    assert priced.trainings == 3 + 2 + 3
    assert priced.steps > ours


def here(priced: Price, workers: int) -> float:
    """At slow rates; the groups are not cut."""
    groups = [
        SLOW.seconds(it.images, len(it.cells), masks=record(it.dataset).has_masks) for it in priced.groups
    ]
    return priced.here(dict.fromkeys(priced.towers, SLOW), groups, workers)


def test_hours_follow_from_rates(priced: Price) -> None:
    alone = here(priced, 1)
    pairs = sum(tower.tuned + 0.1 * tower.steps for tower in priced.towers.values())
    by_hand = 10 + 0.04 * priced.images + 10 * (3 * 22_893 + pairs)
    by_hand += priced.cells + 0.1 * sum(group.images * len(group.cells) for group in priced.groups)
    masked = [
        group for group in priced.groups if group.dataset not in {"headct", "brainmri", "br35h", "covid19"}
    ]
    by_hand += sum(0.3 * len(group.cells) + 0.2 * group.images * len(group.cells) for group in masked)
    assert alone == pytest.approx(by_hand)
    assert here(priced, 8) < alone


def test_an_estimate_is_operations_at_half_of_the_peak(priced: Price) -> None:
    """By hand: 34.8 + 29.1 + 15.4 PFLOP of the three towers at 33.5 TFLOP/s of an H100 are 2,368 s.

    Among them are the 1,035 mosaics of VAND's three epochs on the 1,725 images of MVTec AD.
    """
    by_hand = 2368 + 0.04 * 22_893 + 0.0002 * 112_890 + 0.116 * 432 + 0.02 * 19_558
    assert priced.estimates["H100 SXM 80 GB"] == pytest.approx(by_hand, rel=0.002)


def test_what_a_method_does_beside_the_tower_is_counted_apart(paper: Params, priced: Price) -> None:
    """AF-CLIP's adaptor is 141 GFLOP an image, a text of FAPrompt's 20; UniADet redraws half its images.

    Tuning takes three times as much an image and epoch: AF-CLIP has two epochs, FAPrompt 15.
    """
    methods = {**paper.methods, "af_clip": {}, "faprompt": {}, "uniadet": {}}
    wider = price(paper.model_copy(update={"methods": methods}))
    before, after = priced.towers["main"], wider.towers["main"]
    assert (before.own, before.tuning) == ({}, {})
    assert after.own == pytest.approx(
        {"af_clip": before.images * 140.9e9, "faprompt": before.images * 20.457e9}, rel=1e-3
    )
    tuned = 3 * (1725 + 2162)
    assert after.tuning == pytest.approx(
        {"af_clip": 2 * tuned * 140.9e9, "faprompt": 15 * tuned * 20.457e9}, rel=1e-3
    )
    printed = [line.strip() for line in _price_lines(wider) if "beside it" in line]
    assert "beside it faprompt: 0.468 PFLOP to evaluate, 3.58 to tune" in printed
    assert len(printed) == 2
    assert after.flop == pytest.approx(before.flop, rel=0.01)
    assert after.tuned - before.tuned == round(15 * 0.5 * (1725 + 2162))
    assert after.images == before.images


def test_texts_of_each_image_are_counted_apart(paper: Params, priced: Price) -> None:
    """Bayes-PFL's cost 152 GFLOP an image beside a tower of 1,014; its two stages draw every picture anew.

    By hand: 30 epochs less the pictures that are left as they are, (1 - 0.4) / 32 on MVTec AD and 1 / 32.
    """
    wider = price(paper.model_copy(update={"methods": {**paper.methods, "bayes_pfl": {}}}))
    before, after = priced.towers["vand"], wider.towers["vand"]
    assert after.own == {"bayes_pfl": pytest.approx(22_893 * 152.2e9, rel=1e-3)}
    of_loss = 6 / 60 * 133e9 + 4 * (2.15e9 + 1.44e9) + 0.7e9  # one draw, and one pair of it compared
    assert after.tuning == {"bayes_pfl": pytest.approx(3 * 30 * (1725 + 2162) * of_loss, rel=0.02)}
    assert after.flop == before.flop, "its taps are VAND's"
    redrawn = 30 * (1725 * (1 - 0.6 / 32) + 2162 * (1 - 1 / 32))
    assert after.tuned - before.tuned == pytest.approx(redrawn, abs=1)
    assert after.steps - before.steps == 30 * (54 + 68)


def test_the_batch_track_has_passes_and_features_of_its_own(paper: Params, priced: Price) -> None:
    """MuSc compares all pairs of images of a subset."""
    wider = price(paper.model_copy(update={"methods": {**paper.methods, "musc": {}}}))
    before, after = priced.towers["vand"], wider.towers["vand"]
    assert wider.towers["main"] == priced.towers["main"]
    assert after.images == 2 * before.images
    own = [group for group in wider.groups if group.track == "batch"]
    assert {it.kind for it in own} == {"vand, batch track"}
    assert [(it.dataset, it.subset) for it in own] == [
        (it.dataset, it.subset) for it in priced.groups if it.tower == "vand"
    ]
    pairs = sum(it.images * (it.images + 1) for it in own)  # each pair once, two operations a product
    assert after.own == {"musc": pytest.approx(12 * 37**4 * 1024 * pairs)}
    largest = max(it.images for it in own) * (4 * 37**2 * 1024 + 768) * 4
    assert wider.features == max(priced.features, largest)


def test_what_is_not_known_is_said(priced: Price) -> None:
    notes = "\n".join(priced.unknown)
    assert "dagm: 8050 images over 10 subsets whose own counts are not known" in notes
    assert "colon_auxiliary: counted 380 images" in notes
    assert "size of the archives of" in notes


def test_sets_that_nobody_has_counted_are_said_to_be_unknown(paper: Params) -> None:
    wider = paper.model_copy(update={"datasets": (*paper.datasets, "real_iad", "elpv")})
    notes = "\n".join(price(wider).unknown)
    assert "real_iad: counted 0 images, not known how many more there are" in notes
    assert "elpv" not in notes.partition("size of the archives")[0]


def test_plan_gives_the_price_of_a_profile_in_a_fresh_clone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline").symlink_to(ROOT / "pipeline")
    monkeypatch.setattr("pipeline.speed.rates", lambda tasks, **_: {task.tower.name: SLOW for task in tasks})
    result = CliRunner().invoke(main, ["plan", "--profile", "paper"])
    assert result.exit_code == 0, result.output
    assert "paper: 17 data sets, 69 subsets, 22,893 test images" in result.stdout
    assert "an estimate" in result.stdout
    assert "missing: mvtec, visa," in result.stdout
    assert "colon_auxiliary: `zsad download NAME`" in result.stdout
    plain = json.loads(CliRunner().invoke(main, ["plan", "--profile", "paper", "--json"]).stdout)
    assert plain["cells"] == 6 * 69 + 2 * 9
    assert plain["passes"] == 207
    assert set(plain["missing"]) >= {"mvtec", "dagm", "colon_auxiliary"}
    assert plain["seconds_here"] > 3600


def test_an_unknown_profile_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["plan", "--profile", "papr"])
    assert result.exit_code == 1
    assert "no profile 'papr': it has miniature, paper" in result.stderr
