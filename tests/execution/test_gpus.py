"""A group computes on the GPU that Ray gave its worker, also after workers died; GPUs are shared as asked.

Logical GPUs: Ray hands out their numbers, and no device is touched.
"""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from pipeline.execution.backends import open_backend
from pipeline.execution.cluster import Demand, local_ray
from pipeline.execution.retries import LostWorkerError
from pipeline.execution.worker import Workplace
from pipeline.params import ComputeParams
from tests.execution import faults
from tests.execution.test_retries import TASK


class Told(NamedTuple):
    """What `faults.TellsItsGpu` says of a group."""

    pid: int
    given: str
    used: str
    since: float
    until: float


@pytest.fixture(autouse=True)
def _faults_travel() -> Iterator[None]:
    from ray import cloudpickle

    import pipeline.execution  # noqa: F401 - sets Ray's environment before Ray is imported

    cloudpickle.register_pickle_by_value(faults)
    yield
    cloudpickle.unregister_pickle_by_value(faults)


KINDS = {4: "broken", 9: "deadly"}  # of ten groups; a broken one comes first


def told(
    compute: ComputeParams, groups: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Told], list[str]]:
    """What the groups of a run say that lived, and why the others lost their worker: every fifth."""
    from pipeline.execution.ray import RayBackend

    monkeypatch.setattr("pipeline.execution.ray.Worker", faults.TellsItsGpu)
    pause = random.Random(1)  # noqa: S311
    tasks = [
        replace(TASK, images=pause.randint(2, 50), class_name=KINDS.get(number % 10, "colon"))
        for number in range(groups)
    ]
    with local_ray(compute):
        backend: Any = RayBackend(compute, Workplace.here())

        def run(task: Any) -> Told | str:
            try:
                return Told(*backend.run(task, lambda _: None))
            except LostWorkerError as error:
                return str(error)

        with ThreadPoolExecutor(2 * compute.workers) as pool:
            answers = list(pool.map(run, tasks))
    lost = [answer for answer in answers if isinstance(answer, str)]
    return [answer for answer in answers if isinstance(answer, Told)], lost


def most_at_a_time(seen: list[Told]) -> int:
    """How many groups shared a GPU at the same moment, at most."""
    return max(
        sum(other.used == one.used and other.since <= one.since < other.until for other in seen)
        for one in seen
    )


@pytest.mark.ray
@pytest.mark.parametrize(
    ("gpus", "shared", "groups"),
    [
        (2, 1, 10),
        pytest.param(4, 1, 120, marks=pytest.mark.soak),
        pytest.param(2, 2, 60, marks=pytest.mark.soak),
    ],
)
def test_no_group_computes_on_another_gpu_than_ray_gave_it(
    gpus: int, shared: int, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = ComputeParams(backend="ray", gpus=gpus, workers_per_gpu=shared)
    seen, lost = told(compute, groups, monkeypatch)
    assert len(lost) == groups // 5
    broken = [reason.rpartition(" ")[2] for reason in lost if "answers no more" in reason]
    assert len(set(broken)) == len(broken) == groups // 10  # none of them took another group
    assert [one for one in seen if one.given != one.used] == []
    assert {one.used for one in seen} == {str(number) for number in range(gpus)}
    assert most_at_a_time(seen) == shared
    assert len({one.pid for one in seen}) <= gpus * shared + len(lost)  # with its towers


@pytest.mark.parametrize("shared", range(1, 65))
def test_as_many_workers_share_a_gpu_as_params_say(shared: int) -> None:
    demand = Demand.of(ComputeParams(backend="ray", gpus=1, workers_per_gpu=shared))
    assert 0.98 < demand.gpu_share * shared <= 1
    assert demand.fits({"Resources": {"CPU": 1000.0, "GPU": 2.0}}) == 2 * shared
    assert demand.fits({"Resources": {"CPU": 1.0, "GPU": 2.0}}) == 1


def test_serial_says_that_it_uses_one_gpu_of_several(capsys: pytest.CaptureFixture[str]) -> None:
    compute = ComputeParams(backend="serial", gpus=2)
    assert compute.workers == 1
    with open_backend(compute):
        assert "serial uses one of the 2 GPUs" in capsys.readouterr().err
