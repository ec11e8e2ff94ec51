from collections import Counter
from collections.abc import Sequence
from statistics import fmean

import pytest

from pipeline.catalog import names
from pipeline.results import ResultsError
from pipeline.tables import PublishedValue, published_table
from pipeline.tables.published import PRINTED_NAMES


def _value(table: Sequence[PublishedValue], **wanted: str) -> float:
    (found,) = (it.percent for it in table if all(getattr(it, key) == text for key, text in wanted.items()))
    return found


@pytest.mark.parametrize(("number", "count"), [(1, 164), (2, 120), (3, 36), (4, 32), (5, 32)])
def test_number_of_values(number: int, count: int) -> None:
    """Table 1: 7 data sets x 6 methods x 4 metrics, less the 4 that the paper leaves blank, and so on."""
    table = published_table(number)
    places = Counter((it.method, it.variant, it.dataset, it.metric) for it in table)
    assert len(table) == len(places) == count


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_names_are_those_of_the_catalog(number: int) -> None:
    for value in published_table(number):
        assert value.dataset in names()
        assert value.method in PRINTED_NAMES


def test_the_paper_leaves_coop_on_dtd_synthetic_blank() -> None:
    assert not [it for it in published_table(1) if (it.method, it.dataset) == ("coop", "dtd_synthetic")]


@pytest.mark.parametrize("percent", [-0.1, 100.1])
def test_what_is_no_percent_is_refused(percent: float) -> None:
    for possible in (0.0, 100.0):
        assert PublishedValue(1, "clip", "", "mvtec", "image_ap", possible).percent == possible
    with pytest.raises(ResultsError, match="no metric in percent"):
        PublishedValue(1, "clip", "", "mvtec", "image_ap", percent)
    with pytest.raises(ResultsError, match="no metric in percent"):
        PublishedValue(1, "clip", "", "mvtec", "image_apple", 50.0)


def test_values_as_printed() -> None:
    assert _value(published_table(1), method="vand", dataset="mvtec", metric="pixel_pro") == 44.0
    assert _value(published_table(2), method="vand", dataset="covid19", metric="image_ap") == 8.5
    assert _value(published_table(3), method="anomalyclip", dataset="tn3k", metric="pixel_pro") == 47.0


def test_tables_agree_where_they_state_the_same() -> None:
    """The full model closes Tables 4 and 5 and stands in Table 1."""
    first = published_table(1)
    for number, variant in ((4, "t1_t2_t3_full"), (5, "local1_global1")):
        for value in published_table(number):
            if value.variant == variant:
                same = _value(first, method="anomalyclip", dataset=value.dataset, metric=value.metric)
                assert value.percent == same


def test_average_of_anomalyclip_on_industrial_data_sets() -> None:
    """Summed by hand from the printed table."""
    aurocs = [
        it.percent for it in published_table(1) if (it.method, it.metric) == ("anomalyclip", "pixel_auroc")
    ]
    assert fmean(aurocs) == pytest.approx((91.1 + 95.5 + 96.5 + 94.2 + 90.6 + 95.6 + 97.9) / 7)
