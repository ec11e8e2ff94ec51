"""`zsad download` as a user meets it; the records are replaced by ones whose hosts are on loopback."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline import catalog
from pipeline.catalog import DatasetRecord
from pipeline.cli import main
from pipeline.clip import weights
from tests.downloads.server import Server, serving
from tests.downloads.sets import http, published, record, zipped

ZIP = zipped()
SHA256 = hashlib.sha256(ZIP).hexdigest()
Run = Callable[..., Result]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        yield state


@pytest.fixture
def run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    hand = {"archive": "G.zip", "instructions": "fill in the form", "confirmed": True}
    records: dict[str, DatasetRecord] = {
        "widgets": record(http(server.put("/w.zip", ZIP), **published(ZIP))),
        "gadgets": record({"kind": "form", "url": "https://example.org", **hand}, name="gadgets"),
    }
    monkeypatch.setattr(catalog, "record", records.__getitem__)
    params = Path("params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(params, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def invoke(*args: Any) -> Result:
        return CliRunner().invoke(main, ["download", *map(str, args)])

    return invoke


def test_what_a_user_sees(run: Run, tmp_path: Path) -> None:
    result = run("widgets")
    assert result.exit_code == 0, result.output
    lines = result.stderr.splitlines()
    assert lines[0] == f"widgets: CC BY 4.0; {len(ZIP) / 1000:.1f} kB to fetch"
    assert lines[1].startswith(f"{len(ZIP) / 1000:.1f} kB to fetch where the size is known, about twice that")
    assert "widgets: placed at data-paper/widgets, 2 normal and 1 anomalous test images" in lines
    assert lines[-1] == "track with DVC: zsad download --track widgets"
    assert (tmp_path / "data-paper/widgets/widget/test/good/000.png").exists()
    assert list((tmp_path / "data-paper/.downloads").rglob("*.zip")) == []
    again = run("widgets", "--json")
    assert json.loads(again.stdout)[0]["status"] == "present"
    assert "track with" not in again.stderr


def test_one_failure_is_exit_code_1_and_one_message(run: Run) -> None:
    result = run("gadgets", "widgets", "--json", "--root", "elsewhere", "--keep-archives")
    assert result.exit_code == 1
    gadgets, widgets = json.loads(result.stdout)
    assert (gadgets["status"], widgets["status"]) == ("failed", "placed")
    assert widgets["counts"] == {"widget": [2, 1]}
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert errors == ["error: gadgets: a person has to fetch it"]
    assert "put it at elsewhere/.downloads/gadgets/G.zip" in result.stderr
    assert "1 of 2 data sets are not in elsewhere" in result.stderr
    assert len(list(Path("elsewhere/.downloads").rglob("widgets.zip"))) == 1


def test_the_same_name_twice_is_one_download(run: Run, server: Server) -> None:
    result = run("widgets", "widgets", "--json")
    assert len(json.loads(result.stdout)) == 1
    assert [path for path, _ in server.asked] == ["/w.zip"]


def test_dvc_is_not_given_what_it_would_delete(run: Run) -> None:
    Path("data.dvc").write_text("md5: 0\ndeps:\n- path: samples\nouts:\n- path: data\n", encoding="utf-8")
    result = run("widgets", "--root", "data")
    assert result.exit_code == 1
    assert "data: an import of data.dvc, which DVC writes anew; choose another --root" in result.stderr
    assert not Path("data").exists()
    Path("data.dvc").write_text("outs:\n- path: data\n", encoding="utf-8")
    last = run("widgets", "--root", "data").stderr.splitlines()[-1]
    assert last == "track with DVC: zsad download --track --root data widgets"


@pytest.fixture
def weights_at(server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Say where the weights of all tags are, and what is published of their digest."""

    def say(path: str, sha256: str) -> None:
        known = weights.Published(server.url + path, sha256, "")
        monkeypatch.setattr(weights, "published", lambda *_: known)

    tower = SimpleNamespace(model="ViT-L-14-336", weights="openai")
    towers = SimpleNamespace(towers={"main": tower, "vand": tower})
    monkeypatch.setattr("pipeline.flows.request.composed_params", lambda _: towers)
    return say


def test_weights_come_to_their_place_and_stay(
    run: Run, server: Server, weights_at: Callable[[str, str], None]
) -> None:
    server.put("/t.pt", ZIP, cuts=[len(ZIP) // 2])
    weights_at("/t.pt", SHA256)
    for _ in range(2):
        result = run("--weights")
        assert result.exit_code == 0, result.output
        assert "ViT-L-14-336, openai: pretrained/t.pt" in result.stderr
    assert Path("pretrained/t.pt").read_bytes() == ZIP
    assert len(server.asked) == 2  # the cut one and the rest of it
    assert sorted(path.name for path in Path("pretrained").iterdir()) == [".downloads", "t.pt"]
    assert not Path("data.digests.yaml").exists()


def test_weights_without_a_whole_published_digest_are_counted_at_first_use(
    run: Run, server: Server, weights_at: Callable[[str, str], None]
) -> None:
    server.put("/t.pt", ZIP)
    weights_at("/t.pt", SHA256[:8])
    assert run("--weights").exit_code == 0
    assert SHA256 in Path("data.digests.yaml").read_text(encoding="utf-8")
    Path("pretrained/t.pt").unlink()
    server.put("/t.pt", ZIP + b"more")
    result = run("--weights")
    assert result.exit_code == 1
    assert "but its publisher says" in result.stderr or "(first download) says" in result.stderr
    assert not Path("pretrained/t.pt").exists()


def test_a_wrong_file_of_weights_does_not_stay(
    run: Run, server: Server, weights_at: Callable[[str, str], None]
) -> None:
    server.put("/t.pt", ZIP + b"more")
    weights_at("/t.pt", SHA256)
    result = run("--weights")
    assert result.exit_code == 1
    assert f"says {SHA256}" in result.stderr
    assert "/t.pt elsewhere and put it at pretrained/t.pt" in result.stderr
    assert [path.name for path in Path("pretrained").rglob("*.pt")] == []
    assert run("--weights", "widgets").exit_code == 2


def test_the_table_of_open_clip_has_digests() -> None:
    openai = weights.published("ViT-L-14-336", "openai")
    assert openai.sha256 == "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02"
    assert openai.path == Path("pretrained/ViT-L-14-336px.pt")
    other = weights.published("ViT-B-16-plus-240", "laion400m_e31")
    assert (other.sha256, other.path.name) == (
        "8fb26589",
        "vit_b_16_plus_240-laion400m_e31-8fb26589.pt",
    )
