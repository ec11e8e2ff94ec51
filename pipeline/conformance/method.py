"""The contract of `pipeline.methods.base.Method`, checked on the tiny CLIP that ships with this package.

Every check takes a method that was just built; a learnt one was reset with a seed. Whether its numbers are
good is no question here.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from pipeline import methods
from pipeline.clip import Clip, Features, TowerSpec, load_clip
from pipeline.conformance.failures import require, run_checks
from pipeline.methods.base import LearntMethod, Method, Scores
from pipeline.methods.batch import BatchMethod
from pipeline.methods.few_shot import FewShotMethod
from pipeline.training import AuxiliarySet, FeatureCache, collect_features, fit

_SIZE: Final = 56  # px, 7 patches a side; small, so that a suite takes a second
_BATCH: Final = 3
_SUBSET: Final = 7  # images of the batch track
_REFERENCES: Final = 2  # of the few-shot track; no image of `_images` is among them
_TOLERANCE: Final = 5e-6  # float32 sums in another order
_CLASS, _OTHER_CLASS = "gear", "star"  # words that the tiny CLIP knows


@cache
def _clip() -> Clip:
    folder = files("pipeline.miniature.tiny_clip")
    model, weights = (str(folder / name) for name in ("config.json", "model.safetensors"))
    return load_clip(TowerSpec("main", model, weights, _SIZE, "bilinear", "quickgelu"))


def build_method(name: str, settings: Mapping[str, Any] | None = None) -> Method:
    """The method `name` on the tiny CLIP: 8 image blocks, 6 text blocks.

    Args:
        name: of a shipped method, or of an entry point in `zsad.methods`.
        settings: as under `methods.<name>` in params.yaml.

    Raises:
        ParamsError: no such method, or a setting that this tower cannot serve.
    """
    method = methods.build(name, settings or {}, _clip())
    if isinstance(method, LearntMethod):
        method.reset(torch.Generator().manual_seed(1))
    return method


def check_method(name: str, settings: Mapping[str, Any] | None = None) -> None:
    """Make all `METHOD_CHECKS`; arguments as of `build_method`.

    Raises:
        ConformanceError: one line a failed check.
        ParamsError: see `build_method`.
    """
    run_checks(METHOD_CHECKS, lambda: build_method(name, settings), name)


def _images(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 7, 7, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(_SIZE, _SIZE), mode="bilinear")
    return (smooth * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _count(method: Method, images: int) -> int:
    """So many images, or as many as a subset of the batch track has here."""
    return _SUBSET if isinstance(method, BatchMethod) else images


def _cache(method: LearntMethod) -> FeatureCache:
    """A tiny auxiliary set, its last image anomalous in a corner."""
    masks = np.zeros((_BATCH, _SIZE, _SIZE), np.uint8)
    masks[-1, : _SIZE // 2, : _SIZE // 2] = 1
    labels = np.array([0] * (_BATCH - 1) + [1])
    auxiliary = AuxiliarySet("mvtec", _images(_BATCH).numpy(), masks, labels, [_CLASS] * _BATCH)
    return collect_features(method.clip, auxiliary, method.loss_taps)


def _side(method: Method, references: Tensor | None = None) -> Any:
    """What `score` takes as its text; of the few-shot track with a memory of `references`."""
    text = method.text_features(_CLASS)
    if not isinstance(method, FewShotMethod):
        return text
    return method.beside(_images(_SUBSET + _REFERENCES)[_SUBSET:] if references is None else references, text)


def _scored(method: Method, images: Tensor, side: Any = None) -> Scores:
    features = method.clip.encode_image(images, method.taps)
    return method.score(features, _side(method) if side is None else side)


def _close(one: Scores, other: Scores) -> bool:
    pairs = ((one.image, other.image), (one.maps, other.maps))
    return all(torch.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE) for a, b in pairs)


def has_name_title_and_docstring(method: Method) -> None:
    """The class is known under its name, and says what it is."""
    kind = type(method)
    require(kind.name in methods.names(), f"{kind.name!r} is no known method")
    require(bool(kind.title), "the class attribute `title` is empty; messages print it")
    require(bool(inspect.getdoc(kind)), "the class has no docstring")
    require(kind.learnt == isinstance(method, LearntMethod), "`learnt` is for subclasses of LearntMethod")


def text_side_is_pairs_of_unit_rows(method: Method) -> None:
    """Row 0 of a pair is normal, row 1 abnormal, both of length 1; other widths are the method's own."""
    text, width = method.text_features(_CLASS), method.clip.embed_dim
    if text is None:
        return
    require(text.dtype == torch.float32, f"text_features: {text.dtype}, not float32")
    require(bool(text.isfinite().all()), "text_features: a value is not finite")
    if text.shape[-1] != width:
        return
    paired = text.dim() > 1 and text.shape[-2] == 2
    require(paired, f"text_features: shape {tuple(text.shape)}, not (..., 2, {width})")
    lengths = text.norm(dim=-1)
    unit = torch.allclose(lengths, torch.ones_like(lengths), atol=1e-5)
    require(unit, f"text_features: lengths {lengths.tolist()}")


def scores_are_finite_float32(method: Method) -> None:
    """Image scores (B,) and maps (B, S, S), float32 and finite."""
    count = _count(method, _BATCH)
    scores = _scored(method, _images(count))
    for name, values, shape in (
        ("image", scores.image, (count,)),
        ("maps", scores.maps, (count, _SIZE, _SIZE)),
    ):
        require(tuple(values.shape) == shape, f"score: {name} of shape {tuple(values.shape)}, not {shape}")
        require(values.dtype == torch.float32, f"score: {name} is {values.dtype}, not float32")
        require(bool(values.isfinite().all()), f"score: {name} has a value that is not finite")


def batch_does_not_matter(method: Method) -> None:
    """An image scores alone as among others; of the batch track, a subset in small pieces as in one."""
    if isinstance(method, BatchMethod):
        _pieces_do_not_matter(method)
        return
    images = _images(_BATCH)
    many = _scored(method, images)
    for row in range(_BATCH):
        here = slice(row, row + 1)
        same = _close(_scored(method, images[here]), Scores(many.image[here], many.maps[here]))
        require(same, f"score: image {row} of a batch of {_BATCH} has another score when it is alone")


def _pieces_do_not_matter(method: BatchMethod) -> None:
    features = method.clip.encode_image(_images(_SUBSET), method.taps)
    text = method.text_features(_CLASS)
    whole, pieces = method.score(features, text), list(method.score_subset(features, text, _BATCH))
    sizes = [len(it.image) for it in pieces]
    wanted = [_BATCH, _BATCH, _SUBSET - 2 * _BATCH]
    require(sizes == wanted, f"score_subset: pieces of {sizes} images, not of {wanted}")
    joined = Scores(torch.cat([it.image for it in pieces]), torch.cat([it.maps for it in pieces]))
    require(_close(joined, whole), "score_subset: other scores in pieces than at once")


def order_does_not_matter(method: Method) -> None:
    """Images in another order have the same scores."""
    images = _images(_count(method, _BATCH))
    forwards, backwards = _scored(method, images), _scored(method, images.flip(0))
    same = _close(Scores(backwards.image.flip(0), backwards.maps.flip(0)), forwards)
    require(same, "score: images in reverse order have other scores")


def scoring_leaves_no_trace(method: Method) -> None:
    """No gradient, the features as they were, and the same scores a second time."""
    features = method.clip.encode_image(_images(_count(method, 2)), method.taps)
    before = {tap: value.clone() for tap, value in features.items()}
    with torch.enable_grad():
        text, side = method.text_features(_CLASS), _side(method)
        first, second = method.score(features, side), method.score(features, side)
    sides = {} if text is None else {"text_features": text}
    for name, value in {**sides, "image": first.image, "maps": first.maps}.items():
        require(not value.requires_grad, f"{name} has a gradient; decorate with torch.no_grad()")
    require(torch.equal(first.maps, second.maps), "score: other maps the second time")
    kept = all(torch.equal(value, before[tap]) for tap, value in features.items())
    require(kept, "score: the features given to it were changed in place")


def global_randomness_is_untouched(method: Method) -> None:
    """Only the generator given to `reset` is drawn from."""
    before = torch.random.get_rng_state()
    _scored(method, _images(_count(method, 1)))
    if isinstance(method, LearntMethod):
        method.reset(torch.Generator().manual_seed(3))
    require(torch.equal(before, torch.random.get_rng_state()), "torch's global random state was drawn from")


def class_aware_tells_the_truth(method: Method) -> None:
    """Text sides of two classes differ exactly where `class_aware` says so."""
    one, other = (method.text_features(name) for name in (_CLASS, _OTHER_CLASS))
    differs = one is not None and other is not None and not torch.equal(one, other)
    said = f"class_aware is {method.class_aware}"
    does = "differ" if differs else "are the same"
    require(differs == method.class_aware, f"{said}, but the text sides of two classes {does}")


def text_serves_another_instance(method: Method) -> None:
    """Scoring asks for no more than the text: workers share it, so most never encode it."""
    maker, reader = (type(method)(method.settings, method.clip, method.prompts) for _ in range(2))
    for made in (maker, reader):
        if isinstance(made, LearntMethod) and isinstance(method, LearntMethod):
            made.load_state(method.state())
    side, images = _side(maker), _images(_count(method, 1))
    first, second = (_scored(it, images, side) for it in (maker, reader))
    same = torch.allclose(first.maps, second.maps, equal_nan=True)
    require(same, "score: other maps when another instance has made the text; keep nothing in text_features")


class _Recorder(dict[Any, Tensor]):
    """Features that note what was read."""

    def __init__(self, features: Features) -> None:
        super().__init__(features)
        self.seen: frozenset[Any] = frozenset()

    def __getitem__(self, key: Any) -> Tensor:
        require(key in self, f"taps: {key} is read and not named")
        self.seen |= {key}
        return super().__getitem__(key)


def taps_are_what_is_read(method: Method) -> None:
    """Scoring reads every tap that the method names, and no other."""
    recorder = _Recorder(method.clip.encode_image(_images(_count(method, 1)), method.taps))
    method.score(recorder, _side(method))
    unread = ", ".join(map(str, method.taps - recorder.seen))
    require(recorder.seen == method.taps, f"taps: {unread} is named and never read")


def references_are_a_memory(method: Method) -> None:
    """Of the few-shot track: other references, other maps; their order makes no difference."""
    if not isinstance(method, FewShotMethod):
        return
    images, references = _images(_BATCH), _images(_SUBSET + _REFERENCES)[_SUBSET:]
    given, turned, own = (
        _scored(method, images, _side(method, it)) for it in (references, references.flip(0), images)
    )
    require(_close(given, turned), "remember: other scores with the references in another order")
    require(not _close(given, own), "remember: the same scores whatever the references are")
    nearer = bool((own.maps.mean((1, 2)) < given.maps.mean((1, 2))).all())
    require(nearer, "remember: an image that is among the references has a higher map than beside others")


def loss_taps_are_what_the_loss_reads(method: Method) -> None:
    """The loss reads every one of `loss_taps` and no other; they are among `taps`."""
    if not isinstance(method, LearntMethod):
        return
    taps = method.loss_taps
    extra = ", ".join(map(str, taps - method.taps))
    require(not extra, f"loss_taps: {extra} is not among taps")
    cache = _cache(method)
    (batch,) = cache.batches(_BATCH, taps)
    recorder = _Recorder(batch.features)
    for stage in range(len(method.settings.training_on(cache.auxiliary.name))):
        method.prepare(cache.batches(_BATCH, taps), stage)
        method.loss(recorder, batch.labels, batch.masks, batch.class_names)
    unread = ", ".join(map(str, taps - recorder.seen))
    require(recorder.seen == taps, f"loss_taps: {unread} is named and never read")


def learning_follows_the_seed(method: Method) -> None:
    """The same seed gives the same parameters, another seed others."""
    if not isinstance(method, LearntMethod):
        return
    states = []
    for seed in (4, 4, 5):
        method.reset(torch.Generator().manual_seed(seed))
        states.append(method.state())
    for name, value in states[0].items():
        require(torch.equal(value, states[1][name]), f"reset: {name} differs under the same seed")
    moved = any(not torch.equal(value, states[2][name]) for name, value in states[0].items())
    require(moved, "reset: every parameter is the same under another seed")


def training_follows_the_seed(method: Method) -> None:
    """The same seed gives the same parameters; scores are then those of a method that loads them."""
    if not isinstance(method, LearntMethod):
        return
    cache, states = _cache(method), []
    before = torch.random.get_rng_state()
    for _ in range(2):
        fit(method, cache, seed=6)
        states.append(method.state())
    for name, value in states[0].items():
        require(torch.equal(value, states[1][name]), f"loss: {name} differs under the same seed")
    untouched = torch.equal(before, torch.random.get_rng_state())
    require(untouched, "loss: torch's global random state was drawn from")
    twin = type(method)(method.settings, method.clip, method.prompts)
    twin.load_state(states[0])
    same = _close(_scored(twin, _images(1)), _scored(method, _images(1)))
    require(same, "a method that loads what was learnt gives other scores; keep all of it in `trainable`")


def learnt_state_comes_back(method: Method) -> None:
    """`load_state(state())` restores the scores."""
    if not isinstance(method, LearntMethod):
        return
    images = _images(2)
    before, state = _scored(method, images), method.state()
    method.reset(torch.Generator().manual_seed(77))
    changed = _scored(method, images)
    method.load_state(state)
    after = _scored(method, images)
    moved = not torch.equal(before.maps, changed.maps) or not torch.equal(before.image, changed.image)
    require(moved, "the parameters move no score")
    back = torch.equal(before.maps, after.maps) and torch.equal(before.image, after.image)
    require(back, "load_state(state()) gives other scores than before")


METHOD_CHECKS: Final[tuple[Callable[[Method], None], ...]] = (
    has_name_title_and_docstring,
    text_side_is_pairs_of_unit_rows,
    scores_are_finite_float32,
    batch_does_not_matter,
    order_does_not_matter,
    scoring_leaves_no_trace,
    global_randomness_is_untouched,
    class_aware_tells_the_truth,
    text_serves_another_instance,
    taps_are_what_is_read,
    references_are_a_memory,
    loss_taps_are_what_the_loss_reads,
    learning_follows_the_seed,
    training_follows_the_seed,
    learnt_state_comes_back,
)
"""The rules of a method; each function raises `ConformanceError` when its rule is broken."""
