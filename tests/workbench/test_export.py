"""`monoscope export --format vectors`: from a session to files that a serving system takes, and back by `adopt`."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.home import Home
from engine.run import Run
from engine.session import Session
from engine.steering.cohort import Cohort
from engine.steering.kept import steps_of
from tests.engine.report.serving import by_faiss, by_numpy, lists, read_filters, read_table
from tests.workbench.cli import Monoscope

SESSION = "served"
VECTORS = ("--format", "vectors", "--output")


def seen_of(run: Run) -> dict[str, set[str]]:
    """What each user has had, read off the catalogue."""
    with run.catalogue() as catalogue:
        had = catalogue.interactions(0, 1)
    users, items = run.recommender.users.ids, run.recommender.items.ids
    found: dict[str, set[str]] = {user: set() for user in users}
    for user, item in zip(had.user.tolist(), had.item.tolist(), strict=True):
        found[users[user]].add(items[item])
    return found


def shown(run: Run, session: str, k: int) -> dict[str, list[str]]:
    """Everyone's list under a session's edits, as monoscope ranks it."""
    users, items = run.recommender.users.ids, run.recommender.items.ids
    with run.catalogue() as catalogue:
        steering = run.steering(catalogue)
        edited = steering.edit(steps_of(steering, Session.read(run.home, session).edits, run.home.amounts(session)))
        ranked = Cohort(steering, np.arange(len(users)), k).lists(edited)
    return {user: [items[i] for i in row if i >= 0] for user, row in zip(users, ranked.tolist(), strict=True)}


@pytest.fixture(scope="module")
def home_of_sessions(demo_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The demo's home for these tests alone, so that no other's session is in the way."""
    root = tmp_path_factory.mktemp("export") / "home"
    shutil.copytree(demo_run.home.root, root, ignore=shutil.ignore_patterns("sessions"))
    return Home(root)


@pytest.fixture
def monoscope(home_of_sessions: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Monoscope:
    return Monoscope(home_of_sessions.root, monkeypatch, capfd)


@pytest.fixture
def served(monoscope: Monoscope) -> str:
    """A session with an edit of items, a goal that some users reach, and one that only a filter can bring about."""
    if not monoscope.home.session(SESSION).exists():
        neurons = monoscope("neurons", "demo", "--json").json
        western = next(row["neuron"] for row in neurons if row["concept"] == "Western")
        steer = ("steer", "demo", "--session", SESSION)
        edits: list[tuple[object, ...]] = [
            ("--neuron", western, "--items", "year < 1940", "--add", 1),
            ("--goal", "share(Horror)<=0", "--users", "age_band = 'under 18'"),
            ("--goal", "share(1920s)>=50%", "--users", "user_id < 'v0040'"),
        ]
        for edit in edits:
            assert monoscope(*steer, *edit).code == 0
    return SESSION


def test_a_sessions_vectors_served_elsewhere_give_the_lists_that_monoscope_shows(
    monoscope: Monoscope, served: str, tmp_path: Path
) -> None:
    answer = monoscope("export", served, *VECTORS, tmp_path / "out", "--rows", "all", "--with-users")
    assert answer.code == 0, answer.err
    assert "2,000 of 2,000 users" in answer.out
    assert "served by a filter" in answer.out
    run = Run.open(monoscope.home, "demo")
    users, items = read_table(tmp_path / "out", "users"), read_table(tmp_path / "out", "items")
    assert users is not None
    assert items is not None
    told, seen, filters = shown(run, served, 30), seen_of(run), read_filters(tmp_path / "out")
    for order in (by_numpy, by_faiss):
        found = lists(users, items, order(users, items), seen, filters, 30)
        pairs = [(a, b) for user in told for a, b in zip(found[user], told[user], strict=True)]
        assert sum(a != b for a, b in pairs) <= len(pairs) // 1000  # neighbours that differ in the last digit
    for user in ("v0001", "v0100"):
        listed = monoscope("recommend", "demo", "--user", user, "--session", served, "--json").json["items"]
        assert [item["item_id"] for item in listed] == told[user]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["run"]["hashes"] == run.manifest["hashes"]
    assert [edit.get("goal") for edit in manifest["edits"]] == [None, "share(Horror)<=0", "share(1920s)>=0.5"]
    before = shown(run, "none", 30)
    assert manifest["effect"]["collateral"]["lists_changed"] == sum(before[user] != told[user] for user in told) > 0


def test_a_session_is_named_or_given_to_its_run_and_only_changed_rows_are_written(
    monoscope: Monoscope, served: str, tmp_path: Path
) -> None:
    assert monoscope("export", served, *VECTORS, tmp_path / "one", "--with-users").code == 0
    assert monoscope("export", "demo", "--session", served, *VECTORS, tmp_path / "two", "--with-users").code == 0
    first, second = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("one", "two"))
    assert first["files"] == second["files"]
    assert 0 < first["users"]["rows"] == first["users"]["changed"] < first["users"]["of"]
    assert monoscope("export", served).out == monoscope("export", "demo", "--session", served).out


def test_reports_are_as_they_were_for_a_run_and_its_own_session(monoscope: Monoscope) -> None:
    assert monoscope("labels", "demo", "set", 0, "Mine").code == 0  # the session demo, of the run demo
    assert "Mine" in monoscope("export", "demo").out
    with Session.open(monoscope.home, "other", "demo") as journal:
        journal.append("watch", user="v0001")
    shutil.copytree(monoscope.home.run("demo"), monoscope.home.run("other"))
    answer = monoscope("export", "other")  # a run whose name a session of demo has: the run is meant
    assert answer.code == 0, answer.err  # they are the same training, under two names
    assert answer.out.startswith("# other")
    shutil.rmtree(monoscope.home.run("other"))


def test_what_cannot_be_exported_is_one_sentence(monoscope: Monoscope, served: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for words, told in (
        ((served, *VECTORS, out), "--with-users"),
        (("demo", *VECTORS, out), "Session demo holds no edit that changes a list"),
        (("nope", *VECTORS, out), "no run 'nope'"),
        (("servd", *VECTORS, out), "no run or session 'servd'; did you mean the session 'served'?"),
        ((served, "--session", "another"), f"{served} is a session of run demo, and --session names another"),
        (("demo", "--output", out / "deep" / "x.md"), f"There is no folder {out / 'deep'}"),
        (("demo", "--format", "html", "--output", out / "x.html"), f"There is no folder {out}"),
        (("demo", "--format", "svg", "--output", out / "x"), f"There is no folder {out}"),
        (("demo", "--format", "csv", "--output", out / "x"), f"There is no folder {out}"),
        (("demo", "--format", "html", "--output", tmp_path), f"{tmp_path} is a folder; name a file in it"),
        (("demo", "--format", "nope"), "no export format 'nope'; there are html, md, json, csv, parquet, svg"),
        ((served, *VECTORS, out, "--rows", "some"), "'some' names no rows"),
        ((served, *VECTORS, out, "--file-format", "csv"), "no file format 'csv'"),
        ((served, *VECTORS, monoscope.home.root, "--with-users"), "other files"),
    ):
        answer = monoscope("export", *words)
        assert (answer.code, answer.out) == (1, ""), words
        assert told in answer.err
        assert answer.err.count("\n") == 1
    assert not out.exists()
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    for kind in ("svg", "csv"):
        answer = monoscope("export", "demo", "--format", kind, "--output", mine)
        assert (answer.code, answer.err.count("\n")) == (1, 1)
        assert f"{mine} is a file, and" in answer.err
    assert mine.read_text() == "mine"
    for kind in ("vectors", "csv", "parquet", "svg"):
        answer = monoscope("export", served, "--format", kind)
        assert answer.code == 2
        assert "--output" in answer.err
    assert monoscope("export", served, "--format", "md", "--with-users").code == 2


def test_tables_of_a_session_are_written_by_its_name(monoscope: Monoscope, served: str, tmp_path: Path) -> None:
    answer = monoscope("export", served, "--format", "csv", "--output", tmp_path / "out")
    assert answer.code == 0, answer.err
    told = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (told["run"], told["session"]["name"]) == ("demo", served)
    assert f"Wrote {len(told['files'])} tables" in answer.out
    assert len((tmp_path / "out" / "edits.csv").read_text().splitlines()) == 1 + 3
    assert not list(tmp_path.glob(".*"))


@pytest.mark.long
def test_the_commands_of_a_report_make_its_session_again(monoscope: Monoscope) -> None:
    steer = ("steer", "demo", "--session", "first")
    for words in (
        (*steer, "--neuron", 3, "--users", "age_band = 'under 18'", "--add", -0.5),
        (*steer, "--neuron", 5, "--item", "f001", "--set", 1.25, "--unit", "raw"),
        (*steer, "--goal", "share(Horror)<=0.5x", "--users", "age_band = 'under 18'", "--neurons-at-most", 6),
        ("label", "demo", "--neurons", "1,4-6", "--labeller", "metadata", "--tests", "held-out", "--session", "first"),
        ("labels", "demo", "reject", 4, "--session", "first"),
        ("labels", "demo", "set", 3, 'It\'s "mine"', "--session", "first"),
        ("sessions", "note", "first", "--about", "neuron 3", "--", "-- odd: $HOME"),
    ):
        answer = monoscope(*words)
        assert answer.code == 0, answer.err
    told = monoscope("export", "first", "--format", "json").json
    lines = [one["command"] for one in told["commands"] if one["command"]]
    made = [line for line in lines if "datasets" not in line and "train" not in line and "export" not in line]
    assert len(made) == 8
    for line in made:
        answer = monoscope(*["again" if word == "first" else word for word in shlex.split(line)[1:]])
        assert answer.code == 0, (line, answer.err)
    again = monoscope("export", "again", "--format", "json").json
    assert again["edits"] == told["edits"]
    assert [one["neuron"] for one in again["labels"]] == [1, 3, 4, 5, 6]
    assert again["session"]["sha256"] == told["session"]["sha256"]


def test_vectors_of_a_run_without_edits_are_all_of_its_rows(monoscope: Monoscope, tmp_path: Path) -> None:
    out = tmp_path / "out"
    answer = monoscope("export", "demo", *VECTORS, out, "--rows", "all", "--with-users")
    assert answer.code == 0, answer.err
    told = json.loads((out / "manifest.json").read_text())
    assert (told["edits"], told["effect"], told["users"]["changed"]) == ([], None, 0)
    run, items = Run.open(monoscope.home, "demo"), read_table(out, "items")
    assert items is not None
    assert len(items.ids) == run.recommender.items.known.sum()


@pytest.mark.long
def test_an_edited_perceptron_is_adopted_again_and_ranks_as_the_session_did(
    monoscope: Monoscope, tmp_path: Path
) -> None:
    quick = ("--set", "sae.k_items=3", "--set", "sae.k_users=3", "--set", "sae.steps=40", "--neurons", 12)
    small = ("--recommender", "ncf", "--dim", 8, "--set", "recommender.epochs=2")
    assert monoscope("train", "demo", *small, *quick, "--name", "ncf").code == 0
    neuron = max(monoscope("neurons", "ncf", "--json").json, key=lambda row: row["density_users"])["neuron"]
    edit = ("--neuron", neuron, "--users", "age_band = 'under 18'", "--set", 2)
    assert monoscope("steer", "ncf", *edit, "--session", "ncf").code == 0
    out = tmp_path / "out"
    answer = monoscope("export", "ncf", *VECTORS, out, "--rows", "all", "--with-users")
    assert answer.code == 0, answer.err
    files = ("--user-vectors", out / "users.parquet", "--item-vectors", out / "items.parquet")
    scorer = ("--scorer", out / "scorer", "--trained-on", "train")
    adopted = monoscope("adopt", "demo", *files, *scorer, *quick, "--name", "again")
    assert adopted.code == 0, adopted.err
    run, again = Run.open(monoscope.home, "ncf"), Run.open(monoscope.home, "again")
    assert again.recommender.scorer.kind == "mlp"
    assert shown(again, "none", 30) == shown(run, "ncf", 30) != shown(run, "none", 30)


def test_figures_need_a_folder_and_a_page_takes_the_place_of_an_earlier_one(
    served: str, monoscope: Monoscope, tmp_path: Path
) -> None:
    answer = monoscope("export", served, "--format", "svg")
    assert answer.code == 2
    assert "name a folder" in answer.err
    page = tmp_path / "report.html"
    for _ in range(2):
        assert monoscope("export", served, "--format", "html", "--output", page).code == 0
    assert page.read_text().startswith("<!doctype html>")
    page.write_text("mine")
    answer = monoscope("export", served, "--format", "html", "--output", page)
    assert answer.code == 1
    assert page.read_text() == "mine"


def test_a_journal_that_was_cut_short_is_exported_with_a_remark_and_an_empty_one_is_not(monoscope: Monoscope) -> None:
    steer = ("steer", "demo", "--session", "cut", "--users", "age_band = 'under 18'", "--off")
    for neuron in (3, 4):
        assert monoscope(*steer, "--neuron", neuron).code == 0
    journal = monoscope.home.session("cut")
    journal.write_bytes(journal.read_bytes()[:-20])
    answer = monoscope("export", "cut")
    assert answer.code == 0
    assert f"The last line of {journal} was cut short, so that one action is missing." in answer.err
    assert "Edit 1" in answer.out
    assert "Edit 2" not in answer.out
    journal.write_bytes(b"")
    answer = monoscope("export", "cut")
    assert (answer.code, answer.out) == (1, "")
    assert (
        answer.err
        == "monoscope: Session cut is empty, so it is about no run: name a run, and the session by --session.\n"
    )
    journal.unlink()


def test_an_interrupted_export_leaves_what_was_there(
    served: str, monoscope: Monoscope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.report import formats

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    page = tmp_path / "report.md"
    assert monoscope("export", served, "--output", page).code == 0
    before = page.read_bytes()
    monkeypatch.setattr(formats, "complete", interrupted)
    answer = monoscope("export", served, "--output", page)
    assert answer.code == 130
    assert page.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


def test_a_cohort_of_the_home_that_no_edit_is_for_changes_no_report(
    served: str, monoscope: Monoscope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    before = monoscope("export", served, "--format", "json").out
    assert monoscope("cohorts", "demo", "add", "Elders", "--where", "age_band = '55+'").code == 0
    assert monoscope("export", served, "--format", "json").out == before
    assert monoscope("cohorts", "demo", "remove", "Elders").code == 0
