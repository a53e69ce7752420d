"""`monoscope sessions`, and what `steer` keeps in one."""

import json
import shutil

import pytest

from engine.run import Run
from engine.session import Session
from tests.workbench.cli import Monoscope, neuron_of

YOUNG = "age_band = 'under 18'"


@pytest.fixture
def solved(monoscope: Monoscope, demo_run: Run) -> str:
    """A session with one neuron's edit and, on top, one that was solved for."""
    name = "solved"
    if not demo_run.home.session(name).exists():
        western = neuron_of(monoscope, "Western")
        monoscope("steer", "demo", "--neuron", western, "--users", YOUNG, "--off", "--session", name)
        words = ("--goal", "share(Horror)<=0", "--users", YOUNG, "--neurons-at-most", 4, "--session", name)
        assert monoscope("steer", "demo", *words).code == 0
    return name


def test_a_solved_edit_is_kept_on_top_and_replays_to_its_figures(monoscope: Monoscope, solved: str) -> None:
    facts = monoscope("sessions", "show", solved, "--json").json
    assert [edit.get("goal") for edit in facts["edits"]] == [None, "share(Horror)<=0"]
    replay = monoscope("sessions", "replay", solved, "--json")
    assert replay.code == 0
    assert replay.json["same"] is True
    assert {one["figure"]: one["now"] for one in replay.json["figures"]}["share(Horror)"] == 0
    out = monoscope("sessions", "replay", solved).out
    assert "DIFFERS" not in out
    assert "same" in out


def test_it_replays_to_the_same_figures_in_another_home(
    monoscope: Monoscope, elsewhere: Monoscope, demo_run: Run, solved: str
) -> None:
    there = elsewhere.home
    for folder in ("runs/demo", "datasets/demo", f"sessions/{solved}.amounts"):
        shutil.copytree(demo_run.home.root / folder, there.root / folder)
    shutil.copy(demo_run.home.session(solved), there.session(solved))
    ours, theirs = (one("sessions", "replay", solved, "--json").json for one in (monoscope, elsewhere))
    assert theirs["same"] is True
    assert theirs["figures"] == ours["figures"]
    shutil.rmtree(there.amounts(solved))
    refused = elsewhere("sessions", "replay", solved)
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "amounts of the edit share(Horror)<=0 are missing" in refused.err


def test_figures_that_differ_are_named_and_fail(monoscope: Monoscope, demo_run: Run, solved: str) -> None:
    monoscope("sessions", "copy", solved, "tampered")
    path = demo_run.home.session("tampered")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[-1]["measured"]["figures"]["ndcg10_after"] += 0.1
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    replay = monoscope("sessions", "replay", "tampered")
    assert replay.code == 1
    assert [line.split()[0] for line in replay.out.splitlines() if "DIFFERS" in line] == ["ndcg10_after"]
    assert "does not replay" in replay.err


def test_lists_under_a_session_hold_no_horror_for_the_young(monoscope: Monoscope, demo_run: Run, solved: str) -> None:
    with demo_run.catalogue() as catalogue:
        young = demo_run.recommender.users.ids[int(catalogue.match_users(YOUNG)[0])]
    listed = monoscope("recommend", "demo", "--user", young, "--session", solved, "--json").json
    genres = {
        line["item_id"]: line["concepts"]
        for line in monoscope("steer", "demo", "--neuron", 0, "--users", "true", "--scale", 1, "--json").json["after"][
            "lists"
        ][0]["items"]
    }
    assert len(listed["items"]) == 30
    assert not any("Horror" in genres.get(item["item_id"], []) for item in listed["items"])


def test_edits_are_switched_off_dropped_and_brought_back_by_number(monoscope: Monoscope, solved: str) -> None:
    monoscope("sessions", "copy", solved, "switched")
    assert monoscope("sessions", "switch", "switched", 2, "--off").code == 0
    replay = monoscope("sessions", "replay", "switched", "--json").json
    assert replay["same"] is None
    out = monoscope("sessions", "replay", "switched").out
    assert "Nothing was compared: the session kept no figures of these edits." in " ".join(out.split())
    assert " kept " not in out.split("What they are now")[1]
    assert {one["figure"]: one["now"] for one in replay["figures"]}["lists_changed"] > 0
    monoscope("sessions", "drop", "switched", 1)
    assert [e.get("on", True) for e in monoscope("sessions", "show", "switched", "--json").json["edits"]] == [False]
    for _ in range(2):
        monoscope("sessions", "undo", "switched")
    assert monoscope("sessions", "replay", "switched", "--json").json["same"] is True
    monoscope("sessions", "redo", "switched")
    assert len(monoscope("sessions", "show", "switched", "--json").json["edits"]) == 2
    wrong = monoscope("sessions", "switch", "switched", 3, "--off")
    assert (wrong.code, "has no edit 3" in wrong.err) == (1, True)


def test_notes_bookmarks_and_watched_users_are_kept_and_shown(monoscope: Monoscope, solved: str) -> None:
    monoscope("sessions", "copy", solved, "noted")
    assert monoscope("sessions", "note", "noted", "Ask [b]Ann[/b]", "--about", "neuron 2").code == 0
    assert monoscope("sessions", "bookmark", "noted", "item", "f057").code == 0
    assert monoscope("sessions", "watch", "noted", "v0003").code == 0
    shown = monoscope("sessions", "show", "noted").out
    for part in ("Note on neuron 2: Ask [b]Ann[/b]", "Bookmarks: item f057", "Watched last: user v0003", "1 note"):
        assert part in shown + monoscope("sessions", "list").out
    for words, told in (
        (("bookmark", "noted", "film", "f057"), "bookmarks for neuron, item, user, concept"),
        (("bookmark", "noted", "neuron", "99"), "no neuron"),
        (("bookmark", "noted", "item", "nope"), "no item with the id 'nope'"),
        (("bookmark", "noted", "concept", "Nope"), "no concept 'Nope'"),
        (("watch", "noted", "nobody"), "no user 'nobody'"),
        (("note", "noted", " "), "needs a text"),
    ):
        answer = monoscope("sessions", *words)
        assert (answer.code, answer.err.count("\n"), told in answer.err) == (1, 1, True), words


def test_a_session_is_listed_copied_and_removed_with_its_amounts(
    monoscope: Monoscope, demo_run: Run, solved: str
) -> None:
    assert monoscope("sessions", "copy", solved, "second").code == 0
    names = [one["name"] for one in monoscope("sessions", "list", "--json").json]
    assert {solved, "second", "less-horror-for-the-young"} <= set(names)
    assert monoscope("sessions", "copy", solved, "second").code == 1
    kept = monoscope("sessions", "remove", "second")
    assert (kept.code, "--yes" in kept.err) == (1, True)
    assert monoscope("sessions", "remove", "second", "--yes").code == 0
    assert not demo_run.home.session("second").exists()
    assert not demo_run.home.amounts("second").exists()
    for words in (("show", "second"), ("replay", "second"), ("remove", "second", "--yes"), ("note", "second", "x")):
        answer = monoscope("sessions", *words)
        assert (answer.code, answer.err.count("\n")) == (1, 1)
        assert "no session 'second'" in answer.err


def test_an_example_is_copied_onto_a_run(monoscope: Monoscope, demo_run: Run) -> None:
    assert monoscope("sessions", "copy", "out-of-the-popular-head", "popular").code == 0
    assert Session.read(demo_run.home, "popular", "demo").edits[0]["neuron"] == neuron_of(monoscope, "Popular head")
    assert monoscope("sessions", "replay", "popular", "--json").json["same"] is True
    assert "--run is for examples" in monoscope("sessions", "copy", "popular", "more", "--run", "demo").err
    assert "no example 'nope'" in monoscope("sessions", "copy", "nope", "more").err


def test_edits_stack_and_one_takes_another_ones_place_where_it_is_asked_to(monoscope: Monoscope) -> None:
    words = ("steer", "demo", "--neuron", 3, "--users", "true", "--session", "stacked")
    monoscope(*words, "--add", 1)
    back = monoscope(*words, "--add=-1", "--json").json
    assert [edit["amount"] for edit in back["edits"]] == [1.0, -1.0]
    assert back["collateral"]["lists_changed"] == 0
    assert monoscope("sessions", "replay", "stacked", "--json").json["same"] is True
    replaced = monoscope(*words, "--add", 2, "--replace", 1, "--json").json
    assert [edit["amount"] for edit in replaced["edits"]] == [2.0, -1.0]
    shown = monoscope("sessions", "show", "stacked", "--json").json
    assert [edit["amount"] for edit in shown["edits"]] == [2.0, -1.0]
    assert monoscope("sessions", "replay", "stacked", "--json").json["same"] is True
    assert "has no edit 3" in monoscope(*words, "--off", "--replace", 3).err
    assert monoscope(*words[:-2], "--off", "--replace", 1).code == 2
    assert monoscope(*words, "--off", "--serve", "decoded").code == 2


def test_a_session_that_another_process_changes_takes_no_edit_and_says_so_first(
    monoscope: Monoscope, demo_run: Run
) -> None:
    with Session.open(demo_run.home, "held", "demo") as journal:
        journal.append("watch", user="v0001")
        answer = monoscope("steer", "demo", "--neuron", 3, "--users", "true", "--off", "--session", "held")
    assert (answer.code, answer.out, answer.err.count("\n")) == (1, "", 1)
    assert "open in another terminal" in answer.err
    assert Session.read(demo_run.home, "held").edits == ()


def test_why_is_told_under_the_edits_of_a_session(monoscope: Monoscope, demo_run: Run, solved: str) -> None:
    with demo_run.catalogue() as catalogue:
        young = demo_run.recommender.users.ids[int(catalogue.match_users(YOUNG)[0])]
    listed = monoscope("recommend", "demo", "--user", young, "--session", solved, "--json").json["items"][4]
    words = ("why", "demo", "--user", young, "--item", listed["item_id"])
    facts = monoscope(*words, "--session", solved, "--json").json
    assert (facts["rank"], facts["edits"]) == (5, 2)
    assert facts["affinity"] == pytest.approx(listed["affinity"], abs=1e-5)
    assert facts["total"] == pytest.approx(facts["affinity"], abs=1e-4)
    assert "Under the 2 edits of session solved" in monoscope(*words, "--session", solved).out
    assert monoscope(*words, "--json").json["edits"] == 0


def test_a_copy_without_its_amounts_is_refused(monoscope: Monoscope, demo_run: Run, solved: str) -> None:
    monoscope("sessions", "copy", solved, "bare")
    shutil.rmtree(demo_run.home.amounts("bare"))
    answer = monoscope("sessions", "copy", "bare", "barer")
    assert (answer.code, "amounts" in answer.err) == (1, True)
    assert not demo_run.home.session("barer").exists()
    assert monoscope("sessions", "switch", "bare", 2, "--off").code == 0
    assert monoscope("recommend", "demo", "--user", "v0001", "--session", "bare").code == 0


def test_a_journal_with_an_impossible_edit_is_one_sentence(monoscope: Monoscope, demo_run: Run, solved: str) -> None:
    monoscope("sessions", "copy", solved, "zapped")
    path = demo_run.home.session("zapped")
    path.write_text(path.read_text().replace('"operation": "off"', '"operation": "zap"'))
    for words in (("sessions", "show", "zapped"), ("sessions", "replay", "zapped")):
        answer = monoscope(*words)
        assert (answer.code, answer.err.count("\n"), "operation" in answer.err) == (1, 1, True)


def test_an_item_reaches_half_of_a_cohort_by_title(monoscope: Monoscope) -> None:
    fans = "share('Comedy') >= 0.4 AND age_band = '25-34'"
    words = ("--users", fans, "--goal", "reach(High Noon,30)>=0.5", "--neurons-at-most", 4)
    facts = monoscope("steer", "demo", *words, "--json").json
    assert (facts["goal"], facts["about"]) == ("reach(f057,30)>=0.5", "High Noon (1952)")
    users = facts["collateral"]["users"]
    assert facts["after"]["reach"]["edited_items"][0]["users"] == pytest.approx(users / 2, abs=1)
    assert facts["cost"]["reached"] == pytest.approx(0.5, abs=0.02)
    unknown = monoscope("steer", "demo", "--users", "true", "--goal", "reach(Xyzzy)>=0.5")
    assert (unknown.code, "no item 'Xyzzy'" in unknown.err) == (1, True)


def test_a_guard_that_is_crossed_refuses_a_solved_edit_too(monoscope: Monoscope, demo_run: Run) -> None:
    words = ("--users", YOUNG, "--goal", "share(Drama)<=0", "--session", "guarded-goal", "--guard", "rbo>=0.999")
    refused = monoscope("steer", "demo", *words)
    assert (refused.code, "rbo>=0.999 does not hold" in refused.err) == (1, True)
    assert not demo_run.home.session("guarded-goal").exists()
    assert not demo_run.home.amounts("guarded-goal").exists()


def test_an_empty_home_has_the_examples_alone(elsewhere: Monoscope) -> None:
    assert "No sessions yet" in elsewhere("sessions").out
    assert [one["example"] for one in elsewhere("sessions", "--json").json] == [True] * 3
