"""Names and order of entries, those of somebody else's included."""

from pipeline.tables.aggregate import Entry
from pipeline.tables.legend import entry_title, group_title, in_order, labelled


def test_the_papers_methods_first_then_others_by_name_and_variants_by_their_numbers() -> None:
    wanted = [
        Entry("clip", ""),
        Entry("anomalyclip", ""),
        Entry("anomalyclip", "layers_8"),
        Entry("anomalyclip", "layers_12"),
        Entry("anomalyclip", "t1"),
        Entry("a_lab", ""),
        Entry("b_lab", ""),
        Entry("b_lab", "x"),
    ]
    assert in_order(reversed(wanted)) == wanted


def test_titles() -> None:
    assert entry_title(Entry("clip_ac", "")) == "CLIP-AC"
    assert entry_title(Entry("anomalyclip", "t1")) == "AnomalyCLIP (t1)"
    assert entry_title(Entry("a_lab", "x")) == "a_lab (x)"
    assert group_title("object_and_texture") == "Obj & texture"
    assert group_title("two_words") == "Two words"


def test_labels_say_what_stands_behind_them() -> None:
    labels = {Entry("clip", ""): "A", Entry("clip", "x"): "B"}
    assert labelled(labels) == ["A: `clip`; B: `clip[x]`."]
    assert labelled({}) == []
