import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import HomeError, SessionError
from engine.home import Home
from engine.session import Label, Session, State, copy_session, remove_session, sessions

OFF = {"side": "users", "neuron": 7, "operation": "off", "amount": None, "unit": "p99"}
MORE = {"side": "users", "neuron": 9, "operation": "add", "amount": 0.5, "unit": "p99"}


def open_session(home: Home, name: str = "work", run: str = "run") -> Session:
    return Session.open(home, name, run)


def lines(home: Home, name: str = "work") -> list[dict[str, Any]]:
    return [json.loads(line) for line in home.session(name).read_text().splitlines()]


def said_by(label: Label | None) -> tuple[str | None, str] | None:
    return None if label is None else (label.text, label.state)


@pytest.fixture
def filled(home: Home) -> Path:
    """A journal of four lines: open, label, edit, watch."""
    with open_session(home) as session:
        session.append("label", neuron=3, text="Space opera", state="human")
        session.append("edit", edit=OFF)
        session.append("watch", user="12")
    return home.session("work")


def test_state_is_what_the_journal_adds_up_to(home: Home, filled: Path) -> None:
    state = Session.read(home, "work")
    assert said_by(state.labels[3]) == ("Space opera", "human")
    assert state.edits == (OFF,)
    assert state.watched == ("12",)
    assert [line["action"] for line in lines(home)] == ["open", "label", "edit", "watch"]
    assert all(list(line)[:2] == ["time", "action"] for line in lines(home))
    with open_session(home) as session:
        assert session.state == state
        assert (session.read_only, session.notice) == (False, None)
    assert filled.read_text().endswith("\n")


def test_looking_creates_no_journal(home: Home) -> None:
    assert Session.read(home, "work") == State()
    with open_session(home) as session:
        assert session.state == State()
        assert session.append("undo") == State()
        assert session.append("redo") == State()
        assert session.append("clear") == State()
    assert not home.session("work").exists()
    assert sessions(home) == []


def test_the_sessions_of_a_home_are_listed_by_name(home: Home) -> None:
    assert sessions(home) == []
    for name in ("b", "a.2"):
        with open_session(home, name) as session:
            session.append("watch", user="1")
    assert sessions(home) == ["a.2", "b"]


def test_a_session_belongs_to_one_run(home: Home, filled: Path) -> None:
    with pytest.raises(SessionError, match="belongs to run run, not to run other"):
        open_session(home, run="other")
    with pytest.raises(SessionError, match="belongs to run run"):
        Session.read(home, "work", "other")
    with open_session(home) as session:
        assert not session.read_only, "the refused opener has let go of the lock"
    assert filled.exists()


def test_an_impossible_name_is_refused(home: Home) -> None:
    with pytest.raises(HomeError, match="cannot name a session"):
        open_session(home, "../x")


# Edits, users, undo and redo


def test_an_edit_takes_the_place_of_the_one_that_is_named(home: Home) -> None:
    with open_session(home) as session:
        session.append("edit", edit=OFF)
        session.append("edit", edit=MORE)
        state = session.append("edit", edit={**OFF, "operation": "add", "amount": 1.0}, replaces=0)
        assert [edit["neuron"] for edit in state.edits] == [7, 9]
        assert state.edits[0]["amount"] == 1.0
        assert session.append("edit", edit={**OFF, "side": "items"}).edits[2]["side"] == "items"
        assert len(session.append("drop", index=1).edits) == 2
        with pytest.raises(SessionError, match="there is no edit 2"):
            session.append("drop", index=2)
        assert session.append("clear").edits == ()
        assert [edit["neuron"] for edit in session.append("undo").edits] == [7, 7]
        assert [edit["neuron"] for edit in session.append("undo").edits] == [7, 9, 7]
        assert Session.read(home, "work") == session.state


def test_a_caller_cannot_change_the_state_behind_the_journal(home: Home) -> None:
    with open_session(home) as session:
        mine = dict(OFF)
        state = session.append("edit", edit=mine)
        mine["amount"] = 5.0
        state.edits[0]["amount"] = 6.0
        state.labels[1] = Label("x", "human")
        assert session.append("watch", user="1") == Session.read(home, "work")
        assert session.state.edits == (OFF,)


def test_the_user_watched_last_is_at_the_end(home: Home) -> None:
    with open_session(home) as session:
        for user in ("1", "2", "3", "1"):
            session.append("watch", user=user)
        assert session.state.watched == ("2", "3", "1")
        written = len(lines(home))
        assert session.append("watch", user="1").watched == ("2", "3", "1")
        assert len(lines(home)) == written
        assert session.append("undo").watched == ("1", "2", "3")
        assert session.append("undo").watched == ("1", "2")
        assert session.append("watch", user="2").watched == ("1", "2"), "2 is the last one again"
        assert session.append("redo").watched == ("1", "2", "3")


def test_undo_and_redo_go_through_every_action_and_are_written(home: Home) -> None:
    actions: list[tuple[str, dict[str, Any]]] = [
        ("label", {"neuron": 1, "text": "a", "state": "llm"}),
        ("edit", {"edit": OFF}),
        ("watch", {"user": "5"}),
        ("label", {"neuron": 1, "text": "b", "state": "human"}),
        ("drop", {"index": 0}),
        ("edit", {"edit": MORE}),
        ("clear", {}),
        ("label", {"neuron": 1, "text": None, "state": "none"}),
    ]
    with open_session(home) as session:
        states = [session.state, *(session.append(action, **data) for action, data in actions)]
        for expected in reversed(states[:-1]):
            assert session.append("undo") == expected == Session.read(home, "work")
        written = len(lines(home))
        assert session.append("undo") == states[0]
        assert len(lines(home)) == written, "nothing to undo writes nothing"
        for expected in states[1:]:
            assert session.append("redo") == expected == Session.read(home, "work")
    assert [line["action"] for line in lines(home)][-16:] == ["undo"] * 8 + ["redo"] * 8


def test_a_new_action_ends_what_could_be_redone(home: Home) -> None:
    with open_session(home) as session:
        session.append("edit", edit=OFF)
        session.append("undo")
        session.append("edit", edit=MORE)
        assert session.append("redo").edits == (MORE,)
        assert session.append("undo").edits == ()


ACTION: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.one_of(
    st.tuples(
        st.just("label"),
        st.fixed_dictionaries({
            "neuron": st.integers(0, 3), "text": st.sampled_from(["a", "b"]),
            "state": st.sampled_from(["none", "metadata", "llm", "human", "rejected", "failed"]),
        }),
    ),
    st.tuples(st.just("edit"), st.builds(lambda n, a: {"edit": {**MORE, "neuron": n, "amount": a}},
                                         st.integers(0, 3), st.sampled_from([0.5, 1.0]))),
    st.tuples(st.just("watch"), st.fixed_dictionaries({"user": st.sampled_from("123")})),
    st.tuples(st.sampled_from(["clear", "undo", "redo"]), st.just({})),
    st.tuples(st.just("drop"), st.just({"index": 0})),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(ACTION, max_size=20))
def test_replay_gives_the_state_that_append_gave(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, dict[str, Any]]]
) -> None:
    home = Home(tmp_path_factory.mktemp("home"))
    with open_session(home) as session:
        before = [session.state]
        for action, data in actions:
            if action == "drop" and not session.state.edits:
                continue
            state = session.append(action, **data)
            if action in ("label", "edit", "watch", "drop", "clear") and state != before[-1]:
                before.append(state)
                assert session.append("undo") == before[-2]
                assert session.append("redo") == state
            before.append(state)
        assert Session.read(home, "work") == session.state


# Labels


@pytest.mark.parametrize(
    ("first", "second", "stands"),
    [
        ("human", "llm", "human"), ("human", "metadata", "human"), ("human", "failed", "human"),
        ("rejected", "llm", "rejected"), ("rejected", "metadata", "rejected"), ("rejected", "failed", "rejected"),
        ("rejected", "human", "human"), ("human", "rejected", "rejected"), ("llm", "rejected", "rejected"),
        ("llm", "human", "human"), ("llm", "metadata", "metadata"), ("metadata", "llm", "llm"),
        ("llm", "failed", "llm"), ("metadata", "failed", "metadata"), ("failed", "llm", "llm"),
        ("human", "none", None), ("rejected", "none", None), ("llm", "none", None), ("failed", "none", None),
    ],
)  # fmt: skip
def test_which_label_stands(home: Home, first: str, second: str, stands: str | None) -> None:
    with open_session(home) as session:
        session.append("label", neuron=1, text="first", state=first)
        state = session.append("label", neuron=1, text="second", state=second)
    label = state.labels.get(1)
    assert (label.state if label else None) == stands
    assert [line["state"] for line in lines(home)[1:]] == [first, second], "a label that loses is on record"
    assert Session.read(home, "work") == state


def test_a_label_that_does_not_win_is_nothing_to_undo(home: Home) -> None:
    with open_session(home) as session:
        session.append("label", neuron=1, text="mine", state="human")
        session.append("label", neuron=1, text="its", state="llm")
        assert session.append("undo").labels == {}


def test_the_same_label_again_is_nothing_to_undo(home: Home) -> None:
    with open_session(home) as session:
        session.append("label", neuron=1, text="mine", state="human", time="2026-01-01T00:00:00Z")
        session.append("label", neuron=1, text="mine", state="human", time="2026-01-02T00:00:00Z")
        assert session.append("undo").labels == {}


def test_an_unlabelled_neuron_takes_a_model_s_label_again(home: Home) -> None:
    with open_session(home) as session:
        session.append("label", neuron=1, text="mine", state="human")
        session.append("label", neuron=1, text=None, state="none")
        state = session.append("label", neuron=1, text="its", state="llm", concept="C", model="m", note="why")
    label = state.labels[1]
    assert (label.text, label.concept, label.model, label.note) == ("its", "C", "m", "why")
    assert label.time == lines(home)[-1]["time"]


def test_text_loses_its_control_characters_on_the_way_in(home: Home) -> None:
    with open_session(home) as session:
        label = session.append(
            "label", neuron=1, text=" a\x1b[31mb\n", state="llm", concept=None, model="m\x00", note="\u202ex"
        ).labels[1]
    assert (label.text, label.model, label.note) == ("a [31mb", "m", "x")
    assert "\\u001b" not in home.session("work").read_text()


def test_text_of_a_foreign_journal_is_cleaned_too(home: Home, filled: Path) -> None:
    filled.write_text(filled.read_text().replace("Space opera", "Space\\u001b[31m opera"))
    assert Session.read(home, "work").labels[3].text == "Space [31m opera"


@pytest.mark.parametrize(
    ("action", "data", "said"),
    [
        ("label", {"neuron": 1, "text": "x", "state": "sure"}, "a label's state is one of"),
        ("label", {"neuron": 1, "text": " ", "state": "human"}, "needs a text"),
        ("label", {"neuron": 1, "text": 5, "state": "human"}, "must be a text"),
        ("label", {"neuron": -1, "text": "x", "state": "human"}, "data do not fit"),
        ("edit", {"edit": {"operation": "off"}}, "an edit has a neuron, or a goal"),
        ("edit", {"edit": MORE, "measured": 0.5}, "must be an object"),
        ("edit", {"edit": MORE, "replaces": 4}, "there is no edit 4"),
        ("switch", {"index": 1, "on": False}, "there is no edit 1, but 1"),
        ("note", {"text": " "}, "data do not fit"),
        ("bookmark", {"kind": "list", "id": "1", "on": True}, "data do not fit"),
        ("edit", {"edit": {**MORE, "amount": float("nan")}}, "cannot take this edit"),
        ("watch", {"user": 5}, "data do not fit"),
        ("jump", {}, "no action of this version"),
        ("open", {"run": "x"}, "no action of this version"),
    ],
)
def test_an_action_that_makes_no_sense_is_not_written(
    home: Home, filled: Path, action: str, data: dict[str, Any], said: str
) -> None:
    written = filled.read_bytes()
    with open_session(home) as session:
        state = session.state
        with pytest.raises(SessionError, match=said):
            session.append(action, **data)
        assert session.state == state
    assert filled.read_bytes() == written


HALF = {"goal": "share(Horror)<=0.5x", "where": "gender = 'F'", "amounts": "ab" * 32}


def test_edits_stack_in_order_whatever_they_are_for(home: Home) -> None:
    edits = (MORE, {**MORE, "amount": -0.5}, {**OFF, "where": "gender = 'F'"}, {**OFF, "side": "items"}, HALF, HALF)
    with open_session(home) as session:
        for edit in edits:
            session.append("edit", edit=edit)
        assert session.state.edits == edits
    assert Session.read(home, "work").edits == edits


def test_an_edit_is_switched_off_and_on_in_its_place(home: Home) -> None:
    with open_session(home) as session:
        session.append("edit", edit=OFF)
        session.append("edit", edit=MORE)
        assert session.append("switch", index=0, on=False).edits == ({**OFF, "on": False}, MORE)
        written = home.session("work").stat().st_size
        session.append("switch", index=0, on=False)
        assert home.session("work").stat().st_size == written
        assert session.append("switch", index=0, on=True).edits == (OFF, MORE)
        assert session.append("undo").edits == ({**OFF, "on": False}, MORE)


def test_figures_are_those_of_one_stack_however_it_is_come_by(home: Home) -> None:
    with open_session(home) as session:
        session.append("edit", edit=OFF)
        assert session.append("edit", edit=MORE, measured={"rbo": 0.5}).measured == {"rbo": 0.5}
        session.append("label", neuron=3, text="x", state="human")
        session.append("watch", user="1")
        assert session.state.measured == {"rbo": 0.5}
        for action, data in (("drop", {"index": 0}), ("switch", {"index": 1, "on": False}), ("clear", {})):
            assert session.append(action, **data).measured is None
            assert session.append("undo").measured == {"rbo": 0.5}
        session.append("switch", index=0, on=False)
        assert session.append("switch", index=0, on=True).measured == {"rbo": 0.5}
        assert session.append("edit", edit={**MORE, "amount": 2.0}).measured is None
        assert session.append("drop", index=2).measured == {"rbo": 0.5}
    assert Session.read(home, "work").measured == {"rbo": 0.5}


def test_figures_that_are_measured_later_are_kept_and_are_nothing_to_undo(home: Home) -> None:
    with open_session(home) as session:
        session.append("edit", edit=OFF)
        session.append("edit", edit=MORE)
        session.append("undo")
        assert session.append("measured", measured={"rbo": 0.5}).measured == {"rbo": 0.5}
        written = len(lines(home))
        session.append("measured", measured={"rbo": 0.5})
        assert len(lines(home)) == written
        assert session.append("redo").edits == (OFF, MORE)
        assert session.state.measured is None
        session.append("undo")
        assert session.state.measured == {"rbo": 0.5}
        assert session.append("undo").edits == ()
    assert Session.read(home, "work").measured is None


def test_notes_and_bookmarks_are_kept_in_order_and_taken_back(home: Home) -> None:
    with open_session(home) as session:
        session.append("note", text="Too\x1b[31m dark", about="neuron 4")
        session.append("note", text="Ask Ann")
        session.append("bookmark", kind="neuron", id="4", on=True)
        session.append("bookmark", kind="item", id="1032", on=True)
        session.append("bookmark", kind="neuron", id="4", on=False)
    state = Session.read(home, "work")
    assert [(note.text, note.about) for note in state.notes] == [("Too [31m dark", "neuron 4"), ("Ask Ann", None)]
    assert state.notes[0].time.endswith("Z")
    assert state.bookmarks == (("item", "1032"),)
    with open_session(home) as session:
        assert session.append("undo").bookmarks == (("neuron", "4"), ("item", "1032"))


# The run that a session is about
def trained(home: Home, name: str, sae: str) -> None:
    home.run(name).mkdir(parents=True, exist_ok=True)
    hashes = {"recommender.safetensors": "a" * 64, "sae.safetensors": sae * 64}
    (home.run(name) / "manifest.json").write_text(json.dumps({"hashes": hashes}))


def test_a_session_of_another_training_of_the_run_is_refused_and_a_renamed_copy_is_not(home: Home) -> None:
    trained(home, "run", "b")
    with open_session(home) as session:
        session.append("watch", user="1")
    trained(home, "copy", "b")
    assert Session.read(home, "work", "copy").watched == ("1",)
    trained(home, "run", "c")
    for opened in (lambda: open_session(home), lambda: Session.read(home, "work", "run")):
        with pytest.raises(SessionError, match="another training of run run"):
            opened()
    origin = Session.origin(home, "work")
    assert origin is not None
    assert origin.run == "run"


@pytest.mark.usefixtures("filled")
def test_copies_have_the_amounts_too_and_removing_one_leaves_the_other(home: Home) -> None:
    home.amounts("work").mkdir()
    (home.amounts("work") / "x.parquet").write_bytes(b"1")
    copy_session(home, "work", "mine")
    assert Session.read(home, "mine") == Session.read(home, "work")
    with pytest.raises(SessionError, match="exists already"):
        copy_session(home, "work", "mine")
    with open_session(home), pytest.raises(SessionError, match="another terminal"):
        remove_session(home, "work")
    remove_session(home, "work")
    assert sessions(home) == ["mine"]
    assert not home.amounts("work").exists()
    assert (home.amounts("mine") / "x.parquet").read_bytes() == b"1"
    with pytest.raises(SessionError, match="no session 'work'"):
        remove_session(home, "work")


# Two terminals


@pytest.mark.usefixtures("filled")
def test_the_second_terminal_reads_and_says_so(home: Home) -> None:
    with open_session(home) as first:
        with open_session(home) as second:
            assert second.read_only
            assert second.notice is not None
            assert "another terminal" in second.notice
            assert second.state == first.state
            with pytest.raises(SessionError, match="another terminal"):
                second.append("watch", user="99")
        first.append("watch", user="13")
    with open_session(home) as third:
        assert not third.read_only
        assert third.state.watched == ("12", "13")


def test_of_two_terminals_on_a_new_session_one_writes(home: Home) -> None:
    with open_session(home) as first, open_session(home) as second:
        assert (first.read_only, second.read_only) == (False, True)
        first.append("watch", user="1")
    assert Session.read(home, "work").watched == ("1",)


def test_a_closed_session_takes_nothing(home: Home) -> None:
    session = open_session(home)
    session.close()
    session.close()
    with pytest.raises(SessionError, match="is closed"):
        session.append("watch", user="1")


def test_a_file_system_without_locks_is_told_and_used(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.session.fcntl.flock", failing(OSError(95, "Operation not supported")))
    with open_session(home) as session:
        assert not session.read_only
        assert session.notice is not None
        assert "has no file locks" in session.notice
        session.append("watch", user="1")
    assert Session.read(home, "work").watched == ("1",)


# Damage


def test_a_torn_last_line_is_dropped_with_a_notice(home: Home, filled: Path) -> None:
    whole = filled.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(start + 1, len(whole)):
        filled.write_bytes(whole[:cut])
        with open_session(home) as session:
            assert session.notice is not None
            assert "cut short" in session.notice
            assert session.state.watched == ()
            assert filled.stat().st_size == cut, "looking changes nothing"
            if cut % 9 == 0:
                session.append("watch", user="13")
                assert lines(home)[-1]["user"] == "13"
                assert len(lines(home)) == 4
        assert Session.read(home, "work").edits == (OFF,)


def test_a_journal_that_is_torn_in_its_first_line_begins_again(home: Home, filled: Path) -> None:
    filled.write_bytes(filled.read_bytes()[:20])
    with open_session(home, run="another") as session:
        assert session.notice is not None
        session.append("watch", user="1")
    assert [line.get("run") for line in lines(home)] == ["another", None]


def test_zeros_at_the_end_count_as_torn(home: Home, filled: Path) -> None:
    whole = filled.read_bytes()
    filled.write_bytes(whole + b"\0" * 100 + b"\n")
    with open_session(home) as session:
        assert session.notice is not None
        session.append("undo")
    assert filled.read_bytes().startswith(whole)
    assert [line["action"] for line in lines(home)] == ["open", "label", "edit", "watch", "undo"]


@pytest.mark.parametrize(
    ("number", "line", "said"),
    [
        (2, b'{"time": "x", "action": "lab', "this is not JSON"),
        (2, b"\xff\xfe", "this is not JSON"),
        (2, b"[" * 100_000, "this is not JSON"),
        (2, b"[1]", "this is no action"),
        (3, b'{"time": "x", "action": "edit"}', "data do not fit"),
        (3, b'{"time": "x", "action": "dance"}', "'dance' is no action of this version"),
        (4, b'{"time": "x", "action": "drop", "index": 9}', "there is no edit 9"),
        (1, b'{"time": "x", "action": "watch", "user": "1"}', "before the line that names the run"),
        (3, b'{"time": "x", "action": "open", "run": "other"}', "this is no action"),
        (3, b'{"action": "label", "neuron": 1, "text": "", "state": "human"}', "needs a text"),
    ],
)
def test_a_corrupt_line_is_named_with_its_file(home: Home, filled: Path, number: int, line: bytes, said: str) -> None:
    broken = filled.read_bytes().splitlines()
    broken[number - 1] = line
    filled.write_bytes(b"\n".join(broken) + b"\n")
    with pytest.raises(SessionError) as caught:
        open_session(home)
    assert f"{filled}, line {number}: " in str(caught.value)
    assert said in str(caught.value)
    with pytest.raises(SessionError, match=f"line {number}"):
        Session.read(home, "work")


def test_blank_lines_do_no_harm(home: Home, filled: Path) -> None:
    state = Session.read(home, "work")
    filled.write_bytes(filled.read_bytes().replace(b"\n", b"\n\n"))
    with open_session(home) as session:
        assert (session.state, session.notice) == (state, None)
        session.append("watch", user="13")
    assert Session.read(home, "work").watched == ("12", "13")


def test_a_journal_that_cannot_be_read_is_told(home: Home) -> None:
    home.session("work").mkdir(parents=True)
    with pytest.raises(SessionError, match=r"Cannot read .*work\.jsonl: Is a directory"):
        Session.read(home, "work")


# The disk


def failing(error: OSError) -> Callable[..., Any]:
    def fail(*_arguments: Any) -> Any:
        raise error

    return fail


def half_written(descriptor: int, data: bytes) -> int:
    """A disk that takes ten bytes and is full then."""
    if len(data) <= 40:
        raise OSError(28, "No space left on device")
    return REAL_WRITE(descriptor, data[: len(data) - 40])


REAL_WRITE = os.write


@pytest.mark.parametrize(
    ("call", "replacement"),
    [
        ("write", half_written),
        ("write", failing(OSError(5, "Input/output error"))),
        ("fsync", failing(OSError(28, "No space left on device"))),
        ("open", failing(OSError(30, "Read-only file system"))),
    ],
)
def test_a_disk_that_takes_nothing_leaves_journal_and_state(
    home: Home, filled: Path, monkeypatch: pytest.MonkeyPatch, call: str, replacement: Callable[..., Any]
) -> None:
    written = filled.read_bytes()
    with open_session(home) as session:
        state = session.state
        with monkeypatch.context() as full:
            full.setattr(f"engine.session.os.{call}", replacement)
            with pytest.raises(SessionError, match=r"Cannot write .*work\.jsonl: .*; nothing was written\."):
                session.append("watch", user="13")
            assert session.state == state
            assert filled.read_bytes() == written
        assert session.append("watch", user="13").watched == ("12", "13")
    assert filled.read_bytes().startswith(written)
    assert Session.read(home, "work").watched == ("12", "13")


def test_a_short_write_is_continued(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.session.os.write", lambda descriptor, data: REAL_WRITE(descriptor, data[:7]))
    with open_session(home) as session:
        session.append("watch", user="1")
    assert Session.read(home, "work").watched == ("1",)


def test_a_first_line_that_does_not_fit_leaves_no_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_session(home) as session:
        with monkeypatch.context() as full:
            full.setattr("engine.session.os.write", half_written)
            with pytest.raises(SessionError, match="No space left"):
                session.append("watch", user="1")
            assert sessions(home) == []
        session.append("watch", user="1")
    assert [line["action"] for line in lines(home)] == ["open", "watch"]


def test_what_cannot_even_be_taken_back_is_removed_by_the_next_write(
    home: Home, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_session(home) as session:
        with monkeypatch.context() as broken:
            broken.setattr("engine.session.os.write", half_written)
            broken.setattr("engine.session.os.ftruncate", failing(OSError(5, "Input/output error")))
            with pytest.raises(SessionError, match="No space left"):
                session.append("watch", user="13")
        assert not filled.read_bytes().endswith(b"\n")
        session.append("watch", user="14")
    assert Session.read(home, "work").watched == ("12", "14")
    assert len(lines(home)) == 5


def test_an_interrupted_write_leaves_no_half_line(home: Home, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int, data: bytes) -> int:
        REAL_WRITE(descriptor, data[:9])
        raise KeyboardInterrupt

    written = filled.read_bytes()
    with open_session(home) as session:
        monkeypatch.setattr("engine.session.os.write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.append("watch", user="13")
        assert filled.read_bytes() == written


def test_a_home_that_cannot_be_written_is_read_and_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with open_session(Home(tmp_path / "file" / "home")) as session:
        assert session.read_only
        assert session.notice is not None
        assert "can be read, not changed: Cannot write to" in session.notice
        with pytest.raises(SessionError, match="Cannot write to"):
            session.append("watch", user="1")
        assert session.state == State()


@pytest.mark.usefixtures("filled")
def test_a_lock_that_cannot_be_made_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.session.os.open", failing(OSError(30, "Read-only file system")))
    with open_session(home) as session:
        assert session.read_only
        assert session.notice is not None
        assert session.notice.endswith("Read-only file system.")
        assert session.state.watched == ("12",)


def test_an_action_is_on_the_disk_when_append_returns(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("engine.session.os.fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    with open_session(home) as session:
        session.append("watch", user="1")
        journal, folder = home.session("work").stat().st_ino, home.sessions.stat().st_ino
        assert synced == [journal, folder], "a new file's name is made durable too"
        session.append("watch", user="2")
        assert synced == [journal, folder, journal]


def test_a_journal_that_another_program_changed_or_removed_is_not_written_to(home: Home, filled: Path) -> None:
    with open_session(home) as session:
        foreign = filled.read_bytes() + b'{"time": "x", "action": "clear"}\n'
        filled.write_bytes(foreign)
        with pytest.raises(SessionError, match="Another program has changed"):
            session.append("watch", user="13")
        assert filled.read_bytes() == foreign
        filled.unlink()
        with pytest.raises(SessionError, match="Cannot write"):
            session.append("watch", user="13")
        assert not filled.exists()


WRITER = """
import sys
from pathlib import Path
from engine.home import Home
from engine.session import Session

with Session.open(Home(Path(sys.argv[1])), "work", "run") as session:
    for number in range(1_000_000):
        session.append("watch", user=str(number))
        print(number, flush=True)
"""


def test_a_killed_process_loses_nothing_that_append_returned_for(home: Home) -> None:
    for after in (1, 2, 17):
        home.session("work").unlink(missing_ok=True)
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(home.root)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(after):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            told = after + len(writer.stdout.read().splitlines())
        with open_session(home) as session:
            assert not session.read_only, "a killed process holds no lock"
            kept = session.state.watched
            assert kept == tuple(str(number) for number in range(len(kept)))
            assert len(kept) in (told, told + 1)
            session.append("watch", user="after")
        assert Session.read(home, "work").watched == (*kept, "after")


def test_the_session_needs_nothing_but_the_standard_library() -> None:
    code = (
        "import sys, engine.session; "
        "print(sorted({m.partition('.')[0] for m in sys.modules} - set(sys.stdlib_module_names) - {'__main__'}))"
    )
    shown = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "['engine']"
