"""What the engine tells before a language model is asked, and that what it then asks keeps to it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.answers import Answers
from engine.errors import LabelError
from engine.labels.ledger import Ledger
from engine.progress import silent
from engine.run import Run
from tests.engine.labels.asking import KEY, OURS
from tests.engine.labels.chat_server import ChatServer, chat_server
from tests.engine.labels.judging import reader

NEURONS = [2, 3]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """A server that the environment names, with a model and a price."""
    with chat_server() as running:
        running.choose = reader()
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        monkeypatch.setenv("MONOSCOPE_LLM_PRICE", "2/8")
        yield running


def asked(run: Run, method: str, **params: Any) -> dict[str, Any]:
    told = {"run": run.name, "neurons": NEURONS, "labels": {}, **params}
    return Answers(run.home).methods[method](told, silent, bool)


def test_without_a_model_the_metadata_are_asked_and_nothing_is_agreed_to(demo_run: Run) -> None:
    assert asked(demo_run, "label_plan") == {"asks": False, "why": None}


def test_a_model_without_a_key_says_so(demo_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSCOPE_LLM_MODEL", "keyless")
    told = asked(demo_run, "label_plan")
    assert not told["asks"]
    assert "OPENAI_API_KEY" in told["why"]


def test_a_plan_counts_what_is_then_sent(demo_run: Run, server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSCOPE_LLM_MODEL", "planned")
    plan = asked(demo_run, "label_plan")
    assert not server.requests
    assert (plan["asks"], plan["model"], plan["neurons"], plan["cached"]) == (True, "planned", 2, 0)
    assert 0 < plan["usd"] < plan["usd_most"] <= plan["max_cost"]
    actions = asked(demo_run, "label", labeller="llm", max_cost=plan["max_cost"])["actions"]
    assert not [told for told in actions if told["state"] == "failed"]
    assert len(server.requests) == plan["requests"]
    assert len(titles_in(server)) == plan["items"]
    with Ledger.open(demo_run.home) as ledger:
        (spent,) = [sum(row.usd or 0 for row in ledger.spent() if row.model == "planned")]
    assert 0 < spent <= plan["max_cost"]
    again = asked(demo_run, "label_plan")
    assert again["asks"]  # the tests of labels that are known by now are other questions
    assert again["cached"] > 0


def titles_in(server: ChatServer) -> set[tuple[Any, ...]]:
    """The items that the requests tell of."""
    found = set()
    for request in server.requests:
        content = request["body"]["messages"][-1]["content"]
        for line in content.splitlines():
            if line.startswith("{"):
                told = json.loads(line)
                for card in told.get("items", [told]):
                    if "title" in card:
                        found.add((card["title"], card.get("year")))
    return found


def test_no_user_is_told_of(demo_run: Run, server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSCOPE_LLM_MODEL", "curious")
    asked(demo_run, "label", labeller="llm", neurons=[5])
    sent = " ".join(request["raw"] for request in server.requests)
    assert sent
    assert not [user for user in demo_run.recommender.users.ids if user in sent]


def test_who_wants_the_metadata_sends_nothing(
    demo_run: Run, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONOSCOPE_LLM_MODEL", "unwanted")
    actions = asked(demo_run, "label", labeller="metadata")["actions"]
    assert {told["state"] for told in actions if told["action"] == "label"} == {"metadata"}
    assert not server.requests


def test_a_budget_that_is_too_small_is_one_sentence(
    demo_run: Run, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONOSCOPE_LLM_MODEL", "dear")
    monkeypatch.setenv("MONOSCOPE_LLM_MAX_COST", "0.001")
    with pytest.raises(LabelError, match=r"more than the \$0.001 of MONOSCOPE_LLM_MAX_COST"):
        asked(demo_run, "label_plan")
    monkeypatch.setenv("MONOSCOPE_LLM_MAX_COST", "lots")
    with pytest.raises(LabelError, match="must be an amount of US dollars above 0, not 'lots'"):
        asked(demo_run, "label_plan")
    monkeypatch.setenv("MONOSCOPE_LLM_MAX_COST", "50")
    assert asked(demo_run, "label_plan")["max_cost"] < 50
    monkeypatch.delenv("MONOSCOPE_LLM_PRICE")
    with pytest.raises(LabelError, match="price of dear is not known"):
        asked(demo_run, "label_plan")
    monkeypatch.delenv("MONOSCOPE_LLM_MAX_COST")
    assert asked(demo_run, "label_plan")["max_cost"] is None
    assert not server.requests


def test_the_budget_holds_whatever_a_client_says(
    demo_run: Run, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONOSCOPE_LLM_MODEL", "spender")
    monkeypatch.setenv("MONOSCOPE_LLM_MAX_COST", "0.0001")
    actions = asked(demo_run, "label", labeller="llm", max_cost=100.0)["actions"]
    assert "the limit of $0.0001 would be passed" in actions[0]["note"]
    assert not server.requests


@pytest.mark.usefixtures("server")
def test_a_key_is_in_no_plan(demo_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSCOPE_LLM_MODEL", "quiet")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert KEY not in json.dumps(asked(demo_run, "label_plan"))
