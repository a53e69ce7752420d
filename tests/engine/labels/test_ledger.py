import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from engine.errors import LabelError
from engine.home import Home
from engine.labels.ledger import BUSY_SECONDS, FREE, Asked, Charge, Ledger

ASKED = Asked("a-run", "label", "a-model", "http://a/v1")
BOUND = Charge(500, 4000, 0.5, estimated=True)


@pytest.fixture
def ledger(home: Home) -> Iterator[Ledger]:
    with Ledger.open(home) as opened:
        opened.prepare()
        yield opened


def test_reading_makes_no_file(home: Home) -> None:
    with Ledger.open(home) as ledger:
        assert ledger.spent() == []
        assert ledger.answer("key") is None
    assert not home.root.exists()


def test_an_answer_is_there_for_the_next_who_opens_the_home(home: Home, ledger: Ledger) -> None:
    ledger.answered(ledger.sent(ASKED, BOUND), Charge(5, 2, 0.1), "key", '{"label": "é"}')
    with Ledger.open(home) as again:
        assert again.answer("key") == '{"label": "é"}'
        assert again.answer("other") is None


def test_spending_is_summed_by_model_run_and_purpose(ledger: Ledger) -> None:
    other = Asked("b-run", "intruder", "b-model", "http://a/v1")
    ledger.answered(ledger.sent(ASKED, BOUND), Charge(10, 2, 0.25), "1", "{}")
    ledger.settle(ledger.sent(ASKED, BOUND), "failed", FREE)
    ledger.settle(ledger.sent(ASKED, BOUND), "cut", BOUND)
    ledger.sent(ASKED, BOUND)
    ledger.answered(ledger.sent(other, Charge(9, 9, None)), Charge(7, 3, None), "2", "{}")
    first, second = ledger.spent()
    assert (first.model, first.run, first.purpose) == ("a-model", "a-run", "label")
    assert (first.requests, first.failed, first.cut, first.estimated, first.unknown) == (4, 1, 2, 2, 0)
    assert (first.tokens_in, first.tokens_out, first.usd) == (1010, 8002, 1.25)
    assert (second.model, second.tokens_in, second.usd, second.unknown, second.estimated) == ("b-model", 7, None, 1, 0)
    assert ledger.spent("b-run") == [second]
    assert ledger.spent("c-run") == []


def test_a_request_that_was_noted_and_never_ended_counts_as_an_estimate(home: Home, ledger: Ledger) -> None:
    ledger.sent(ASKED, BOUND)
    with Ledger.open(home) as again:
        (spent,) = again.spent()
    assert (spent.requests, spent.cut, spent.estimated, spent.usd) == (1, 1, 1, 0.5)


def test_threads_may_write_at_once(ledger: Ledger) -> None:
    def work(thread: int) -> None:
        for number in range(25):
            ledger.answered(ledger.sent(ASKED, BOUND), Charge(1, 1, 0.5), f"{thread} {number}", "{}")

    threads = [Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (spent,) = ledger.spent()
    assert (spent.requests, spent.tokens_in, spent.usd, spent.estimated) == (100, 100, 50.0, 0)


def test_two_processes_may_have_it_open(home: Home, ledger: Ledger) -> None:
    with Ledger.open(home) as second:
        second.prepare()
        for number in range(5):
            ledger.answered(ledger.sent(ASKED, BOUND), FREE, f"a{number}", "{}")
            second.answered(second.sent(ASKED, BOUND), FREE, f"b{number}", "{}")
        assert ledger.spent() == second.spent()
        assert ledger.spent()[0].requests == 10


@pytest.mark.parametrize("content", [b"no database, by far " * 200, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_file_is_told_with_its_path(home: Home, content: bytes) -> None:
    home.root.mkdir(parents=True)
    path = home.root / "llm.sqlite"
    path.write_bytes(content)
    with pytest.raises(LabelError, match=r"damaged.*move it away") as caught:
        Ledger.open(home).prepare()
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_damage_within_is_seen_before_anything_is_asked(home: Home) -> None:
    with Ledger.open(home) as ledger:
        ledger.prepare()
        for number in range(300):
            ledger.answered(ledger.sent(ASKED, BOUND), FREE, f"{number}", "x" * 100)
    path = home.root / "llm.sqlite"
    data = bytearray(path.read_bytes())
    data[8192:16384] = b"\x5a" * 8192
    path.write_bytes(data)
    with pytest.raises(LabelError, match="damaged"):
        Ledger.open(home).prepare()


def test_a_newer_file_and_a_strangers_are_left_alone(home: Home) -> None:
    home.root.mkdir(parents=True)
    path = home.root / "llm.sqlite"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE theirs (x)")
    made.close()
    with pytest.raises(LabelError, match="is not monoscope's record"):
        Ledger.open(home)
    with sqlite3.connect(path) as made:
        made.execute("PRAGMA user_version = 99")
    made.close()
    with pytest.raises(LabelError, match="newer monoscope"):
        Ledger.open(home)


def test_an_empty_file_is_a_new_one(home: Home) -> None:
    home.root.mkdir(parents=True)
    (home.root / "llm.sqlite").touch()
    with Ledger.open(home) as ledger:
        assert ledger.spent() == []
        ledger.prepare()
        ledger.sent(ASKED, BOUND)
        assert ledger.spent()[0].requests == 1


def test_what_models_answered_is_its_owners_alone(home: Home) -> None:
    home.root.mkdir(parents=True)
    path = home.root / "llm.sqlite"

    def modes() -> dict[str, str]:
        return {each.name: oct(stat.S_IMODE(each.stat().st_mode)) for each in home.root.glob("llm.sqlite*")}

    before = os.umask(0)
    try:
        with Ledger.open(home) as ledger:
            ledger.prepare()
            ledger.sent(ASKED, BOUND)
            assert modes() == {"llm.sqlite": "0o600", "llm.sqlite-wal": "0o600", "llm.sqlite-shm": "0o600"}
        path.chmod(0o644)
        with Ledger.open(home) as ledger:
            ledger.prepare()
            ledger.sent(ASKED, BOUND)
            assert set(modes().values()) == {"0o600"}
    finally:
        os.umask(before)


def test_a_homes_name_may_hold_what_addresses_are_made_of(tmp_path: Path) -> None:
    home = Home(tmp_path / "a home?mode=memory#é %20")
    with Ledger.open(home) as ledger:
        ledger.prepare()
    assert (home.root / "llm.sqlite").is_file()


def test_a_home_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabelError, match="Cannot write to"):
        Ledger.open(Home(tmp_path / "file" / "home")).prepare()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_only_be_read_is_a_sentence(home: Home) -> None:
    with Ledger.open(home) as ledger:
        ledger.prepare()
    path = home.root / "llm.sqlite"
    path.chmod(stat.S_IRUSR)
    with Ledger.open(home) as ledger:
        assert ledger.spent() == []
        with pytest.raises(LabelError, match=r"llm\.sqlite cannot be used .*readonly"):
            ledger.prepare()


def test_a_file_that_another_holds_is_waited_for_and_then_a_sentence(
    home: Home, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert BUSY_SECONDS > 1
    monkeypatch.setattr("engine.labels.ledger.BUSY_SECONDS", 0.05)
    holder = sqlite3.connect(home.root / "llm.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with Ledger.open(home) as second, pytest.raises(LabelError, match="in use by another process"):
        second.prepare()
    holder.close()
    ledger.prepare()


def test_a_full_disk_is_a_sentence_and_leaves_the_note(ledger: Ledger) -> None:
    number = ledger.sent(ASKED, BOUND)
    with ledger._use("rw") as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LabelError, match=r"llm\.sqlite cannot be written .*make room"):
        ledger.answered(number, FREE, "key", "x" * 100_000)
    assert ledger.answer("key") is None
    assert ledger.spent()[0].estimated == 1
