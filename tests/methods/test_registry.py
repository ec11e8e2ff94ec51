"""Finding methods by name, checking their settings, and adding one from outside."""

import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline import methods
from pipeline.errors import ParamsError, WeightsError
from pipeline.execution.tasks import code_digest
from pipeline.methods.base import LearntMethod
from tests.clip.towers import Tower

SIX = ("anomalyclip", "clip", "clip_ac", "coop", "vand", "winclip")
# The paper's defaults name blocks that the small towers lack.
FITTING: dict[str, dict[str, Any]] = {
    "clip": {"layers": [6]},
    "clip_ac": {"layers": [6]},
    "coop": {"layers": [6]},
    "anomalyclip": {"layers": [6], "dpam_start": 3, "deep_layers": 5},
    "vand": {"layers": [6]},
    "winclip": {},
}


def test_the_six_are_found_with_their_titles() -> None:
    assert set(SIX) <= set(methods.names())
    titles = [methods.get(name).title for name in SIX]
    assert titles == ["AnomalyCLIP", "CLIP", "CLIP-AC", "CoOp", "VAND", "WinCLIP"]
    assert [name for name in SIX if methods.get(name).learnt] == ["anomalyclip", "coop", "vand"]
    assert [name for name in SIX if not methods.get(name).class_aware] == ["anomalyclip"]


@pytest.mark.parametrize(
    ("wrong", "near"), [("wincli", "winclip"), ("anomaly_clip", "anomalyclip"), ("vant", "vand")]
)
def test_a_near_miss_is_helped(wrong: str, near: str) -> None:
    with pytest.raises(
        ParamsError, match=rf"unknown method '{wrong}'; did you mean '{near}'\? Known: .*anomalyclip, .*clip,"
    ):
        methods.get(wrong)


def test_a_far_miss_lists_what_is_there() -> None:
    with pytest.raises(ParamsError, match=r"unknown method 'xyz'\. Known: .*anomalyclip, .*clip"):
        methods.get("xyz")


def test_helper_modules_are_no_methods() -> None:
    with pytest.raises(ParamsError, match="unknown method 'base'"):
        methods.get("base")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("clip", {"sgima": 1}, r"methods\.clip\.sgima: Extra inputs"),
        ("clip", {"sigma": -1}, r"methods\.clip\.sigma: Input should be greater than or equal to 0"),
        ("clip", {"layers": [7]}, r"methods\.clip\.layers: 7 is no block; the image tower has 1 to 6"),
        (
            "clip",
            {"templates": "imagenet_80"},
            r"methods\.clip\.templates: 'imagenet_80' is not one of single",
        ),
        (
            "clip_ac",
            {"layers": [0]},
            r"methods\.clip_ac\.layers\.0: Input should be greater than or equal to 1$",
        ),
        (
            "clip",
            {"layers": [10**9]},
            r"methods\.clip\.layers\.0: Input should be less than or equal to 256$",
        ),
        ("coop", {"layers": []}, r"methods\.coop\.layers: Value error, at least one number is needed"),
        ("vand", {"layers": [6, 6]}, r"methods\.vand\.layers: Value error, a number stands there twice"),
        ("anomalyclip", {"deep_layers": 10**9}, r"deep_layers: Input should be less than or equal to 256"),
        ("anomalyclip", {"dpam_start": 10**9}, r"dpam_start: Input should be less than or equal to 256"),
        ("winclip", {"windows": [2, 2]}, r"windows: Value error, a number stands there twice, and would"),
        ("winclip", {"windows": [10**9]}, r"windows\.0: Input should be less than or equal to 512"),
        ("winclip", {"windows": []}, r"windows: Value error, at least one number is needed"),
        ("anomalyclip", {"n_ctx": 73}, r"methods\.anomalyclip\.n_ctx: 73 vectors do not fit, .* room for 72"),
        (
            "anomalyclip",
            {"dpam_start": 7},
            r"methods\.anomalyclip\.dpam_start: 7, but the image tower has 6 blocks",
        ),
        ("anomalyclip", {"layers": [2, 6]}, r"methods\.anomalyclip\.dpam_start: 3 lies behind block 2"),
        ("anomalyclip", {"deep_layers": 6}, r"methods\.anomalyclip\.deep_layers: 6, but only 5 text blocks"),
        ("anomalyclip", {"deep_tokens": 13}, r"methods\.anomalyclip\.deep_tokens: 13 tokens would overwrite"),
        ("anomalyclip", {"attention": "kq"}, r"methods\.anomalyclip\.attention\.0: Input should be 'qk'"),
        ("anomalyclip", {"attention": []}, r"attention: Value error, at least one number is needed"),
        ("anomalyclip", {"attention": ["vv", "vv"]}, r"attention: Value error, a number stands there twice"),
        ("anomalyclip", {"focal_weight": -1}, r"methods\.anomalyclip\.focal_weight: Input should be"),
        (
            "anomalyclip",
            {"prompts": "objects"},
            r"methods\.anomalyclip\.prompts: 'objects' is not one of object, ",
        ),
        (
            "anomalyclip",
            {"training": {"epochs": -1}},
            r"methods\.anomalyclip\.training\.epochs: Input should be",
        ),
        ("coop", {"n_ctx": 0}, r"methods\.coop\.n_ctx: Input should be greater"),
        ("coop", {"n_ctx": 76}, r"methods\.coop\.n_ctx: 76 vectors do not fit"),
        ("coop", {"n_ctx": 78}, r"methods\.coop\.n_ctx: Input should be less than or equal to 77"),
        ("clip", {"sigma": 1e9}, r"methods\.clip\.sigma: Input should be less than or equal to 256"),
        ("clip", {"sigma": float("nan")}, r"methods\.clip\.sigma: Input should be a finite number"),
        ("clip", {"sigma": True}, r"methods\.clip\.sigma: Value error, true is a truth value"),
        ("clip", {"layers": [True]}, r"methods\.clip\.layers: Value error, true is a truth value"),
        ("winclip", {"temperature": 1e-9}, r"methods\.winclip\.temperature: Input should be greater"),
        ("vand", {"temperature": 1e9}, r"methods\.vand\.temperature: Input should be less"),
        ("coop", {"training": {"lr": 1e9}}, r"methods\.coop\.training\.lr: Input should be less"),
        (
            "coop",
            {"training": {"warmup_lr": 0}},
            r"methods\.coop\.training\.warmup_lr: Input should be greater",
        ),
        ("anomalyclip", {"training": {"epochs": 10**9}}, r"training\.epochs: Input should be less"),
        ("anomalyclip", {"training": {"batch": True}}, r"training\.batch: Value error, true is a truth"),
        ("anomalyclip", {"local_weight": 1e9}, r"local_weight: Input should be less"),
        ("vand", {"layers": [24]}, r"methods\.vand\.layers: 24 is no block"),
        ("vand", {"templates": "x"}, r"methods\.vand\.templates: 'x' is not one of released_35"),
        ("winclip", {"windows": [7]}, r"methods\.winclip\.windows: 7 does not fit into 6 x 6 patches"),
    ],
)
def test_impossible_settings_name_their_key(
    tower: Tower, name: str, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        methods.build(name, FITTING[name] | values, tower.clip)


def test_settings_at_their_bounds(tower: Tower) -> None:
    """As many vectors as there is room for, all of them overwritten, no smoothing, any window that fits."""
    bounds: dict[str, dict[str, Any]] = {
        "anomalyclip": {"n_ctx": 72, "deep_tokens": 72, "sigma": 0},
        "coop": {"sigma": 0},
        "clip": {"sigma": 0},
        "winclip": {"windows": [1, 6]},
    }
    for name, values in bounds.items():
        methods.build(name, FITTING[name] | values, tower.clip).text_features("screw")


def test_every_bad_key_gets_a_line(tower: Tower) -> None:
    with pytest.raises(ParamsError) as caught:
        methods.build("clip", {"sigma": -1, "temperature": 0, "tower": 3}, tower.clip)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "methods.clip.tower",
        "methods.clip.temperature",
        "methods.clip.sigma",
    ]


def test_settings_survive_json() -> None:
    for name in SIX:
        method = methods.get(name)
        settings = method.parse(FITTING[name])
        assert method.parse(settings.model_dump(mode="json")) == settings


def test_learnt_weights_of_other_settings_are_refused(tower: Tower) -> None:
    one, other = (
        methods.build("anomalyclip", FITTING["anomalyclip"] | more, tower.clip) for more in ({}, {"n_ctx": 8})
    )
    assert isinstance(one, LearntMethod)
    assert isinstance(other, LearntMethod)
    with pytest.raises(
        WeightsError, match=r"learnt weight context is \(2, 12, 32\), these settings need \(2, 8, 32\)"
    ):
        other.load_state(one.state())
    with pytest.raises(WeightsError, match=r"learnt weight extra is \(1,\), these settings need missing"):
        one.load_state(one.state() | {"extra": next(iter(one.state().values())).flatten()[:1]})


def test_source_files_follow_the_method() -> None:
    files = {path.name for path in methods.source_files("clip_ac")}
    assert {"clip_ac.py", "clip_ac.yaml", "clip.py", "base.py", "readout.py"} <= files
    assert "vand.py" not in files
    assert "vand.yaml" not in files


PLUG_IN = """
import torch
from typing import ClassVar
from pipeline.clip import Global
from pipeline.methods.base import Method, MethodSettings, Scores


class Flat(Method):
    name: ClassVar[str] = "flat"
    title: ClassVar[str] = "Flat"
    class_aware = False
    Settings: ClassVar[type[MethodSettings]] = MethodSettings

    @property
    def taps(self):
        return frozenset([Global()])

    @torch.no_grad()
    def text_features(self, class_name):
        return torch.nn.functional.normalize(self.clip.text.encode(["a thing", "a broken thing"]), dim=-1)

    @torch.no_grad()
    def score(self, features, text):
        image = (features[Global()] @ text.T).softmax(-1)[:, 1]
        size = self.clip.spec.image_size
        return Scores(image, image.view(-1, 1, 1).expand(-1, size, size).contiguous())
"""


def install(folder: Path, name: str, target: str, *, package: str = "zsad-flat") -> None:
    """What pip leaves of a package that names one method."""
    info = folder / f"{package.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[{methods.GROUP}]\n{name} = {target}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, with the module of the plug-in."""
    package = tmp_path / "zsad_flat"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "flat.py").write_text(PLUG_IN)
    (package / "words.txt").write_text("a thing")
    monkeypatch.syspath_prepend(tmp_path)
    for module in [name for name in sys.modules if name.startswith("zsad_flat")]:
        monkeypatch.delitem(sys.modules, module)
    return tmp_path


def test_a_method_can_come_from_another_package(site: Path, tower: Tower) -> None:
    install(site, "flat", "zsad_flat.flat:Flat")
    assert "flat" in methods.names()
    assert "zsad_flat.flat" not in sys.modules
    assert methods.build("flat", {}, tower.clip).title == "Flat"
    with pytest.raises(ParamsError, match="did you mean 'flat'"):
        methods.get("flatt")


def test_every_file_of_its_package_is_part_of_the_key(site: Path) -> None:
    install(site, "flat", "zsad_flat.flat:Flat")
    assert {path.name for path in methods.source_files("flat")} >= {"flat.py", "words.txt", "base.py"}
    code_digest.cache_clear()
    before = code_digest("flat")
    (site / "zsad_flat/words.txt").write_text("another thing")
    code_digest.cache_clear()
    assert code_digest("flat") != before
    code_digest.cache_clear()


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("flatter", "zsad_flat.flat:Flat", "the class attribute `name` of .* must be 'flatter'"),
        ("flat", "zsad_flat.flat:torch", "is no subclass of pipeline.methods.base.Method"),
        ("flat", "zsad_flat.round:Flat", r"cannot be loaded \(ModuleNotFoundError: No module named"),
        ("flat", "zsad_flat.flat:Round", r"cannot be loaded \(AttributeError: .*'Round'"),
    ],
)
def test_a_broken_package_is_named(site: Path, name: str, target: str, message: str) -> None:
    install(site, name, target)
    with pytest.raises(ParamsError, match=rf"method '{name}' of zsad-flat 1\.2: .*{message}"):
        methods.get(name)


def test_two_packages_with_one_name_are_named(site: Path) -> None:
    install(site, "clip", "zsad_flat.flat:Flat")
    with pytest.raises(ParamsError, match="method 'clip' comes from zsad and zsad-flat"):
        methods.get("clip")
    assert methods.get("vand").title == "VAND"
