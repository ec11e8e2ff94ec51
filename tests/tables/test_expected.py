import pytest

from pipeline.catalog import auxiliary_names, names
from pipeline.errors import DataError
from pipeline.tables import expected_sets
from pipeline.tables.legend import group_title

# Table 1 and 2 of the paper, by hand: data set, C, category, levels that its rows stand in.
PAPER = [
    ("MVTec AD", 15, "Obj & texture", "ip"),
    ("VisA", 12, "Obj", "ip"),
    ("MPDD", 6, "Obj", "ip"),
    ("BTAD", 3, "Obj", "ip"),
    ("SDD", 1, "Obj", "ip"),
    ("DAGM", 10, "Texture", "ip"),
    ("DTD-Synthetic", 12, "Texture", "ip"),
    ("HeadCT", 1, "Brain", "i"),
    ("BrainMRI", 1, "Brain", "i"),
    ("Br35H", 1, "Brain", "i"),
    ("COVID-19", 1, "Chest", "i"),
    ("ISIC", 1, "Skin", "p"),
    ("CVC-ColonDB", 1, "Colon", "p"),
    ("CVC-ClinicDB", 1, "Colon", "p"),
    ("Kvasir", 1, "Colon", "p"),
    ("Endo", 1, "Colon", "p"),
    ("TN3K", 1, "Thyroid", "p"),
]


def test_the_catalog_gives_the_papers_rows_in_its_order() -> None:
    rows = [
        (it.title, len(it.subsets), group_title(it.group), "".join(task[0] for task in it.tasks))
        for it in expected_sets(names()).values()
    ]
    assert rows == PAPER


def test_only_the_data_sets_of_the_run_in_its_order() -> None:
    assert list(expected_sets(["tn3k", "mvtec"])) == ["tn3k", "mvtec"]


def test_a_data_set_that_is_only_tuned_on_is_not_expected() -> None:
    assert list(expected_sets(["tn3k", *auxiliary_names()])) == ["tn3k"]


def test_an_unknown_data_set_is_an_error() -> None:
    with pytest.raises(DataError, match="mvtek"):
        expected_sets(["mvtek"])


def test_metrics_of_a_data_set_follow_its_tasks() -> None:
    assert expected_sets(["headct"])["headct"].metrics == ("image_auroc", "image_ap", "image_f1_max")
