"""The flow `train`: the learnt methods of one auxiliary set, one after the other on the one device."""

from contextlib import suppress

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from pipeline.errors import TrainingError
from pipeline.execution.progress import progress
from pipeline.execution.train import Trainer, TrainJob, TrainOutcome
from pipeline.flows.stages import run_in_parent
from pipeline.params import Params
from pipeline.training import History


def _fit(job: TrainJob) -> History:
    # Closes over the job: Prefect would walk through and serialise whatever is passed as an argument.
    @task(name="fit", task_run_name=job.name, cache_policy=NO_CACHE)
    def fit() -> History:
        return job.run()

    return fit()


@flow(name="train", flow_run_name="train on {auxiliary}", validate_parameters=False)
def _train(params: Params, auxiliary: str) -> TrainOutcome:
    trainer = Trainer(params, auxiliary)
    with progress(f"train on {auxiliary}", len(trainer)) as steps:
        for job in trainer.jobs():
            with suppress(TrainingError):  # its task says so, and the outcome names it
                _fit(job)
            steps.step(job.name)
    return trainer.close()


def train(params: Params, auxiliary: str) -> TrainOutcome:
    """Tune every learnt method, variant and seed of `params` on `auxiliary` and write the weights."""
    return run_in_parent(_train, params=params, auxiliary=auxiliary)
