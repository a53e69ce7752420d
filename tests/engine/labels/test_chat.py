import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import LabelError
from engine.home import Home
from engine.labels.budget import Budget
from engine.labels.chat import Estimate, ask_all, estimate
from engine.labels.ledger import Ledger
from engine.labels.prices import Price
from engine.labels.questions import ANSWER_LIMIT, GIVE_UP_AFTER, LEAST_ANSWER_LIMIT, Answer
from engine.labels.settings import LlmSettings
from engine.progress import silent
from tests.engine.labels.asking import KEY, OURS, Named, ask, bare_environment, faulty, named, number_in, question
from tests.engine.labels.asking import settings_for as settings_of
from tests.engine.labels.chat_server import ChatServer, Reply, chat_server, completion, error

PRICE = Price(1.0, 10.0, "a test")
PROMPT_SECONDS = 1.5
"""Well under what a server sleeps that is cut off; on an idle machine it takes some hundredths."""
SLEEPY = replace(named(), after_seconds=30.0)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


@pytest.fixture
def ledger(home: Home) -> Iterator[Ledger]:
    with Ledger.open(home) as opened:
        yield opened


def answer_of(server: ChatServer, ledger: Ledger, *replies: Reply, **changes: Any) -> Answer:
    """What the real client gets of a server with these replies; no text of it holds the key."""
    server.replies = list(replies)
    answer = ask([question()], settings_of(server, **changes), ledger)[0]
    assert KEY not in repr(answer)
    assert KEY[:12] not in repr(answer)
    if answer.value is None:
        assert answer.failure
        assert answer.failure.endswith((".", "…"))
        assert "\n" not in answer.failure
    return answer


def statuses(ledger: Ledger) -> Counter[str]:
    with ledger._use("rw") as connection:
        return Counter(status for (status,) in connection.execute("SELECT status FROM spend"))


def kept(ledger: Ledger) -> int:
    with ledger._use("rw") as connection:
        return int(connection.execute("SELECT count(*) FROM responses").fetchone()[0])


def test_an_answer_comes_as_the_type_that_was_asked_for(server: ChatServer, ledger: Ledger) -> None:
    assert answer_of(server, ledger, named("Space")) == Answer(Named(label="Space", coherent=True))


def test_a_request_holds_the_messages_and_the_form_of_the_answer_and_nothing_else(
    server: ChatServer, ledger: Ledger
) -> None:
    answer_of(server, ledger, named())
    (request,) = server.requests
    assert request["path"] == "/v1/chat/completions"
    assert request["headers"]["authorization"] == f"Bearer {KEY}"
    body = request["body"]
    assert set(body) == {"model", "messages", "response_format"}
    assert body["messages"] == question().messages
    form = body["response_format"]
    assert (form["type"], form["json_schema"]["name"], form["json_schema"]["strict"]) == ("json_schema", "label", True)
    assert form["json_schema"]["schema"] == Named.model_json_schema()
    assert KEY not in request["raw"]


@pytest.mark.parametrize(
    ("reply", "said", "sent"),
    [
        (error(401, f"Incorrect API key provided: {KEY[:12]}****CRET"), "does not accept the key \\(401\\)", 1),
        (error(403, f"Bearer {KEY} may not"), "\\(403\\), it says: \\[key\\] may not", 1),
        (error(404, "no model a-model"), "no such model or address \\(404\\), it says: no model a-model; check", 1),
        (error(400, f"response_format of {KEY} is unknown"), "\\(400\\), it says: response_format of \\[key\\] is", 1),
        (error(408), "refuses the request \\(408\\)", 1),
        (error(429, "You exceeded your quota."), "limit of requests or spending \\(429\\), it says: You exceeded", 5),
        (error(500, "out of\nmemory"), "failed \\(500\\), it says: out of memory; try again later", 5),
        (Reply("<html>Bad Gateway</html>", 502), "failed \\(502\\); try again later", 5),
        (Reply({"error": "model 'x' not found"}, 404), "it says: model 'x' not found", 1),
        (replace(named(), cut=True), "was cut before the answer came", 1),
        (Reply({"choices": []}), "a reply without any answer", 1),
        (Reply({"choices": None}), "not answer as a chat completions server", 1),
        (Reply("[]"), "not answer as a chat completions server", 1),
        (Reply("{'a'", headers={"content-type": "application/json"}), "not answer as a chat completions server", 1),
        (Reply("<html>", headers={"content-type": "text/html"}), "not answer as a chat completions server", 1),
        (completion(None), "answer is empty", 1),
        (completion(None, refusal=f"I will not, {KEY}"), "declined: I will not, \\[key\\]", 1),
        (completion('{"label": "Hor', finish_reason="length"), "cut off", 1),
        (completion("", finish_reason="content_filter"), "content filter", 1),
        (completion("Horror, I would say."), "not JSON", 2),
        (completion('{"label": "Hor'), "not JSON", 2),
        (completion('{"label": "Horror"}'), "fit its schema: coherent: field required", 2),
        (completion('{"label": 5, "coherent": true}'), "fit its schema: label: ", 2),
        (completion('{"label": "x", "coherent": "yes"}'), "fit its schema: coherent: ", 2),
        (completion('["Horror"]'), "fit its schema: the whole", 2),
        (completion('{"label": "x", "coherent": true, "vote": 1}'), "fit its schema: vote: ", 2),
    ],
)
def test_whatever_goes_wrong_is_a_sentence_and_only_what_may_pass_is_sent_again(
    server: ChatServer, ledger: Ledger, reply: Reply, said: str, sent: int
) -> None:
    answer = answer_of(server, ledger, reply)
    assert answer.value is None
    assert re.search(said, str(answer.failure))
    assert len(server.requests) == sent
    assert kept(ledger) == 0


@pytest.mark.parametrize("fault", [error(429), error(500), error(503), SLEEPY])
def test_a_fault_that_passes_costs_no_answer(server: ChatServer, ledger: Ledger, fault: Reply) -> None:
    answer = answer_of(server, ledger, fault, fault, named(), timeout_seconds=1.0)
    assert answer.value is not None
    assert len(server.requests) == 3


def test_a_pause_that_a_server_asks_for_is_kept(server: ChatServer, ledger: Ledger) -> None:
    started = time.monotonic()
    answer = answer_of(server, ledger, Reply({}, 429, {"retry-after": "1"}), Reply({}, 503, {"retry-after-ms": "300"}),
                       named())  # fmt: skip
    assert answer.value is not None
    assert time.monotonic() - started >= 1.3


@pytest.mark.parametrize(
    "headers", [{"retry-after": "61"}, {"retry-after": "inf"}, {"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"}]
)
def test_a_server_cannot_make_the_client_wait_for_long(
    server: ChatServer, ledger: Ledger, headers: dict[str, str]
) -> None:
    assert answer_of(server, ledger, Reply({}, 429, headers)).value is None
    assert len(server.requests) == 1


@pytest.mark.parametrize("when", ["nonsense", "-5", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_pause_that_is_none_is_no_pause(server: ChatServer, ledger: Ledger, when: str) -> None:
    assert answer_of(server, ledger, Reply({}, 429, {"retry-after": when}), named()).value is not None


def test_a_server_that_drips_is_too_slow(server: ChatServer, ledger: Ledger) -> None:
    answer = answer_of(server, ledger, replace(named(), drip_seconds=0.1), timeout_seconds=0.4, retries=0)
    assert "did not answer within 0.4 seconds" in str(answer.failure)


def test_no_server_is_a_sentence_and_not_tried_again(ledger: Ledger) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
    answer = ask([question()], LlmSettings("a-model", url), ledger)[0]
    assert f"{url} cannot be reached" in str(answer.failure)
    assert "refused" in str(answer.failure).lower() or "connection" in str(answer.failure).lower()
    (spent,) = ledger.spent()
    assert (spent.requests, spent.failed, spent.cut, spent.tokens_in, spent.usd) == (1, 1, 0, 0, 0.0)


def test_a_client_that_cannot_be_set_up_is_a_sentence(monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> None:
    monkeypatch.setenv("HTTP_PROXY", "nonsense://here")
    answers = ask([question(1), question(2)], LlmSettings("a-model", "http://127.0.0.1:9/v1"), ledger)
    assert all("proxy" in str(answer.failure) for answer in answers.values())


def test_an_answer_that_is_not_what_was_asked_for_is_mended_in_one_turn(server: ChatServer, ledger: Ledger) -> None:
    answer = answer_of(server, ledger, completion('{"label": 5}', usage=(50, 10)), named("Space"))
    assert answer == Answer(Named(label="Space", coherent=True))
    first, second = (request["body"]["messages"] for request in server.requests)
    assert second[:2] == first
    assert second[2] == {"role": "assistant", "content": '{"label": 5}'}
    assert second[3]["role"] == "user"
    assert "does not fit its schema: label: input should be a valid string" in second[3]["content"]
    (spent,) = ledger.spent()
    assert (spent.requests, spent.failed, spent.tokens_in, spent.tokens_out) == (2, 1, 100, 20)


def test_a_further_demand_is_told_to_the_model(server: ChatServer, ledger: Ledger) -> None:
    def short(answer: Named) -> str | None:
        return None if len(answer.label) < 10 else "The label must have fewer than 10 letters."

    server.replies = [named("An endless label"), named("Short")]
    answer = ask([question(check=short)], settings_of(server), ledger)[0]
    assert answer.value == Named(label="Short", coherent=True)
    assert "The label must have fewer than 10 letters." in server.requests[1]["body"]["messages"][3]["content"]
    server.replies = [named("An endless label")]
    answer = ask([question(8, check=short)], settings_of(server), ledger)[0]
    assert answer.failure == "The model's answer is not usable: The label must have fewer than 10 letters."
    assert len(server.requests) == 4


def test_the_second_time_nothing_is_sent(server: ChatServer, ledger: Ledger) -> None:
    server.replies = [named()]
    first = ask([question(1), question(2)], settings_of(server), ledger)
    again = ask([question(1), question(2)], settings_of(server), ledger)
    assert len(server.requests) == 2
    assert [answer.cached for answer in first.values()] == [False, False]
    assert again == {position: replace(answer, cached=True) for position, answer in first.items()}
    assert statuses(ledger) == {"ok": 2}


def test_what_is_asked_afresh_replaces_what_was_kept_if_it_comes(server: ChatServer, ledger: Ledger) -> None:
    chosen = settings_of(server)

    def afresh() -> list[tuple[int, Answer]]:
        return list(ask_all([question()], chosen, ledger, "a-run", Budget(), silent, bool, fresh=True))

    server.replies = [named("Old"), named("New"), error(404)]
    ask([question()], chosen, ledger)
    assert afresh() == [(0, Answer(Named(label="New", coherent=True)))]
    assert afresh()[0][1].value is None
    assert ask([question()], chosen, ledger)[0] == Answer(Named(label="New", coherent=True), cached=True)


def everything_kept(ledger: Ledger) -> str:
    files = [ledger.path, *ledger.path.parent.glob("llm.sqlite-*")]
    return " ".join(path.read_bytes().decode("latin-1") for path in files)


@pytest.mark.parametrize(
    "spelled", [KEY, f"Bearer {KEY}", KEY.replace("s", "\\u0073", 1), "sk-another-0123456789", f"a {KEY} b"]
)
def test_a_key_that_an_answer_repeats_is_neither_kept_nor_given(
    server: ChatServer, ledger: Ledger, spelled: str
) -> None:
    server.replies = [completion(f'{{"label": "{spelled}", "coherent": true}}')]
    for cached in (False, True):
        answer = ask([question()], settings_of(server), ledger)[0]
        assert isinstance(answer.value, Named)
        assert "[key]" in answer.value.label
        assert "sk-" not in answer.value.label
        assert answer.cached is cached
    assert '"label"' in everything_kept(ledger)
    assert KEY not in everything_kept(ledger)
    assert KEY[2:] not in everything_kept(ledger)
    assert "sk-another" not in everything_kept(ledger)


def test_an_answer_that_is_far_too_long_is_a_failure(server: ChatServer, ledger: Ledger) -> None:
    answer = answer_of(server, ledger, named("x" * (300 << 10)))
    assert answer.failure == "The model's answer is longer than 256 KB."
    assert len(server.requests) == 1
    assert kept(ledger) == 0


def test_what_is_asked_twice_in_one_call_is_sent_once(server: ChatServer, ledger: Ledger) -> None:
    server.choose = lambda body, _before: named(f"n{number_in(body)}")
    asked = [question(1), question(2), question(1), question(1, check=lambda _answer: "No.")]
    answers = ask(asked, settings_of(server), ledger)
    assert len(server.requests) == 2
    assert answers[2] == Answer(Named(label="n1", coherent=True), cached=True)
    assert answers[3].failure == "The model's answer is not usable: No."
    assert estimate([question(7), question(7)], settings_of(server)).requests == 1


def test_what_failed_is_asked_again(server: ChatServer, ledger: Ledger) -> None:
    assert answer_of(server, ledger, completion("no JSON")).value is None
    server.requests.clear()
    assert answer_of(server, ledger, named()) == Answer(Named(label="Horror", coherent=True))


def test_another_prompt_model_form_or_server_is_another_question(server: ChatServer, ledger: Ledger) -> None:
    class Other(Named):
        reason: str | None = None

    server.replies = [named()]
    chosen = settings_of(server)
    ask([question()], chosen, ledger)
    for asked, settings in (
        (question(8), chosen),
        (question(answer=Other), chosen),
        (question(), replace(chosen, model="b-model")),
        (question(), replace(chosen, base_url=server.base_url.replace("127.0.0.1", "localhost"))),
    ):
        before = len(server.requests)
        assert not ask([asked], settings, ledger)[0].cached
        assert len(server.requests) == before + 1
        assert ask([asked], settings, ledger)[0].cached


def test_a_kept_answer_that_no_longer_does_is_asked_for_again(server: ChatServer, ledger: Ledger) -> None:
    server.replies = [named()]
    ask([question()], settings_of(server), ledger)
    answer = ask(
        [question(check=lambda answer: "No." if answer.label == "Horror" else None)], settings_of(server), ledger
    )
    assert answer[0].failure == "The model's answer is not usable: No."


def test_one_questions_failure_is_no_others(server: ChatServer, ledger: Ledger) -> None:
    server.choose = lambda body, _before: completion("no") if number_in(body) == 2 else named(f"n{number_in(body)}")
    answers = ask([question(number) for number in range(5)], settings_of(server), ledger)
    values = [answers[position].value for position in range(5)]
    assert values == [None if n == 2 else Named(label=f"n{n}", coherent=True) for n in range(5)]


@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_so_many_are_asked_at_once_and_no_more(server: ChatServer, ledger: Ledger, concurrency: int) -> None:
    def when_all_are_there(_body: dict[str, Any], _before: int) -> Reply:
        _wait_for(lambda: server.most >= concurrency, seconds=10.0)
        return replace(named(), after_seconds=0.05)

    server.choose = when_all_are_there
    ask([question(number) for number in range(2 * concurrency)], settings_of(server, concurrency=concurrency), ledger)
    assert server.most == concurrency


def test_a_server_that_refuses_again_and_again_is_left_alone(server: ChatServer, ledger: Ledger) -> None:
    server.replies = [error(401)]
    answers = ask([question(number) for number in range(20)], settings_of(server, concurrency=1), ledger)
    assert len(server.requests) == GIVE_UP_AFTER
    assert all(answer.failure for answer in answers.values())
    assert str(answers[19].failure).startswith("Not asked after 3 failures in a row: ")
    assert "401" in str(answers[19].failure)
    server.requests.clear()
    ask([question(number) for number in range(20)], settings_of(server, concurrency=4), ledger)
    assert len(server.requests) <= GIVE_UP_AFTER + 3


def test_tries_that_are_used_up_are_the_servers_failure_too(server: ChatServer, ledger: Ledger) -> None:
    server.replies = [error(503)]
    answers = ask([question(number) for number in range(9)], settings_of(server, concurrency=1, retries=1), ledger)
    assert len(server.requests) == 2 * GIVE_UP_AFTER
    assert str(answers[8].failure).startswith("Not asked after 3 failures in a row: ")


def test_answers_that_make_no_sense_and_successes_between_do_not_stop_the_rest(
    server: ChatServer, ledger: Ledger
) -> None:
    def by_number(body: dict[str, Any], _before: int) -> Reply:
        return (error(404), error(404), completion("no"), error(404), error(404), named())[number_in(body) % 6]

    server.choose = by_number
    answers = ask([question(number) for number in range(18)], settings_of(server, concurrency=1), ledger)
    assert [position for position, answer in answers.items() if answer.value] == [5, 11, 17]
    server.replies, server.choose = [completion("no")], None
    answers = ask([question(number) for number in range(100, 110)], settings_of(server), ledger)
    assert not any("Not asked" in str(answer.failure) for answer in answers.values())


def test_progress_ends_at_one(server: ChatServer, ledger: Ledger) -> None:
    server.replies = [named()]
    ask([question(4)], settings_of(server), ledger)
    heard: list[tuple[float, str]] = []
    asked = [question(4), question(5)]
    list(ask_all(asked, settings_of(server), ledger, "a-run", Budget(), lambda *said: heard.append(said), bool))
    assert heard == [(0.0, "0 of 2 answers"), (0.5, "1 of 2 answers"), (1.0, "2 of 2 answers")]


def asking_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "language model" in thread.name]


def three_and_then_none(body: dict[str, Any], _before: int) -> Reply:
    """Three quick answers, and then none for half a minute."""
    return named() if number_in(body) < 3 else SLEEPY


def test_cancelling_keeps_what_arrived_and_cuts_what_is_under_way(server: ChatServer, ledger: Ledger) -> None:
    server.choose = three_and_then_none
    arrived: list[int] = []
    since: list[float] = []

    def cancelled() -> bool:
        if len(arrived) == 3 and server.most == 4 and not since:
            since.append(time.monotonic())
        return bool(since)

    asked = [question(number) for number in range(50)]
    for position, _answer in ask_all(asked, settings_of(server), ledger, "a-run", Budget(), silent, cancelled):
        arrived.append(position)
    assert time.monotonic() - since[0] < PROMPT_SECONDS
    assert sorted(arrived) == [0, 1, 2]
    assert not asking_threads()
    _wait_for(lambda: server.hung_up == 4)
    assert len(server.requests) == 7
    assert statuses(ledger) == {"ok": 3, "cut": 4}
    (spent,) = ledger.spent()
    assert (spent.cut, spent.estimated) == (4, 4)


def test_an_answer_that_arrived_before_cancelling_is_still_given(server: ChatServer, ledger: Ledger) -> None:
    server.replies = [named()]
    chosen = settings_of(server)
    stopped: list[bool] = []
    given = ask_all([question(1), question(2)], chosen, ledger, "a-run", Budget(), silent, lambda: bool(stopped))
    next(given)
    _wait_for(lambda: statuses(ledger)["ok"] == 2)
    stopped.append(True)
    assert len(list(given)) == 1


def test_cancelled_from_the_start_nothing_is_asked(server: ChatServer, ledger: Ledger) -> None:
    assert not list(ask_all([question()], settings_of(server), ledger, "a-run", Budget(), silent, lambda: True))
    assert not server.requests


def test_closing_the_generator_cuts_what_is_under_way(server: ChatServer, ledger: Ledger) -> None:
    server.choose = three_and_then_none
    given = ask_all(
        [question(number) for number in range(50)], settings_of(server), ledger, "a-run", Budget(), silent, bool
    )
    next(given)
    _wait_for(lambda: server.most == 4)
    started = time.monotonic()
    given.close()
    assert time.monotonic() - started < PROMPT_SECONDS
    assert not asking_threads()
    _wait_for(lambda: server.hung_up >= 1)


@pytest.mark.parametrize("mistake", [KeyboardInterrupt, ZeroDivisionError])
def test_an_exception_of_the_callers_cuts_what_is_under_way(
    server: ChatServer, ledger: Ledger, mistake: type[BaseException]
) -> None:
    server.replies = [SLEEPY]
    since: list[float] = []

    def cancelled() -> bool:
        if server.most == 4:
            since.append(time.monotonic())
            raise mistake
        return False

    asked = [question(number) for number in range(50)]
    with pytest.raises(mistake):
        list(ask_all(asked, settings_of(server), ledger, "a-run", Budget(), silent, cancelled))
    assert time.monotonic() - since[0] < PROMPT_SECONDS
    assert not asking_threads()
    _wait_for(lambda: server.hung_up == 4)


def test_a_mistake_in_a_check_is_raised_and_hides_no_answer(server: ChatServer, ledger: Ledger) -> None:
    server.replies = [named()]
    with pytest.raises(ZeroDivisionError):
        ask([question(1, check=lambda _answer: str(1 / 0))], settings_of(server), ledger)
    assert not asking_threads()


ASKING = """
import logging, sys
from pathlib import Path
from engine.home import Home
from engine.labels.budget import Budget
from engine.labels.chat import ask_all
from engine.labels.settings import settings
from engine.labels.ledger import Ledger
from tests.engine.labels.asking import question

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
chosen, ledger = settings(), Ledger.open(Home(Path(sys.argv[1])))
print(repr(chosen), str(chosen), chosen.key, repr(ledger))
"""
INTERRUPTED = """
print("asking", flush=True)
list(ask_all([question(n) for n in range(9)], chosen, ledger, "a-run", Budget(), lambda *said: None, bool))
"""
LEAKING = """
from rich.console import Console
from rich.traceback import Traceback

def wrong(*said):
    raise ZeroDivisionError("on purpose")

def show(error):
    shown = Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True,
        locals_max_length=None, locals_max_string=None, locals_hide_dunder=False, locals_hide_sunder=False)
    Console(width=200, file=sys.stdout).print(shown)
    print(repr(error), str(error), error.__context__, error.__cause__)

late = iter([False] * 2)
for number, (progress, cancelled, check) in enumerate([
    (wrong, bool, None),
    (lambda *said: None, lambda: next(late, None) is None and wrong(), None),
    (lambda *said: None, bool, wrong),
]):
    try:
        print(list(ask_all([question(number, check=check)], chosen, ledger, "a-run", Budget(), progress, cancelled)))
    except ZeroDivisionError as error:
        show(error)
print(list(ask_all([question(n) for n in range(10, 20)], chosen, ledger, "a-run", Budget(), lambda *said: None, bool)))
import os
del os.environ["MONOSCOPE_LLM_MODEL"]
try:
    settings()
except Exception as error:
    show(error)
"""


def _environment(server: ChatServer, **more: str) -> dict[str, str]:
    named_by = {"MONOSCOPE_LLM_MODEL": "a-model", "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
    return bare_environment() | named_by | more


def test_the_key_is_in_no_log_no_repr_and_no_traceback(server: ChatServer, home: Home) -> None:
    def by_number(body: dict[str, Any], before: int) -> Reply:
        if number_in(body) < 10 or before:
            return named()
        return (
            error(401, f"{KEY} is wrong"), error(500, f"{KEY} failed"), completion(None, refusal=f"not with {KEY}"),
            replace(named(), cut=True), completion(f"{KEY}"), error(400, f"Bearer {KEY}"),
        )[number_in(body) % 6]  # fmt: skip

    server.choose = by_number
    words = [sys.executable, "-c", ASKING + LEAKING, str(home.root)]
    environment = _environment(server, OPENAI_LOG="debug", MONOSCOPE_LLM_TIMEOUT="5")
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said
    assert said.count("ZeroDivisionError: on purpose") >= 3
    assert "locals" in said
    assert "HTTP Request: POST" in said
    assert "does not accept the key" in said
    assert KEY not in said
    assert KEY[3:20] not in re.sub(r"\s|│", "", said)


@pytest.mark.parametrize(("signal", "status"), [(2, "cut"), (9, "sent")])
def test_what_was_under_way_when_the_process_ended_counts(
    server: ChatServer, home: Home, signal: int, status: str
) -> None:
    server.replies = [SLEEPY]
    words = [sys.executable, "-c", ASKING + INTERRUPTED, str(home.root)]
    with subprocess.Popen(words, env=_environment(server), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        _wait_for(lambda: server.most == 4, seconds=30.0)
        child.send_signal(signal)
        started = time.monotonic()
        child.communicate(timeout=20)
    assert time.monotonic() - started < 3.0
    assert child.returncode != 0
    _wait_for(lambda: server.hung_up == 4)
    with Ledger.open(home) as ledger:
        assert statuses(ledger) == {status: 4}
        (spent,) = ledger.spent("a-run")
        assert (spent.requests, spent.cut, spent.estimated) == (4, 4, 4)


def test_a_limit_of_cost_needs_a_price(server: ChatServer, ledger: Ledger) -> None:
    with pytest.raises(LabelError, match=r"price of a-model is not known.*give --price"):
        ask_all([question()], settings_of(server), ledger, "a-run", Budget(1.0), silent, bool)
    with pytest.raises(LabelError, match="must be an amount"):
        ask_all([question()], settings_of(server, price=PRICE), ledger, "a-run", Budget(float("nan")), silent, bool)


@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize("dear", [True, False])
def test_a_limit_of_cost_holds_for_requests_under_way_together(
    server: ChatServer, ledger: Ledger, concurrency: int, dear: bool
) -> None:
    def by_number(body: dict[str, Any], before: int) -> Reply:
        if number_in(body) % 5 == 0 and not before:
            return error(500)
        usage = (len(json.dumps(body)), 1600) if dear else (100 + number_in(body), 500)
        mended = number_in(body) % 7 or len(body["messages"]) > 2
        content = '{"label": "x", "coherent": true}' if mended else "no JSON"
        return replace(completion(content, usage=usage), after_seconds=0.005)

    server.choose = by_number
    limit = 0.2
    asked = [question(number) for number in range(120)]
    answers = ask(asked, settings_of(server, price=PRICE, concurrency=concurrency), ledger, limit)
    (spent,) = ledger.spent()
    assert spent.usd is not None
    assert spent.usd <= limit
    assert spent.usd > limit - 0.05
    assert spent.usd == pytest.approx((spent.tokens_in + 10 * spent.tokens_out) / 1e6)
    assert spent.estimated == 0
    assert all(request["body"]["max_completion_tokens"] == 1600 for request in server.requests)
    failures = [str(answer.failure) for answer in answers.values() if answer.value is None]
    over = re.compile(
        r"Not asked: the limit of \$0\.20 would be passed "
        r"\(\$0\.\d+ spent, and one request more may cost up to \$0\.0\d+\)\."
    )
    assert len(failures) > 30
    assert all(over.fullmatch(failure) for failure in failures)
    assert statuses(ledger)["ok"] == len(asked) - len(failures)
    assert len(set(failures)) == 1
    assert server.most <= (1 if concurrency == 1 else 11)


def test_a_request_whose_cost_nobody_told_counts_as_the_most_that_it_can_have_cost(
    server: ChatServer, ledger: Ledger
) -> None:
    server.replies = [named(usage=None)]
    answers = ask([question(number) for number in range(9)], settings_of(server, price=PRICE), ledger, 0.04)
    (spent,) = ledger.spent()
    assert spent.estimated == spent.requests == len(server.requests) == 2
    assert server.most == 1
    assert spent.usd is not None
    assert 0.03 < spent.usd < 0.04
    assert sum(answer.value is None for answer in answers.values()) == 7


@pytest.mark.parametrize(
    ("reply", "charged"),
    [
        (replace(named(), cut=True), True), (SLEEPY, True), (Reply("<html>"), True),
        (error(429), False), (error(500), False), (error(404), False),
    ],
)  # fmt: skip
def test_only_what_a_server_may_charge_for_counts(
    server: ChatServer, ledger: Ledger, reply: Reply, charged: bool
) -> None:
    server.replies = [reply]
    ask([question()], settings_of(server, price=PRICE, timeout_seconds=1.0, retries=0), ledger)
    (spent,) = ledger.spent()
    assert spent.usd is not None
    assert (spent.usd > 0.015, spent.estimated) == (charged, charged)


@pytest.mark.parametrize(
    ("usage", "why"),
    [((50, 20_000), "does not keep to the limit of 1,600 tokens"), ((20_000, 10), "counts more tokens for what it is")],
)
def test_a_server_that_breaks_what_a_limit_of_cost_rests_on_is_sent_nothing_more(
    server: ChatServer, ledger: Ledger, usage: tuple[int, int], why: str
) -> None:
    server.replies = [replace(named(usage=usage), after_seconds=0.02)]
    asked = [question(number) for number in range(9)]
    chosen, budget = settings_of(server, price=PRICE, concurrency=8), Budget(0.1)
    answers = dict(ask_all(asked, chosen, ledger, "a-run", budget, silent, bool))
    assert len(server.requests) == 1
    assert sum(answer.value is not None for answer in answers.values()) == 1
    failures = {str(answer.failure) for answer in answers.values() if answer.value is None}
    assert len(failures) == 1
    assert why in failures.pop()
    later = dict(ask_all([question(20)], chosen, ledger, "a-run", budget.next(), silent, bool))
    assert why in str(later[0].failure)
    assert len(server.requests) == 1


def test_an_answer_that_breaks_the_limit_and_cannot_be_used_is_not_mended(server: ChatServer, ledger: Ledger) -> None:
    server.replies = [completion("no JSON", usage=(50, 2_000))]
    answer = ask([question()], settings_of(server, price=PRICE), ledger, 1.0)[0]
    assert "does not keep to the limit" in str(answer.failure)
    assert len(server.requests) == 1


def test_with_a_limit_of_cost_the_first_request_goes_alone(server: ChatServer, ledger: Ledger) -> None:
    alone: list[int] = []

    def choose(_body: dict[str, Any], _before: int) -> Reply:
        alone.append(len(server.requests))
        if len(alone) == 1:
            time.sleep(0.1)
            assert len(server.requests) == 1
        else:
            _wait_for(lambda: server.most >= 4, seconds=10.0)
        return named()

    server.choose = choose
    asked = [question(number) for number in range(5)]
    answers = ask(asked, settings_of(server, price=PRICE, concurrency=4), ledger, 1.0)
    assert all(answer.value for answer in answers.values())
    assert server.most == 4
    server.choose, server.most = None, 0
    server.replies = [replace(named(), after_seconds=0.05)]
    ask([question(number) for number in range(20, 25)], settings_of(server, price=PRICE, concurrency=4), ledger)
    assert server.most == 4  # without a limit there is nothing to prove


@pytest.mark.parametrize(("usual", "limit"), [(30, LEAST_ANSWER_LIMIT), (100, 1600), (600, ANSWER_LIMIT)])
def test_an_answer_has_room_by_its_usual_length(server: ChatServer, ledger: Ledger, usual: int, limit: int) -> None:
    server.replies = [completion("", finish_reason="length", usage=(50, limit))]
    asked = [question(answer_tokens=usual)]
    answer = ask(asked, settings_of(server, price=PRICE), ledger, 1.0)[0]
    assert server.requests[0]["body"]["max_completion_tokens"] == limit
    assert f"cut off at {limit:,} tokens" in str(answer.failure)
    assert "because of --max-cost" in str(answer.failure)
    assert "server's limit" in str(ask(asked, settings_of(server), ledger)[0].failure)


def test_the_least_limit_of_cost_that_is_told_is_enough_for_all_and_less_is_not(
    server: ChatServer, ledger: Ledger
) -> None:
    asked = [question(number, answer_tokens=100 + 50 * (number == 3)) for number in range(10, 16)]
    chosen = settings_of(server, price=PRICE)
    told = estimate(asked, chosen).usd_least_limit
    assert told is not None
    one = estimate([asked[0]], chosen)
    server.replies = [named(usage=(one.tokens_in, 100))]
    with_less = ask(asked, chosen, ledger, told - 0.002)
    assert any("may cost up to $0.01" in str(answer.failure) for answer in with_less.values())
    enough = list(ask_all(asked, chosen, ledger, "a-run", Budget(told + 1e-9), silent, bool, fresh=True))
    assert all(answer.value for _position, answer in enough)


def test_input_that_a_server_keeps_for_later_costs_a_quarter_more(server: ChatServer, ledger: Ledger) -> None:
    reply = named(usage=(1000, 10))
    reply.body["usage"]["prompt_tokens_details"] = {"cached_tokens": 0, "cache_write_tokens": 800}
    answer_of(server, ledger, reply, price=PRICE)
    assert ledger.spent()[0].usd == pytest.approx((1200 + 100) / 1e6)


@pytest.mark.parametrize("usage", [{}, {"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": "many"}, None])
def test_a_usage_that_makes_no_sense_is_none(server: ChatServer, ledger: Ledger, usage: Any) -> None:
    reply = named()
    reply.body["usage"] = usage
    assert answer_of(server, ledger, reply).value is not None
    assert ledger.spent()[0].estimated == 1


def test_an_estimate_sends_and_writes_nothing(server: ChatServer, home: Home) -> None:
    asked = [question(1), question(2, answer_tokens=30)]
    chosen = settings_of(server, price=PRICE)
    with Ledger.open(home) as ledger:
        before = estimate(asked, chosen, ledger)
        assert not home.root.exists()
        assert not server.requests
        sent = len(json.dumps(Named.model_json_schema())) + len("Name it.") + len("neuron 1")
        assert before.tokens_in == pytest.approx(2 * sent / 4, abs=2)
        assert before.usd == pytest.approx((before.tokens_in + 10 * 130) / 1e6)
        assert (before.requests, before.cached, before.tokens_out) == (2, 0, 130)
        server.replies = [named()]
        ask(asked[:1], chosen, ledger)
        after = estimate(asked, replace(chosen, price=None), ledger)
        assert (after.requests, after.cached, after.tokens_out, after.usd) == (1, 1, 30, None)
        assert estimate([], chosen, ledger) == Estimate(0, 0, 0, 0, 0.0)


def test_a_ledger_that_cannot_be_written_is_told_before_anything_is_asked(server: ChatServer, home: Home) -> None:
    home.root.mkdir(parents=True)
    with Ledger.open(home) as ledger:
        (home.root / "llm.sqlite").mkdir()
        with pytest.raises(LabelError, match=r"llm\.sqlite cannot be used"):
            ask_all([question()], settings_of(server), ledger, "a-run", Budget(), silent, bool)
    assert not server.requests


def test_a_full_disk_loses_no_answer_and_sends_nothing_that_is_not_noted(server: ChatServer, ledger: Ledger) -> None:
    server.replies = [named("x" * 2000)]
    ledger.prepare()
    with ledger._use("rw") as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 12}")
    asked = [question(number) for number in range(60)]
    answers = ask(asked, settings_of(server), ledger)
    good = [position for position, answer in answers.items() if answer.value is not None]
    assert 0 < len(good) < 60
    assert all("llm.sqlite cannot be written" in str(a.failure) for a in answers.values() if a.value is None)
    assert sum(statuses(ledger).values()) == len(server.requests) == len(good)


def test_three_hundred_questions_to_a_server_that_fails_a_fifth_of_the_time(server: ChatServer, ledger: Ledger) -> None:
    server.choose = lambda body, before: faulty(body, before, seed=8)
    asked = [question(number) for number in range(300)]
    answers = ask(asked, settings_of(server, concurrency=16), ledger)
    good = {position: answer.value for position, answer in answers.items() if answer.value is not None}
    assert good == {position: Named(label=f"label {position}", coherent=True) for position in good}
    failures = Counter(str(answer.failure).split("(")[0] for answer in answers.values() if answer.value is None)
    cut = failures[f"The connection to {server.base_url} was cut before the answer came "]
    assert len(good) > 280
    assert cut > 3
    assert sum(failures.values()) - cut == sum(count for said, count in failures.items() if "not JSON" in said)
    counted = statuses(ledger)
    assert counted["ok"] == len(good)
    assert counted["cut"] == cut
    assert sum(counted.values()) == len(server.requests)
    assert counted["failed"] > 30
    assert server.most <= 16
    assert estimate(asked, settings_of(server), ledger).cached == kept(ledger) == len(good)


def test_openai_is_not_imported_before_something_is_asked() -> None:
    code = "import sys, engine.labels.chat; sys.exit(any(m in sys.modules for m in ('openai', 'tenacity', 'httpx2')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def _wait_for(true: Callable[[], bool], seconds: float = 2.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.01)
