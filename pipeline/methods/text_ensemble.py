"""Two text features from an ensemble of hand-written prompts, for the methods that learn no text."""

from torch import Tensor, stack
from torch.nn.functional import normalize

from pipeline.methods.base import Method
from pipeline.methods.prompt_data import ensemble


def choose_templates(method: Method, name: str) -> None:
    """Refuse a set of templates that the method's prompts do not have.

    Raises:
        ParamsError: there is no such set.
    """
    known = ensemble(method.prompts).templates
    method.require(name in known, "templates", f"{name!r} is not one of {', '.join(known)}")


def ensemble_features(method: Method, templates: str, class_name: str, *, normalise_each: bool) -> Tensor:
    """Mean embedding of the normal and of the abnormal prompts of a class: (2, D), L2-normalised.

    Args:
        method: Gives the prompts and the text tower.
        templates: Which set of templates.
        class_name: Goes into the prompts as it is, underscores kept.
        normalise_each: Normalise every embedding before the mean (VAND), or average them raw (WinCLIP).
    """
    normal, abnormal = ensemble(method.prompts).fill(templates, class_name)
    embeddings = method.clip.text.encode(normal + abnormal)
    if normalise_each:
        embeddings = normalize(embeddings, dim=-1)
    means = stack([embeddings[: len(normal)].mean(0), embeddings[len(normal) :].mean(0)])
    return normalize(means, dim=-1)
