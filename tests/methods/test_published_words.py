"""The prompts that the methods were published with, against rules and lists from elsewhere."""

import pytest

from pipeline import methods
from pipeline.clip.architecture import import_open_clip
from pipeline.methods.prompt_data import ensemble, pairs, published_prompts

NORMAL = ["{}", "flawless {}", "perfect {}", "unblemished {}"]
NORMAL += [f"{{}} without {what}" for what in ("flaw", "defect", "damage")]
ABNORMAL = [f"{{}} with {what}" for what in ("flaw", "defect", "damage")]
LOOKS = ("cropped", "close-up", "bright", "dark", "jpeg corrupted", "blurry")
AIMS = ("visual inspection", "anomaly detection")


def winclip_22() -> set[str]:
    """WinCLIP's Figure 6: every template stands there with either article."""
    found = set()
    for thing in ("a {}", "the {}"):
        found |= {f"a {look} photo of {thing}." for look in LOOKS}
        found |= {f"a photo of {thing} for {aim}." for aim in AIMS}
        found |= {f"a photo of {thing.replace('{}', size + '{}')}." for size in ("", "small ", "large ")}
    return found


def test_winclip() -> None:
    words = ensemble(published_prompts("winclip"))
    assert list(words.states.normal) == NORMAL
    assert list(words.states.abnormal) == ["damaged {}", *ABNORMAL]
    paper, released = words.templates["paper_22"], words.templates["released_21"]
    assert (set(paper), len(paper)) == (winclip_22(), 22)
    assert winclip_22() - set(released) == {"a cropped photo of a {}.", "a jpeg corrupted photo of a {}."}
    assert len(released) == 21
    assert released.count("a jpeg corrupted photo of the {}.") == 2
    assert set(released) < winclip_22()


def imagenet(count: int) -> list[str]:
    """CLIP's templates, from the copy that open_clip carries."""
    words = import_open_clip().zero_shot_metadata
    made = {80: words.OPENAI_IMAGENET_TEMPLATES, 7: words.SIMPLE_IMAGENET_TEMPLATES}[count]
    return [template("{}") for template in made]


@pytest.mark.parametrize("count", [80, 7])
def test_clip_ac(count: int) -> None:
    words = ensemble(published_prompts("clip_ac"))
    assert sorted(words.templates[f"imagenet_{count}"]) == sorted(imagenet(count))
    assert (words.states.normal, words.states.abnormal) == (("normal {}",), ("anomalous {}",))


def test_clip() -> None:
    assert ensemble(published_prompts("clip")).fill("single", "metal_nut") == (
        ["a photo of a normal metal_nut."],
        ["a photo of an anomalous metal_nut."],
    )


def test_vand() -> None:
    """WinCLIP's states and "broken"; 30 of CLIP's templates and five about a scene."""
    words = ensemble(published_prompts("vand"))
    assert list(words.states.normal) == NORMAL
    assert list(words.states.abnormal) == ["damaged {}", "broken {}", *ABNORMAL]
    templates = words.templates["released_35"]
    there = [f"there is {article} {{}} in the scene." for article in ("a", "the")]
    this = [f"this is {article} {{}} in the scene." for article in ("a", "the", "one")]
    assert len(set(templates)) == 35
    assert set(templates) - set(imagenet(80)) == {*there, *this}
    assert all("photo of" in template for template in set(templates) & set(imagenet(80)))


def test_words_behind_learnt_context() -> None:
    coop, ours = pairs(published_prompts("coop")), pairs(published_prompts("anomalyclip"))
    assert coop["coop1"].fill("pill") == ("normal pill.", "anomalous pill.")
    assert coop["coop2"].fill("pill") == ("pill.", "damaged pill.")
    assert ours["object"].fill("pill") == ("object.", "damaged object.")
    assert ours["object_aware"].fill("pill") == ("pill.", "damaged pill.")
    for word in ("anomalous", "flawed", "defective", "blemished"):
        assert ours[word].fill("pill") == ("object.", f"{word} object.")


def test_methods_start_with_the_published_words() -> None:
    chosen = {name: methods.get(name).parse({}).model_dump() for name in methods.names()}
    assert (chosen["clip"]["templates"], chosen["clip_ac"]["templates"]) == ("single", "imagenet_80")
    assert (chosen["winclip"]["templates"], chosen["vand"]["templates"]) == ("released_21", "released_35")
    assert (chosen["coop"]["prompts"], chosen["anomalyclip"]["prompts"]) == ("coop1", "object")
