"""`zsad doctor` on a healthy project, and on one where each thing that it looks at is broken in turn."""

import hashlib
import json
import shutil
import socket
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.clip import weights
from pipeline.doctor import Finding
from pipeline.doctor.machine import environment, hardware, services
from pipeline.doctor.stored import stored_files
from pipeline.execution.store import CellStore
from pipeline.params import load_params
from tests.downloads.server import Server, serving
from tests.execution.running import evaluate
from tests.project import Project

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def problems(findings: Iterator[Finding]) -> list[str]:
    return [finding.text for finding in findings if finding.level == "problem"]


def flip(path: Path, place: float = 0.5) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 0x10
    path.write_bytes(content)


def test_stored_files_are_verified_and_each_damage_is_named(trained: Project) -> None:
    assert problems(stored_files(load_params(), repair=False)) == []

    weights = next(Path("weights/miniature/btad").glob("*.safetensors"))
    flip(weights, 0.9)
    index = Path("shards/miniature/headct/brain/index.parquet")
    index.write_bytes(index.read_bytes()[:-50])
    images = next(Path("shards/miniature/btad/02").glob("images-*.npy"))
    masks = next(Path("shards/miniature/endo").rglob("masks-*.npy"))
    flip(images)
    flip(masks)
    found = problems(stored_files(load_params(), repair=False))
    assert len(found) == 4
    assert f"{weights} is damaged" in found[0]
    assert "shards/miniature/btad/02: its content at 112 pixels is not what was prepared" in found[1]
    assert "shards/miniature/headct/brain: damaged" in found[2]
    assert "shards/miniature/endo/colon: its content" in found[3]


def test_an_unusable_subset_and_missing_data_are_problems(trained: Project) -> None:
    Path("shards/miniature/endo/manifest.json").unlink()
    Path("data/sdd").rename("data/moved")
    found = problems(stored_files(load_params(), repair=False))
    assert len(found) == 2
    assert "data/sdd is not here: it comes with `zsad download sdd`" in found[0]
    assert "shards/miniature/endo/manifest.json" in found[1]


def test_the_next_step_is_one_of_the_profile_that_is_looked_at(trained: Project) -> None:
    shutil.rmtree("shards/miniature/endo")
    shutil.rmtree("weights/miniature/btad")
    for profile, run in ((None, "dvc repro"), ("paper", "dvc exp run -S profile=paper")):
        said = [finding.text for finding in stored_files(load_params(), repair=False, profile=profile)]
        assert f"not prepared yet: `{run} prepare@endo`" in said
        assert f"none yet: `{run} train@btad` makes them" in said


def test_data_that_come_with_a_run_are_no_problem(trained: Project) -> None:
    Path("data").rename("moved")
    Path("data.dvc").write_text("md5: 0\ndeps:\n- path: samples\nouts:\n- path: data\n")
    findings = [it for it in stored_files(load_params(), repair=False) if it.name == "sdd"]
    assert [it.level for it in findings] == ["note", "ok"]
    assert findings[0].text == "data/sdd is not here: it comes with `dvc repro`"


@pytest.fixture
def tagged(trained: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The tower's weights are a tag whose file a server on loopback has."""
    with serving() as server:
        url = server.put(f"/{SHA256}/tiny.pt", CONTENT)
        monkeypatch.setattr(weights, "published", lambda *_: weights.Published(url, SHA256, ""))
        trained.set_param("towers.main.weights", "openai")
        yield server


def tower() -> Finding:
    return next(it for it in stored_files(load_params(), repair=False) if it.name == "tower main")


def test_weights_of_a_tag_can_be_fetched_or_must_be_brought(tagged: Server) -> None:
    found = tower()
    assert found.level == "note"
    assert found.text.startswith(
        "pretrained/tiny.pt is not here: `zsad download --weights` fetches it, 0.00 GB"
    )
    tagged.pages.clear()
    found = tower()
    assert found.level == "problem"
    assert "HTTP 404" in found.text
    assert f"bring the file (its SHA-256 begins with {SHA256}) to pretrained/tiny.pt" in found.text


def test_another_file_in_the_place_of_weights_is_refused(tagged: Server) -> None:
    Path("pretrained").mkdir()
    Path("pretrained/tiny.pt").write_bytes(b"another one")
    found = tower()
    assert found.level == "problem"
    assert f"published is {SHA256}; fetch it again" in found.text


def test_a_users_own_data_are_looked_at_too(trained: Project) -> None:
    trained.set_param("own", ["widgets"])
    findings = [it for it in stored_files(load_params(), repair=False) if it.name == "widgets"]
    assert [it.level for it in findings] == ["problem", "note"]
    assert "data-own/widgets is not here: it comes with `zsad datasets add FOLDER`" in findings[0].text
    assert "dvc repro prepare_own@widgets" in findings[1].text


def test_damaged_cells_are_found_and_repaired_and_made_again(evaluated: Project) -> None:
    before = evaluated.files("results")
    cells, damaged, leftovers = CellStore().audit()
    assert (damaged, leftovers) == ([], [])
    first, second, third = sorted(Path(".zsad/cells").rglob("*.parquet"))[:3]
    flip(first)
    second.write_bytes(second.read_bytes()[:-9])
    third.rename(third.with_name("ab" * 32 + ".parquet"))
    leftover = first.with_name(".x.parquet.0.tmp")
    leftover.write_bytes(b"half")
    (found,) = problems(stored_files(load_params(), repair=False))
    assert "3 cells damaged or of another version and 1 leftovers" in found
    assert "zsad doctor --repair" in found
    assert problems(stored_files(load_params(), repair=True)) == []
    assert CellStore().audit() == (cells - 3, [], [])
    assert evaluate().counts() == {"run": 3, "reused": cells - 3, "failed": 0}
    assert evaluated.files("results") == before


def test_a_damaged_result_file_is_a_problem(evaluated: Project) -> None:
    for kind in ("examples", "metrics", "scores"):
        victim = next(Path("results/miniature", kind).rglob("*.parquet"))
        whole = victim.read_bytes()
        victim.write_bytes(whole[:100])
        (found,) = problems(stored_files(load_params(), repair=False))
        assert str(victim) in found
        victim.write_bytes(whole)


def test_packages_are_compared_with_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lock = tmp_path / "requirements.lock"
    lines = (
        "numpy==1.0 \\",
        "    --hash=sha256:00",
        "no-such-thing==2",
        f"click=={version('click')}",
        "of-windows==3 ; sys_platform == 'win32' \\",
    )
    lock.write_text("\n".join(lines))
    (found,) = problems(environment())
    assert "numpy is " in found
    assert ", not ==1.0" in found
    assert "no-such-thing is missing" in found
    assert "click" not in found
    assert "of-windows" not in found


def test_without_a_lock_the_ranges_of_the_installed_package_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert problems(environment()) == []
    ranges = ["numpy>=99,<100", 'pytest==1 ; extra == "dev"']
    monkeypatch.setattr("pipeline.doctor.machine.metadata.requires", lambda _: ranges)
    (found,) = problems(environment())
    assert "1 of 1 packages" in found
    assert ", not <100,>=99" in found


def test_a_gpu_that_is_not_there_is_a_problem(trained: Project) -> None:
    compute = load_params().compute
    assert problems(hardware(compute)) == []
    import torch

    wanted = torch.cuda.device_count() + 1
    (found,) = problems(hardware(compute.model_copy(update={"gpus": wanted})))
    assert f"compute.gpus is {wanted}" in found


def test_services_that_are_named_must_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    assert problems(services()) == []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{port}/api")
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        assert problems(services()) == []
    both = problems(services())
    assert [text.partition("=")[0].rsplit(" ")[-1] for text in both] == ["RAY_ADDRESS", "PREFECT_API_URL"]
    monkeypatch.setenv("RAY_ADDRESS", "head")
    assert "names no host and port" in problems(services())[0]


def test_the_command_says_it_all_in_json_and_by_exit_code(trained: Project) -> None:
    weights = next(Path("weights/miniature/sdd").glob("*.safetensors"))
    flip(weights, 0.9)
    done = CliRunner().invoke(main, ["doctor", "--json"])
    assert done.exit_code == 1, done.output
    found = [item for item in json.loads(done.stdout) if item["level"] == "problem"]
    assert [item["name"] for item in found] == ["tuned on sdd"]
    assert set(found[0]) == {"area", "name", "level", "text"}
