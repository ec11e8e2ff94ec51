"""What systems cost: operations against counts by hand, everything else on the tiny tower."""

import json
import time
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from pipeline import cost, methods
from pipeline.cells import System
from pipeline.cli import main
from pipeline.clip import load_clip
from pipeline.clip.architecture import build_model, read_config
from pipeline.errors import ParamsError
from pipeline.execution.systems import resolve_systems
from pipeline.execution.tasks import tower_spec
from pipeline.params import Params, parse_params
from pipeline.price import price
from pipeline.price.towers import flop
from pipeline.results.cost import Costs, read_costs
from tests.project import Project
from tests.test_params import composed

SYSTEMS = ("clip", "clip_ac", "anomalyclip")


@pytest.fixture(scope="module")
def paper() -> Params:
    return parse_params(composed("profile=paper", "variants=appendix"))


def gflop(params: Params, system: System) -> tuple[float, float]:
    """Of an image and of a class."""
    resolved = next(it for it in resolve_systems(params) if it.system == system)
    image, text = cost.operations(resolved, tower_spec(params, resolved.tower))
    return image / 1e9, text / 1e9


def test_operations_of_the_papers_tower(paper: Params) -> None:
    """ViT-L/14 at 518 px by hand, L = 1370 tokens, W = 1024.

    24 blocks of 24 L W² + 4 L² W: 1012 GFLOP; a further stream 19 times 4 L² W + 2 L W²: 201; the patches
    2 · 1369 · 3 · 14² · W: 1.6; projections 2 · 1369 · W · 768: 2.2.
    """
    length, width = 1370, 1024
    blocks = 24 * (24 * length * width**2 + 4 * length**2 * width) / 1e9
    stream = 19 * (4 * length**2 * width + 2 * length * width**2) / 1e9
    assert (round(blocks), round(stream)) == (1012, 201)
    found = {
        name: gflop(paper, System("anomalyclip", name))[0] for name in ("", "no_dpam", "four_attentions")
    }
    ends = 1.6 + 2.2
    assert found["no_dpam"] == pytest.approx(blocks + ends, rel=1e-3)
    assert found[""] == pytest.approx(blocks + stream + ends, rel=1e-3)
    assert found["four_attentions"] == pytest.approx(blocks + 3 * stream + ends + 3 * 2.2, rel=1e-3)
    assert gflop(paper, System("clip"))[0] == pytest.approx(blocks + ends, rel=1e-3)
    # VAND's four linear layers, 2 · 1369 · 1024 · 768 each, are its head.
    assert gflop(paper, System("vand"))[0] == pytest.approx(blocks + 1.6 + 4 * 2.2, rel=1e-3)


def test_operations_of_a_text_side(paper: Params) -> None:
    """12 blocks of 24 L W² + 4 L² W at W = 768, two prompts of 17 tokens: start, 12 learnt, words, end."""
    length, width = 17, 768
    by_hand = 2 * 12 * (24 * length * width**2 + 4 * length**2 * width) / 1e9
    assert gflop(paper, System("anomalyclip"))[1] == pytest.approx(by_hand, rel=0.01)


def test_operations_agree_with_the_arithmetic_of_the_price(paper: Params) -> None:
    """`price` adds up shapes; here torch counts what is called. Heads are less than 1 %."""
    systems = {it.system.name: it for it in resolve_systems(paper)}
    for resolved in (systems[name] for name in ("winclip", "anomalyclip", "anomalyclip[h14]")):
        spec = tower_spec(paper, resolved.tower)
        config = read_config(spec.model)
        state = build_model(config, spec.activation, device="meta").state_dict()
        clip = load_clip(spec, "meta", state)
        taps = methods.build(resolved.system.method, resolved.settings, clip).taps
        wanted = flop(config["vision_cfg"], config["embed_dim"], spec.image_size, taps)
        assert cost.operations(resolved, spec)[0] == pytest.approx(wanted, rel=0.01), resolved.system


def test_other_backbones_are_composed_and_planned(paper: Params) -> None:
    """H/14 by hand: 32 blocks of W = 1280 at L = 1370, V-V from block 8. B/16+ is WinCLIP's tower."""
    priced = price(paper)
    assert set(priced.towers) == {"main", "winclip", "vand", "h14"}
    assert priced.towers["h14"].images == priced.images
    length, width = 1370, 1280
    blocks = 32 * (24 * length * width**2 + 4 * length**2 * width)
    stream = 25 * (4 * length**2 * width + 2 * length * width**2)
    assert gflop(paper, System("anomalyclip", "h14"))[0] == pytest.approx((blocks + stream) / 1e9, rel=0.01)
    length, width = 226, 896
    blocks = 12 * (24 * length * width**2 + 4 * length**2 * width)
    stream = 10 * (4 * length**2 * width + 2 * length * width**2)
    found = gflop(paper, System("anomalyclip", "b16plus"))[0]
    assert found == pytest.approx((blocks + stream) / 1e9, rel=0.02)  # the patches are a hundredth here


@pytest.fixture
def clockwork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every timed piece of work takes a second."""
    ticks = count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))


def measured(small_params: dict[str, Any], **changes: Any) -> Costs:
    params = parse_params(small_params | changes)
    return cost.measure(params, device="cpu", rounds=1)


@pytest.mark.usefixtures("clockwork", "project")
def test_what_is_put_together(small_params: dict[str, Any]) -> None:
    """Two epochs in batches of 8; BTAD of the miniature has 28 images, four batches."""
    costs, batch = measured(small_params), small_params["compute"]["batch"]
    found, images = {it.method: it for it in costs.systems}, costs.images
    assert tuple(found) == SYSTEMS
    for it in found.values():
        assert (it.tower_ms, it.head_ms, it.text_ms) == (1000 / batch, 1000 / batch, 1000)
        assert it.memory_mib is not None
        assert it.memory_mib > it.frozen * 4 / 2**20
    ours = found["anomalyclip"]
    steps = 2 * -(-images // 8)
    assert ours.training_s == pytest.approx(images / batch + steps * 1 / 2)
    assert (found["clip"].training_s, found["clip"].learnt, found["clip"].epochs) == (None, 0, None)
    # two contexts of 12 vectors and 5 tensors of 4, each as wide as the text tower
    width = read_config(small_params["towers"]["main"]["model"])["text_cfg"]["width"]
    assert (ours.learnt, ours.epochs) == ((2 * 12 + 5 * 4) * width, 2)
    assert {it.frozen for it in found.values()} == {4_574_913}


@pytest.mark.usefixtures("project")
def test_real_times_are_positive_and_a_heavier_pass_counts_more(small_params: dict[str, Any]) -> None:
    small_params["variants"] = {"anomalyclip": {"deep": {"attention": ["qk", "qq", "kk", "vv"]}}}
    small_params["methods"] = {"anomalyclip": small_params["methods"]["anomalyclip"]}
    plain, deep = measured(small_params, seeds=[1, 2]).systems
    assert (plain.variant, deep.variant) == ("", "deep")
    assert min(plain.tower_ms, plain.head_ms, plain.text_ms or 0, plain.training_s or 0) > 0
    assert deep.image_gflop > plain.image_gflop
    assert deep.text_gflop == plain.text_gflop


@pytest.mark.usefixtures("project")
def test_a_method_without_a_text_side_has_no_cost_of_it(small_params: dict[str, Any]) -> None:
    small_params["methods"] = {"uniadet": {"layers": [8], "training": {"epochs": 1}}}
    (only,) = measured(small_params).systems
    assert (only.text_ms, only.text_gflop) == (None, None)
    assert only.image_gflop > 0


@pytest.mark.usefixtures("project")
def test_other_tracks_have_no_cost_of_an_image(small_params: dict[str, Any]) -> None:
    small_params["methods"] = {"musc": {"tower": "main", "layers": [8]}}
    with pytest.raises(ParamsError, match="name a method of the main track"):
        measured(small_params)


def test_without_a_gpu_that_is_said(small_params: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ParamsError, match=r"no CUDA device .* take `--device cpu`"):
        cost.measure(parse_params(small_params), device="cuda", rounds=1)


@pytest.mark.usefixtures("project")
def test_settings_that_cannot_be_used_are_named(small_params: dict[str, Any]) -> None:
    small_params["methods"]["clip"]["sigma"] = -1
    with pytest.raises(ParamsError, match=r"methods\.clip\.sigma"):
        measured(small_params)


def test_a_system_without_a_peak_has_none(
    project: Project, small_params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "_CLEAR", project.folder / "nowhere" / "clear_refs")
    small_params["methods"] = {"clip": small_params["methods"]["clip"]}
    (only,) = measured(small_params).systems
    assert only.memory_mib is None


def test_the_command_writes_cost_and_no_other_result(evaluated: Project) -> None:
    def others() -> dict[Path, bytes]:
        found = (it for it in Path("results").rglob("*") if it.is_file() and it.parent.name != "cost")
        return {path: path.read_bytes() for path in found}

    before = others()
    result = CliRunner().invoke(main, ["cost", "--rounds", "1"])
    assert result.exit_code == 0, result.output
    assert others() == before
    folder = Path("results/miniature/cost")
    assert result.stdout.split() == [
        str(folder / name)
        for name in (
            "cost.json",
            *(f"{table}{suffix}" for table in ("cost", "review8") for suffix in (".md", ".tex", ".html")),
            "cost.svg",
        )
    ]
    costs = read_costs(folder)
    assert costs is not None
    assert [it.system.method for it in costs.systems] == list(SYSTEMS)
    assert json.loads((folder / "cost.json").read_text())["machine"]["torch"] == version("torch")
    assert "MINIATURE PROFILE" in (folder / "cost.md").read_text()
