from pipeline.catalog import Counts, count_problems, record


def own_counts(name: str) -> dict[str, Counts]:
    return {it.name: it.counts for it in record(name).subsets if it.counts is not None}


MVTEC = own_counts("mvtec")


def test_right_counts() -> None:
    assert count_problems(record("mvtec"), MVTEC, MVTEC) == {}


def test_the_message_says_how_they_differ() -> None:
    found = MVTEC | {"bottle": (20, 62), "pill": (25, 142)}
    problems = count_problems(record("mvtec"), found, MVTEC)
    assert set(problems) == {"bottle", "pill"}
    assert problems["bottle"].startswith("mvtec/bottle: expected 63 anomalous, found 62; ")
    assert "expected 26 normal, found 25 and expected 141 anomalous, found 142" in problems["pill"]


def test_a_subset_that_was_not_found_has_its_own_message_already() -> None:
    found = {name: counts for name, counts in MVTEC.items() if name != "wood"}
    assert count_problems(record("mvtec"), found, MVTEC) == {}


def test_a_known_build_is_recognised() -> None:
    sdd = record("sdd")
    message = count_problems(sdd, {"electrical commutators": (286, 54)}, sdd.expected())[
        "electrical commutators"
    ]
    assert "expected 181 normal, found 286 and expected 74 anomalous, found 54" in message
    assert "'standard conversion'" in message


def test_totals_where_subsets_are_not_known() -> None:
    dagm = record("dagm")
    right: dict[str, Counts] = dict.fromkeys(dagm.subset_names, (699, 105))
    right["Class1"] = (705, 109)
    assert count_problems(dagm, right, dagm.expected()) == {}
    problems = count_problems(dagm, right | {"Class2": (700, 105)}, dagm.expected())
    assert set(problems) == set(dagm.subset_names)
    assert "expected 6996 normal, found 6997 over Class1, Class2" in problems["Class9"]
    found = {name: counts for name, counts in right.items() if name != "Class1"}
    assert count_problems(dagm, found, dagm.expected()) == {}


def test_the_rest_of_the_total() -> None:
    dtd = record("dtd_synthetic")
    right = own_counts("dtd_synthetic") | {"Woven_001": (30, 70), "Woven_125": (20, 79)}
    assert count_problems(dtd, right, dtd.expected()) == {}
    swapped = right | {"Woven_001": (20, 79), "Woven_125": (30, 70)}
    assert count_problems(dtd, swapped, dtd.expected()) == {}
    wrong = count_problems(dtd, right | {"Woven_125": (20, 78)}, dtd.expected())
    assert set(wrong) == {"Woven_001", "Woven_125"}
    assert "expected 149 anomalous, found 148" in wrong["Woven_125"]


def test_what_is_known_is_checked_where_the_rest_is_not() -> None:
    colon = record("colon_auxiliary")
    assert colon.expected() == {"colon": (None, 380)}
    assert count_problems(colon, {"colon": (77, 380)}, colon.expected()) == {}
    message = count_problems(colon, {"colon": (77, 379)}, colon.expected())["colon"]
    assert message.startswith("colon_auxiliary/colon: expected 380 anomalous, found 379; ")


def test_the_rest_of_an_unknown_total_is_not_checked() -> None:
    dagm = record("dagm")
    build = dagm.build().model_copy(update={"normal": None})
    vague = dagm.model_copy(update={"builds": (build,)})
    found: dict[str, Counts] = dict.fromkeys(dagm.subset_names, (1, 105)) | {"Class1": (1, 109)}
    assert count_problems(vague, found, vague.expected()) == {}
    message = count_problems(vague, found | {"Class1": (1, 108)}, vague.expected())["Class9"]
    assert message.startswith("dagm: expected 1054 anomalous, found 1053 over ")


def test_the_miniature_has_its_own_counts() -> None:
    own = dict.fromkeys(record("btad").subset_names, (5, 6))
    assert count_problems(record("btad"), own, own) == {}


def test_any_build_is_accepted_by_its_counts() -> None:
    brain = record("brainmri")
    found = {"brain": (85, 68)}
    message = count_problems(brain, found, brain.expected())["brain"]
    assert message.endswith("or accept this unknown build in params with `builds: {brainmri: '85/68'}`")
    accepted = brain.accepting("85/68")
    assert count_problems(accepted, found, accepted.expected()) == {}
    assert set(count_problems(accepted, {"brain": (98, 155)}, accepted.expected())) == {"brain"}


def test_a_build_of_several_subsets_is_accepted_by_its_total() -> None:
    found = MVTEC | {"bottle": (20, 62)}
    message = count_problems(record("mvtec"), found, MVTEC)["bottle"]
    assert "`builds: {mvtec: '467/1257'}`" in message
    accepted = record("mvtec").accepting("467/1257")
    assert count_problems(accepted, found, accepted.expected()) == {}
    assert set(count_problems(accepted, MVTEC, accepted.expected())) == set(MVTEC)


def test_a_part_of_a_data_set_is_accepted_by_its_counts() -> None:
    found = {"bottle": (20, 62), "cable": (5, 8)}
    mvtec = record("mvtec")
    advice = "complete it from the published archive, or accept this incomplete build in params with"
    problems = count_problems(mvtec, found, MVTEC)
    assert set(problems) == set(found)
    for message in problems.values():
        assert message.endswith(f"; {advice} `builds: {{mvtec: '25/70'}}`")
    accepted = mvtec.accepting("25/70")
    assert count_problems(accepted, found, accepted.expected()) == {}


def test_own_data_are_not_published() -> None:
    own = record("mvtec").model_copy(update={"domain": "own", "name": "mine"})
    (message,) = count_problems(own, {"bottle": (20, 62)}, MVTEC).values()
    assert message.endswith(
        "found 62; complete it, or accept this incomplete build in params with `builds: {mine: '20/62'}`"
    )
