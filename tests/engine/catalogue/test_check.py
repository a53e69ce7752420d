"""The data doctor says what is the matter, shows samples, and says what to do."""

from pathlib import Path

import pytest

from engine.catalogue.add import add, add_ids
from engine.catalogue.check import Finding, check
from engine.errors import CatalogueError
from engine.home import Home
from engine.run import Run


def examined(home: Home, tmp_path: Path, seen: str, items: str | None = None, **more: object) -> dict[str, Finding]:
    """The findings, by what was looked at, on the data set of these two texts."""
    (tmp_path / "seen.csv").write_text(seen)
    files = {"interactions": tmp_path / "seen.csv"}
    if items is not None:
        (tmp_path / "items.csv").write_text(items)
        files["items"] = tmp_path / "items.csv"
    add(home, "own", **files, **more)  # type: ignore[arg-type]
    return {finding.what: finding for finding in check(home, "own")}


def histories(**sizes: int) -> str:
    return "user,item\n" + "".join(f"{user},{n}\n" for user, size in sizes.items() for n in range(size))


def test_shipped_data_sets_are_examined_too(small_home: Home) -> None:
    found = {finding.what: finding for finding in check(small_home, "ml-1m")}
    assert found["interactions"].finding == "4 users, 24 items, 57 interactions; 59.4 % of all pairs"
    assert found["items without interactions"].finding == "4 of 24 (16.7 %)"
    assert found["items without interactions"].samples[0] == "116: Film 16"
    assert found["users with fewer than 12 interactions"].finding == "1 of 4 (25.0 %)"
    assert found["users with fewer than 12 interactions"].samples == ("3: 11",)
    assert found["times"].finding.startswith("none")
    assert "rows" not in found


def test_a_finding_that_is_not_well_says_what_to_do(small_home: Home) -> None:
    for finding in check(small_home, "ml-1m"):
        assert (finding.state == "ok") == (finding.advice == ""), finding


def test_the_demo_can_be_used(demo_run: Run) -> None:
    assert "problem" not in {finding.state for finding in check(demo_run.home, "demo")}


def test_rows_that_were_left_out_are_counted_with_samples(home: Home, tmp_path: Path) -> None:
    found = examined(home, tmp_path, "user,item,rating\na,1,5\na,1,5\nb,2,4\nb,1,1\n", min_rating=4)
    assert found["rows"].finding == "2 of 4 rows of the file are interactions (50.0 %)"
    assert found["rows left out"].samples == ("user b, item 1: 1.0",)
    assert found["repeated rows"].samples == ("user a, item 1: 2 times",)


def test_equal_titles_are_shown_with_their_ids(home: Home, tmp_path: Path) -> None:
    items = "item,title,year\n1,Crash,1996\n2,Crash,2004\n3,Solaris,1972\n4,Solaris,1972\n"
    found = examined(home, tmp_path, "user,item\na,1\nb,2\n", items)
    assert found["equal titles"].samples == ("Solaris: items 3, 4",)
    assert found["items without interactions"].samples == ("3: Solaris", "4: Solaris")


def test_damaged_text_is_found_and_right_text_is_not(home: Home, tmp_path: Path) -> None:
    titles = ["Les MisÃ©rables", "Donâ€™t Look Now", "lost \ufffd", "Misérables", "SÃO PAULO", "Ångström – “ok”"]
    items = "item,title\n" + "".join(f"{number},{title}\n" for number, title in enumerate(titles))
    found = examined(home, tmp_path, "user,item\na,1\nb,2\n", items)
    assert found["encoding"].samples == ("Donâ€™t Look Now", "Les MisÃ©rables", "lost \ufffd")
    assert found["encoding"].state == "notice"


def test_control_characters_in_ids_are_shown_escaped(home: Home, tmp_path: Path) -> None:
    found = examined(home, tmp_path, "user,item\na,x\x07y\nb,2\n")
    assert found["ids"].samples == ("'x\\x07y'",)


def test_items_whose_interactions_are_all_held_out_are_cold(home: Home, tmp_path: Path) -> None:
    found = examined(home, tmp_path, "user,item\n" + "".join(f"{u},{u}{n}\n" for u in "ab" for n in range(12)))
    assert found["cold items"].finding == "12 of 24 (50.0 %)"  # six of each user's twelve, which nobody else has


def test_without_any_long_history_nothing_can_be_measured(home: Home, tmp_path: Path) -> None:
    found = examined(home, tmp_path, histories(a=3, b=2))["users with fewer than 12 interactions"]
    assert (found.finding, found.samples) == ("all 2: nothing is held out", ("a: 3", "b: 2"))


def test_gini_and_the_share_of_the_head_are_those_of_the_definition(home: Home, tmp_path: Path) -> None:
    counts = [8, 1, 1, 1, 1]
    rows = [f"u{n},{item}\n" for item, count in enumerate(counts) for n in range(count)]
    found = examined(home, tmp_path, "user,item\n" + "".join(rows))["popularity"]
    pairs = sum(abs(a - b) for a in counts for b in counts)
    gini = pairs / (2 * len(counts) * sum(counts))
    assert (
        found.finding
        == f"Gini {gini:.2f}; the most popular 1 % of the items have {100 * 8 / 12:.1f} % of the training interactions"
    )


def test_times_of_1970_are_doubted(home: Home, tmp_path: Path) -> None:
    assert "are they really times?" in examined(home, tmp_path, "user,item,time\na,1,1\nb,2,2\n")["times"].advice


def test_small_concepts_and_none_are_told(home: Home, tmp_path: Path) -> None:
    items = "item,title,tags\n" + "".join(f"{n},T{n},{'few' if n < 12 else 'many'}\n" for n in range(40))
    found = examined(home, tmp_path, "user,item\na,1\nb,2\n", items)
    assert found["concepts with fewer than 20 items"].samples == ("Popular head: 2", "few: 12")
    assert examined(home, tmp_path, "user,item\na,1\nb,2\n", replace=True)["concepts"].finding == "none"


def test_ids_alone_can_be_used_for_vectors(home: Home) -> None:
    add_ids(home, "bare", ["a", "b"], ["1", "2"])
    found = {finding.what: finding for finding in check(home, "bare")}
    assert found["interactions"].state == "notice"
    assert "monoscope adopt" in found["interactions"].advice
    assert {finding.state for finding in found.values()} == {"ok", "notice"}


def test_what_is_not_here_is_a_sentence(home: Home) -> None:
    with pytest.raises(CatalogueError, match="is not here yet"):
        check(home, "ml-1m")
