"""The sources of the real records: each data set can be got, and no two are taken for each other."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.catalog import Source, record, shipped_names
from pipeline.downloads import DownloadError, Store
from pipeline.downloads.hosts import routes
from pipeline.downloads.http import open_client
from tests.downloads.sets import http
from tests.downloads.sets import record as widgets

EVERY = shipped_names()
NEEDS_A_PERSON = {"colon_auxiliary"}


@pytest.mark.parametrize("name", EVERY)
def test_every_data_set_has_a_way(name: str) -> None:
    ways = routes(record(name))
    assert ways
    automatic = [way for way in ways if not any(source.by_hand for source in way)]
    assert (automatic == []) == (name in NEEDS_A_PERSON)


@pytest.mark.parametrize("name", EVERY)
def test_copies_that_were_processed_anew_are_used_for_builds_of_their_name_alone(name: str) -> None:
    usual = record(name).builds[0].name
    for source in record(name).sources:
        if "AdaCLIP" in source.note or "Bayes-PFL" in source.note or source.note.startswith("page of"):
            assert not source.use or source.by_hand or source.build not in (None, usual)


def test_no_two_sources_share_a_place(store: Store) -> None:
    places: dict[Path, str] = {}
    for name in EVERY:
        for way in routes(record(name)):
            for source in way:
                place = store.folder(source, name) / source.file_name
                assert places.setdefault(place, source.key) == source.key
    assert len({source.key for source in record("isic").sources}) == 4


def test_what_the_paper_evaluates_comes_first() -> None:
    assert [source.kind for source in routes(record("sdd"))[0]] == ["gdrive"]
    for build in ("standard conversion", "two pieces"):
        assert [source.url for source in routes(record("sdd"), build)[0]] == [
            "https://go.vicos.si/kolektorsdd"
        ]
    assert [source.archive for source in routes(record("isic"))[0]] == [
        "ISBI2016_ISIC_Part1_Test_Data.zip",
        "ISBI2016_ISIC_Part1_Test_GroundTruth.zip",
    ]
    assert {source.key for way in routes(record("covid19")) for source in way} == {
        "gdrive:1ECwI8DJmhEtcVHatxCAdFqnSmXs35WFL"
    }


def test_a_build_without_sources_of_its_own_is_in_the_usual_files() -> None:
    assert routes(record("brainmri"), "85/68") == routes(record("brainmri"))


def test_one_archive_for_four_polyp_sets() -> None:
    keys = {routes(record(name))[0][0].key for name in ("cvc_colondb", "cvc_clinicdb", "kvasir", "cvc_300")}
    assert keys == {"figshare:21221579"}


def test_one_archive_for_the_six_sets_of_bmad_and_one_for_two_copies_of_bayes_pfl() -> None:
    bmad = [name for name in EVERY if name.startswith("bmad_")]
    assert len({routes(record(name))[0][0].key for name in bmad}) == 1
    assert len({routes(record(name))[0][0].keep for name in bmad}) == len(bmad) == 6
    copies = [routes(record(name), "Bayes-PFL copy") for name in ("dagm", "ksdd2")]
    assert {way[0].key for (way,) in copies} == {"gdrive:1JrTddHh2THBytMzv8O5Ru8AiRSJDHXIi"}
    assert [way[0].id for way in routes(record("brainmri"), "AdaCLIP copy")] == [
        "1JLYyzcPG3ULY2J_aw1SY9esNujYm9GKd"
    ]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"kind": "form", "url": "https://u"}, "a person needs the name of the archive and instructions"),
        ({"kind": "http", "url": "https://u"}, "http needs the url and the name of the archive"),
        ({"kind": "kaggle", "url": "https://u"}, "kaggle needs an id"),
        ({"kind": "huggingface", "id": "a/b"}, "huggingface needs the name of the archive"),
        ({"kind": "gdrive", "id": "1", "archive": "../up.zip"}, "archive"),
    ],
)
def test_a_source_that_cannot_be_used_is_refused(facts: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Source.model_validate({**facts, "confirmed": True})
    Source.model_validate(
        {"kind": "http", "url": "https://u", "use": False, "confirmed": True}
    )  # only to be known


def test_a_source_of_an_unknown_build_is_refused() -> None:
    with pytest.raises(ValidationError, match="a source is of the unknown build 'mine'"):
        widgets(http("https://example.org/w.zip", build="mine"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9"),
        ("https_proxy", "what://127.0.0.1:9"),
        ("SSL_CERT_FILE", "/nonexistent.pem"),
    ],
)
def test_a_proxy_or_certificates_that_cannot_be_used_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(DownloadError, match=rf"what the environment names .*: set .*{name}.* or unset them"):
        open_client()
