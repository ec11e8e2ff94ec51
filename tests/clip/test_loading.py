"""Weights in every format that is out there, and what is said about those that cannot be used."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from pipeline.clip import Global, Local, Tap, TowerSpec, load_clip
from pipeline.clip.architecture import build_model, import_open_clip, read_config
from pipeline.clip.spec import Precision
from pipeline.clip.vision import VisionTower
from pipeline.clip.weights import fetched_weights
from pipeline.errors import ParamsError, WeightsError

from .towers import SMALL, make_tower, random_images, random_state

STATE = random_state(SMALL)


class _Archive(torch.nn.Module):
    """OpenAI's archives are scripted modules that carry three numbers beside the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.input_resolution = torch.nn.Buffer(torch.tensor(40))
        self.context_length = torch.nn.Buffer(torch.tensor(77))
        self.vocab_size = torch.nn.Buffer(torch.tensor(49408))

    def forward(self, x: Tensor) -> Tensor:
        return x


def scripted(path: Path) -> None:
    root = _Archive()
    for name, value in STATE.items():
        holder: torch.nn.Module = root
        *parents, last = name.split(".")
        for parent in parents:
            if parent not in dict(holder.named_children()):
                holder.add_module(parent, torch.nn.Module())
            holder = holder.get_submodule(parent)
        holder.register_parameter(last, torch.nn.Parameter(value, requires_grad=False))
    torch.jit.save(torch.jit.script(root), str(path))


def spec(folder: Path, weights: str) -> TowerSpec:
    config = folder / "config.json"
    config.write_text(json.dumps(SMALL.config()))
    return TowerSpec("main", str(config), str(folder / weights), 40, "bilinear", "quickgelu")


WRITERS: dict[str, Any] = {
    "model.safetensors": lambda path: save_file(STATE, path),
    "state.pt": lambda path: torch.save(STATE, path),
    "training.pth": lambda path: torch.save(
        {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in STATE.items()}}, path
    ),
    "openai.pt": scripted,
}


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_tower(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    loaded, given = load_clip(spec(tmp_path, name)), load_clip(spec(tmp_path, name), state_dict=STATE)
    images = random_images(1, 40)
    taps = frozenset([Global()])
    assert torch.equal(
        loaded.encode_image(images, taps)[Global()], given.encode_image(images, taps)[Global()]
    )
    assert loaded.digest == given.digest


def test_half_precision_files_are_cast_up(tmp_path: Path) -> None:
    save_file({name: value.half() for name, value in STATE.items()}, tmp_path / "half.safetensors")
    clip = load_clip(spec(tmp_path, "half.safetensors"))
    features = clip.encode_image(random_images(1, 40), frozenset([Global()]))[Global()]
    assert features.dtype == torch.float32
    assert clip.text.encode(["object"]).dtype == torch.float32


def test_digest_names_weights_and_rules_but_no_path(tmp_path: Path) -> None:
    base = spec(tmp_path, "model.safetensors")
    digest = load_clip(base, state_dict=STATE).digest
    renamed = TowerSpec("other", base.model, "elsewhere.pt", 40, "bilinear", "quickgelu")
    assert load_clip(renamed, state_dict=STATE).digest == digest
    changed = dict(STATE) | {"visual.proj": STATE["visual.proj"] + 1e-3}
    others = [
        load_clip(base, state_dict=changed).digest,
        load_clip(TowerSpec("main", base.model, "x.pt", 40, "bilinear", "gelu"), state_dict=STATE).digest,
        load_clip(
            TowerSpec("main", base.model, "x.pt", 48, "bilinear", "quickgelu"), state_dict=STATE
        ).digest,
    ]
    assert len({digest, *others}) == 4


@pytest.mark.parametrize(("precision", "distance"), [("bfloat16", 3e-2), ("float16", 4e-3)])
def test_lower_precision_is_near_and_has_a_digest_of_its_own(
    tmp_path: Path, precision: Precision, distance: float
) -> None:
    tower = make_tower(tmp_path)
    lower = load_clip(replace(tower.clip.spec, precision=precision), state_dict=tower.state)
    images = random_images(2, tower.size)
    taps: frozenset[Tap] = frozenset([Global(), Local("qk", 6), Local("vv", 6, 3)])
    exact, near = tower.clip.encode_image(images, taps), lower.encode_image(images, taps)
    for tap in taps:
        assert near[tap].dtype == torch.float32
        apart = torch.linalg.norm(near[tap] - exact[tap]) / torch.linalg.norm(exact[tap])
        assert 0 < apart < distance
    assert torch.equal(lower.text.encode(["a photo"]), tower.clip.text.encode(["a photo"]))
    assert lower.digest != tower.clip.digest


def test_tf32_holds_during_a_pass_and_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tower, products = make_tower(tmp_path), torch.backends.cuda.matmul
    tf32 = load_clip(replace(tower.clip.spec, precision="tf32"), state_dict=tower.state)
    images, taps = random_images(2, tower.size), frozenset([Global()])
    seen: list[bool] = []
    read = VisionTower.read

    def noted(self: VisionTower, images: torch.Tensor, taps: Any) -> Any:
        seen.append(products.allow_tf32)
        return read(self, images, taps)

    monkeypatch.setattr(VisionTower, "read", noted)
    before = products.allow_tf32
    passes = [clip.encode_image(images, taps)[Global()] for clip in (tower.clip, tf32)]
    assert seen == [before, True]
    assert products.allow_tf32 == before
    assert torch.equal(*passes)  # a CPU has no TF32
    assert tf32.digest != tower.clip.digest


def test_loading_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    load_clip(spec(tmp_path, "unused.pt"), state_dict=STATE)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.safetensors does not exist"):
        load_clip(spec(tmp_path, "gone.safetensors"))


@pytest.mark.parametrize("name", ["cut.safetensors", "cut.pt"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    writer = WRITERS["model.safetensors" if name.endswith("safetensors") else "state.pt"]
    writer(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=name.replace(".", r"\.")):
        load_clip(spec(tmp_path, name))


def test_a_file_of_another_model_names_the_first_difference(tmp_path: Path) -> None:
    partial = {name: value for name, value in STATE.items() if name != "visual.proj"}
    save_file(partial, tmp_path / "partial.safetensors")
    with pytest.raises(
        WeightsError, match=r"visual\.proj is missing, expected \(32, 24\) \(1 weights differ\)"
    ):
        load_clip(spec(tmp_path, "partial.safetensors"))
    with pytest.raises(WeightsError, match=r"ln_final\.bias is \(3,\), expected \(32,\)"):
        load_clip(spec(tmp_path, "x.pt"), state_dict=STATE | {"ln_final.bias": torch.zeros(3)})


class _Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("run from a weights file",)


def test_a_pickle_with_code_is_refused_and_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": _Payload()}, tmp_path / "hostile.pt")
    with pytest.raises(WeightsError, match=r"hostile\.pt .*more than tensors"):
        load_clip(spec(tmp_path, "hostile.pt"))
    assert "run from" not in capsys.readouterr().out


def test_something_that_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(WeightsError, match=r"list\.pt holds no state dict"):
        load_clip(spec(tmp_path, "list.pt"))


def test_unknown_models_and_tags_are_named(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="model 'ViT-Z' is neither known"):
        read_config("ViT-Z")
    with pytest.raises(ParamsError, match=r"none\.json is no file"):
        read_config(str(tmp_path / "none.json"))
    with pytest.raises(WeightsError, match="weights 'nobody': neither a weights file nor a tag"):
        load_clip(TowerSpec("main", "ViT-L-14-336", "nobody", 518, "bilinear", "quickgelu"))


def test_without_a_network_weights_that_only_the_hub_has_get_a_path_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(import_open_clip().pretrained, "download_pretrained", broken)
    with pytest.raises(WeightsError, match=r"bring a file of laion/CLIP-ViT-H-14.* under `weights` of the"):
        fetched_weights("ViT-H-14", "laion2b_s32b_b79k")
    with pytest.raises(WeightsError, match=r"or put the file at pretrained/ViT-L-14-336px\.pt$"):
        fetched_weights("ViT-L-14-336", "openai")


def test_a_config_in_a_published_models_wrapping_is_unwrapped(tmp_path: Path) -> None:
    (tmp_path / "wrapped.json").write_text(json.dumps({"model_cfg": SMALL.config(), "preprocess_cfg": {}}))
    assert read_config(str(tmp_path / "wrapped.json")) == SMALL.config()


def test_configs_beyond_plain_clip_are_refused(tmp_path: Path) -> None:
    config = SMALL.config()
    config["vision_cfg"]["attentional_pool"] = True
    (tmp_path / "pool.json").write_text(json.dumps(config))
    with pytest.raises(ParamsError, match=r"vision_cfg\.attentional_pool is not plain CLIP"):
        read_config(str(tmp_path / "pool.json"))
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ParamsError, match=r"broken\.json is not JSON"):
        read_config(str(tmp_path / "broken.json"))
    (tmp_path / "partial.json").write_text(json.dumps(SMALL.config() | {"embed_dim": None}))
    with pytest.raises(ParamsError, match=r"partial\.json: embed_dim is missing"):
        read_config(str(tmp_path / "partial.json"))


@pytest.mark.parametrize("name", ["ViT-L-14-336", "ViT-B-16-plus-240", "ViT-H-14"])
def test_the_papers_models_are_plain(name: str) -> None:
    model = build_model(read_config(name), "quickgelu", device="meta")
    if name == "ViT-L-14-336":
        assert len(model.state_dict()) == 446
        assert sum(value.numel() for value in model.state_dict().values()) == 427_944_193


def test_specs_check_their_values() -> None:
    with pytest.raises(
        ParamsError, match=r"towers\.main\.position: 'cubic' is not one of bilinear, bicubic, native"
    ):
        TowerSpec("main", "m", "w", 518, "cubic", "gelu")  # type: ignore[arg-type]
    with pytest.raises(ParamsError, match=r"towers\.main\.activation: 'relu'"):
        TowerSpec("main", "m", "w", 518, "bicubic", "relu")  # type: ignore[arg-type]
    with pytest.raises(ParamsError, match=r"towers\.main\.image_size"):
        TowerSpec("main", "m", "w", 0, "bicubic", "gelu")


def test_spec_and_taps_import_without_torch() -> None:
    use = "import sys, pipeline.clip, pipeline.methods; pipeline.methods.names()"
    code = f"{use}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_else_imports_open_clip_or_torchvision() -> None:
    package = Path(build_model.__code__.co_filename).parents[1]
    for path in package.rglob("*.py"):
        if path.parent.name == "clip":
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                assert words[1].split(".")[0] not in {"open_clip", "torchvision", "timm"}, f"{path}: {line}"
