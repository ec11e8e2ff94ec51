"""One learnt method on one auxiliary set: descent on its features, with mosaics where it asks for them."""

from pipeline.methods.base import LearntMethod
from pipeline.training.auxiliary import AuxiliarySet
from pipeline.training.features import FeatureCache
from pipeline.training.fit import History, Progress, fit
from pipeline.training.mosaics import Mosaics


def train(
    method: LearntMethod,
    auxiliary: AuxiliarySet,
    cache: FeatureCache,
    *,
    seed: int,
    progress: Progress | None = None,
) -> History:
    """Tune `method` in place; its scores are those of its saved and loaded checkpoint.

    Args:
        method: On the tower that made `cache`.
        auxiliary: The images, at the tower's resolution.
        cache: Their features, with at least the method's taps.
        seed: Of everything drawn.
        progress: Called with epochs done and epochs in all.
    """
    share = method.settings.training_on(auxiliary.name).mosaic
    augment = Mosaics(method.clip, auxiliary, share) if share else None
    return fit(method, cache, auxiliary=auxiliary.name, seed=seed, augment=augment, progress=progress)
