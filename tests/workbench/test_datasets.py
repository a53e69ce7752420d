"""`monoscope datasets add` and `doctor`, as typed."""

from pathlib import Path

import pytest

from tests.workbench.cli import Monoscope

PLAYS = "Customer ID;Artist;Plays\n7;Sigur Rós;3\n8;Björk;12\n8;=SUM(A1);1\n"


@pytest.fixture
def monoscope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Monoscope:
    return Monoscope(tmp_path / "home", monkeypatch, capfd)


@pytest.fixture
def plays(tmp_path: Path) -> Path:
    path = tmp_path / "plays.csv"
    path.write_text(PLAYS, encoding="latin-1")
    return path


def test_adding_says_what_was_guessed_and_what_comes_next(monoscope: Monoscope, plays: Path) -> None:
    answer = monoscope("datasets", "add", "plays", "--interactions", plays)
    assert answer.code == 0, answer.err
    assert "interactions: user is 'Customer ID', item is 'Artist', weight is 'Plays'" in answer.out
    assert "read as Latin-1" in answer.out
    assert "plays: 2 users, 3 items, 3 interactions" in answer.out
    assert answer.out.rstrip().endswith("Next: monoscope datasets doctor plays, then monoscope train plays")
    listed = {entry["name"]: entry for entry in monoscope("datasets", "--json").json}
    assert (listed["plays"]["state"], listed["plays"]["items"]) == ("here", 3)


def test_adding_as_json_says_the_same(monoscope: Monoscope, plays: Path) -> None:
    facts = monoscope("datasets", "add", "plays", "--interactions", plays, "--weight-column", "none", "--json").json
    assert facts["guessed"] == {"interactions": {"user": "Customer ID", "item": "Artist"}}
    assert (facts["users"], facts["items"], facts["interactions"]) == (2, 3, 3)


def test_a_mistake_is_one_sentence_and_leaves_nothing(monoscope: Monoscope, plays: Path, tmp_path: Path) -> None:
    answer = monoscope("datasets", "add", "plays", "--interactions", plays, "--item-column", "song")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == (
        "monoscope: plays.csv has no column 'song' for --item-column; its columns are Customer ID, Artist, Plays.\n"
    )
    assert list((tmp_path / "home" / "datasets").iterdir()) == []


def test_replacing_without_files_builds_again(monoscope: Monoscope, plays: Path) -> None:
    monoscope("datasets", "add", "plays", "--interactions", plays)
    assert "already" in monoscope("datasets", "add", "plays", "--interactions", plays).err
    answer = monoscope("datasets", "add", "plays", "--replace")
    assert answer.code == 0, answer.err
    assert "built again from its recipe" in answer.out


def test_the_doctor_gives_a_line_a_finding(monoscope: Monoscope, plays: Path) -> None:
    monoscope("datasets", "add", "plays", "--interactions", plays)
    answer = monoscope("datasets", "doctor", "plays")
    assert answer.code == 0, answer.err
    assert "ok      interactions: 2 users, 3 items, 3 interactions; 50 % of all pairs" in answer.out
    facts = monoscope("datasets", "doctor", "plays", "--json").json
    assert {"state", "what", "finding", "advice", "samples"} == set(facts[0])
    assert all(finding["finding"] in answer.out for finding in facts)


def test_the_doctor_exits_with_1_if_a_data_set_cannot_be_used(monoscope: Monoscope, tmp_path: Path) -> None:
    one = tmp_path / "one.csv"
    one.write_text("user,item\na,1\n")
    assert monoscope("datasets", "add", "one", "--interactions", one).code == 0
    answer = monoscope("datasets", "doctor", "one")
    assert answer.code == 1
    assert answer.out.startswith("problem interactions: 1 user, 1 item, 1 interaction")
    assert monoscope("datasets", "doctor", "oen").err.rstrip().endswith("Did you mean one?")


def test_data_of_ones_own_are_not_fetched(monoscope: Monoscope, plays: Path) -> None:
    assert monoscope("datasets", "add", "plays", "--interactions", plays).code == 0
    answer = monoscope("datasets", "fetch", "plays")
    assert answer.code == 1
    assert "datasets add plays --replace" in answer.err
