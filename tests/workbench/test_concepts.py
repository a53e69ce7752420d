"""`concepts`, `cohorts` and `concept`: named sets from the command line to an edit."""

import shutil
from pathlib import Path

import pytest

from engine.run import Run
from tests.workbench.cli import Monoscope


@pytest.fixture
def monoscope(
    demo_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Monoscope:
    """The demo's home, copied: these commands change it."""
    home = tmp_path / "home"
    shutil.copytree(demo_run.home.root, home)
    return Monoscope(home, monkeypatch, capfd)


def test_a_concept_of_ones_own_is_named_listed_measured_and_forgotten(monoscope: Monoscope) -> None:
    added = monoscope("concepts", "demo", "add", "Old horror", "--where", "has('Horror') AND year < 1980")
    assert added.code == 0, added.err
    listed = {entry["concept"]: entry for entry in monoscope("concepts", "demo", "--json").json}
    assert listed["Old horror"]["where"] == "has('Horror') AND year < 1980"
    assert f"'Old horror' has {listed['Old horror']['items']} items" in added.out
    assert listed["Horror"]["where"] is None
    assert "has('Horror') AND year < 1980" in monoscope("concepts", "demo").out
    measured = monoscope("concept", "demo", "Horror", "-k", 1, "--json").json
    assert measured["neurons"][0]["named"]
    assert measured["neurons"][0]["purity20"] >= 0.5
    assert monoscope("concept", "demo", "old horror", "--json").json["items"] <= listed["Old horror"]["items"]
    assert monoscope("concepts", "demo", "remove", "Old horror").code == 0
    assert "Old horror" not in monoscope("concepts", "demo").out


def test_a_cohort_is_named_and_steered(monoscope: Monoscope) -> None:
    assert "name one with" in monoscope("cohorts", "demo").out
    added = monoscope("cohorts", "demo", "add", "Horror fans", "--where", "share('Horror') >= 0.3")
    assert added.code == 0, added.err
    cohort = monoscope("cohorts", "demo", "--json").json[0]
    neuron = monoscope("concept", "demo", "Horror", "-k", 1, "--json").json["neurons"][0]["neuron"]
    effect = monoscope("steer", "demo", "--neuron", neuron, "--users", "Horror fans", "--off", "--json").json
    assert effect["collateral"]["users"] == cohort["users"]
    assert effect["after"]["concept_shares"]["Horror"] < effect["before"]["concept_shares"]["Horror"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["concepts", "demo", "add", "X", "--where", "has('Horor')"], "no concept 'Horor'. Did you mean 'Horror'?"),
        (["concepts", "demo", "add", "Horror", "--where", "year < 1970"], "already has a concept 'Horror'"),
        (["cohorts", "demo", "remove", "Nobody"], "There is no cohort 'Nobody' of your own in demo; there are none."),
        (["concept", "demo", "Horor"], "There is no concept 'Horor'"),
    ],
)
def test_a_mistake_is_one_sentence(monoscope: Monoscope, words: list[str], message: str) -> None:
    answer = monoscope(*words)
    assert answer.code == 1
    assert message in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize("words", [["add", "X"], ["remove"], ["add"], ["drop", "X"]])
def test_half_a_command_says_how_it_is_written(monoscope: Monoscope, words: list[str]) -> None:
    answer = monoscope("cohorts", "demo", *words)
    assert answer.code == 2
    assert "add NAME --where SQL" in answer.err
