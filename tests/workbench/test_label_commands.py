"""The label commands as an analyst types them, against a server on loopback or without one."""

import csv
import io
import json
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.run import Run
from engine.session import Session
from tests.engine.labels.asking import OURS
from tests.engine.labels.chat_server import ChatServer, Reply, chat_server, error
from tests.engine.labels.judging import purpose, reader
from tests.workbench.cli import Monoscope, neuron_of
from workbench.label_table import interval
from workbench.progress_lines import UNATTENDED


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        running.choose = reader()
        yield running


def test_without_a_language_model_the_metadata_name_and_test_neurons_and_it_says_so(monoscope: Monoscope) -> None:
    neuron = neuron_of(monoscope, "Horror")
    answer = monoscope("label", "demo", "--neurons", neuron, "--session", "offline")
    assert answer.code == 0
    assert "so the metadata name the neurons" in answer.out
    assert "chance .50" in answer.out
    (row,) = monoscope("labels", "demo", "--session", "offline", "--json").json
    assert (row["text"], row["state"], row["purity20"], row["best_purity20"]) == ("Horror", "metadata", 1.0, 1.0)
    assert {kind for kind, score in row["scores"].items() if score["state"] == "scored"} == {
        "detection",
        "intruder",
        "held-out",
        "moves",
    }


def test_json_is_all_that_is_written(monoscope: Monoscope) -> None:
    answer = monoscope("label", "demo", "--neurons", "2", "--session", "json", "--json")
    assert isinstance(json.loads(answer.out), list)


def test_a_model_that_is_named_is_asked_and_judges(monoscope: Monoscope, server: ChatServer) -> None:
    neuron = neuron_of(monoscope, "Horror")
    words = ("--neurons", neuron, "--model", "any", "--base-url", server.base_url, "--session", "asked")
    (row,) = monoscope("label", "demo", *words, "--json").json
    assert (row["text"], row["state"], row["concept"], row["model"]) == ("Horror", "llm", "Horror", "any")
    assert row["scores"]["detection"]["judge"] == "any"
    shown = monoscope("labels", "demo", "show", neuron, "--session", "asked").out
    for part in ("shown to who named it", "near by neuron", "detection, judged by any", "intruder, judged by any"):
        assert part in shown
    spent = monoscope("label", "demo", "--spend", "--json").json
    assert {one["purpose"] for one in spent if one["model"] == "any"} == {"label", "detection", "intruder"}
    assert "any" in monoscope("label", "--spend").out


def test_an_estimate_names_its_price_or_that_it_is_not_known_and_sends_nothing(
    monoscope: Monoscope, server: ChatServer
) -> None:
    words = ("label", "demo", "--neurons", "0-3", "--model", "estimated", "--base-url", server.base_url, "--dry-run")
    facts = monoscope(*words, "--json").json
    assert facts["requests"] == 12
    assert facts["usd"] is None
    assert "the price is not known" in monoscope(*words).out
    priced = monoscope(*words, "--price", "2/8", "--json").json
    assert priced["usd"] == pytest.approx((2 * priced["tokens_in"] + 8 * priced["tokens_out"]) / 1e6)
    assert not server.requests
    assert "--max-cost 0." in monoscope(*words, "--price", "2/8").out
    assert "--max-cost" not in monoscope(*words).out
    unnamed = monoscope("label", "demo", "--neurons", "0-3", "--dry-run").out
    assert "To send it, name the model" in unnamed
    assert "To send it" not in monoscope(*words).out
    assert "12 requests" in unnamed
    assert "a model of your choice" in unnamed
    assert "Nothing would be sent" in monoscope("label", "demo", "--labeller", "metadata", "--dry-run").out


def test_a_job_asks_a_model_under_a_limit_alone(
    monoscope: Monoscope, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(UNATTENDED, "1")
    asks = ("--model", "any", "--base-url", server.base_url, "--session", "job", "--price", "2/8")
    for command in (("label", "demo", "--neurons", "3"), ("labels", "demo", "score")):
        refused = monoscope(*command, *asks)
        assert (refused.code, "A job does not ask any without a limit" in refused.err) == (1, True)
    assert not server.requests
    assert monoscope("label", "demo", "--neurons", "3", *asks, "--dry-run").code == 0
    assert monoscope("label", "demo", "--neurons", "3", "--session", "job", "--labeller", "metadata").code == 0
    monkeypatch.setenv("MONOSCOPE_LLM_MAX_COST", "0.00001")
    assert "the limit of $0.00001 would be passed" in monoscope("label", "demo", "--neurons", "3", *asks).out
    assert not server.requests
    assert monoscope("label", "demo", "--neurons", "3", *asks, "--max-cost", "1").code == 0
    assert server.requests
    monkeypatch.setenv("MONOSCOPE_LLM_MAX_COST", "much")
    assert "MONOSCOPE_LLM_MAX_COST must be" in monoscope("label", "demo", "--neurons", "3", *asks).err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max-cost", "1"), "give --price IN/OUT"),
        (("--max-cost", "-1"), "above 0"),
        (("--max-cost", "nan"), "above 0"),
        (("--price", "cheap"), "--price must be two prices"),
        (("--fields", "year"), "neither title nor concepts"),
        (("--fields", "title,plot"), "no field 'plot'"),
        (("--tests", "vibes"), "no test 'vibes'"),
        (("--judge", "me"), "no judge 'me'"),
        (("--labeller", "me"), "no labeller 'me'"),
        (("--base-url", "nonsense"), "must look like"),
        (("--neurons", "1-0"), "range 1-0 ends before it begins; write it 0-1"),
        (("--neurons", "0-99999999999999999999"), "no number of a neuron"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(
    monoscope: Monoscope, server: ChatServer, words: tuple[str, ...], said: str
) -> None:
    base = () if "--base-url" in words else ("--base-url", server.base_url)
    answer = monoscope("label", "demo", "--neurons", "1", "--model", "any", *base, *words, "--session", "refused")
    assert answer.code == 1
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert not answer.out
    assert not server.requests
    assert "no session 'refused'" in monoscope("labels", "demo", "--session", "refused").err


@pytest.mark.parametrize(
    "words",
    [("--base-url", "http://127.0.0.1:9/v1"), ("--labeller", "metadata", "--judge", "llm"), ("--judge", "llm")],
)
def test_without_a_model_one_sentence_is_told_and_nothing_stored(monoscope: Monoscope, words: tuple[str, ...]) -> None:
    answer = monoscope("label", "demo", "--neurons", "1-3", *words, "--session", "unnamed")
    assert (answer.code, answer.out, answer.err.count("\n")) == (1, "", 1)
    assert "No model is named" in answer.err
    assert "no session 'unnamed'" in monoscope("labels", "demo", "--session", "unnamed").err


def test_a_models_labels_without_a_key_are_failures_that_are_told_once(monoscope: Monoscope) -> None:
    words = ("label", "demo", "--neurons", "1-3,5", "--model", "any", "--session", "nokey")
    answer = monoscope(*words)
    assert answer.code == 1
    assert answer.out.count("No key for the language model") == 1
    assert "Failed: label of neurons 1-3, 5. No key" in answer.out
    assert "chance" not in answer.out
    listed = monoscope("labels", "demo", "--session", "nokey")
    assert listed.code == 0
    assert listed.out.count("No key") == 1
    unnamed = monoscope("label", "demo", "--neurons", "1", "--labeller", "llm", "--session", "nomodel")
    assert "Failed: label of neuron 1. No model is named" in unnamed.out


def test_ctrl_c_says_what_has_come_and_keeps_it(monoscope: Monoscope, server: ChatServer) -> None:
    right, journal = reader(), monoscope.home.sessions / "cut.jsonl"

    def choose(body: dict[str, Any], before: int) -> Reply:
        if len(server.requests) == 3:
            until = time.monotonic() + 20
            while journal.read_text().count('"evidence"') < 2 and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(0.5)
        return right(body, before)

    server.choose = choose
    base = ("--model", "any", "--base-url", server.base_url, "--concurrency", "1", "--session", "cut")
    answer = monoscope("label", "demo", "--neurons", "1-8", *base)
    assert answer.code == 130
    assert "monoscope: stopped; 2 labels and 0 scores had come and are kept in session cut" in answer.err
    assert "training" not in answer.err
    assert len(monoscope("labels", "demo", "--session", "cut", "--json").json) == 2
    for more, fate in (((), "kept in session cut"), (("--shuffled",), "not kept")):
        server.requests.clear()
        answer = monoscope("labels", "demo", "score", "--judge", "llm", *base, *more)
        assert answer.code == 130
        assert re.search(r"monoscope: stopped; \d+ scores had come and are", answer.err)
        assert fate in answer.err


def test_an_analysts_label_is_neither_asked_for_nor_replaced(monoscope: Monoscope, server: ChatServer) -> None:
    monoscope("labels", "demo", "set", 5, "Mine", "--session", "decided")
    words = ("--neurons", "5,6", "--model", "any", "--base-url", server.base_url, "--session", "decided")
    facts = monoscope("label", "demo", *words, "--dry-run", "--json").json
    assert (facts["requests"], facts["labels_by_hand"], facts["about_labels_to_come"]) == (5, 1, 1)
    told = monoscope("label", "demo", *words, "--dry-run").out
    assert "1 label by hand would be tested" in told
    assert "What 1 test would ask depends on labels yet to come" in told
    assert monoscope("label", "demo", *words).code == 0
    sent = sorted(purpose(request["body"]) for request in server.requests)
    assert sent == ["detection", "detection", "intruder", "intruder", "label"]
    again = monoscope("label", "demo", *words, "--dry-run", "--json").json
    assert (again["requests"], again["cached"]) == (0, 5)
    monoscope("label", "demo", "--neurons", "5", "--labeller", "metadata", "--tests", "none", "--session", "decided")
    kinds = [
        json.loads(line).get("state")
        for line in (monoscope.home.sessions / "decided.jsonl").read_text().splitlines()
        if '"label"' in line and '"neuron":5' in line.replace(" ", "")
    ]
    assert "metadata" not in kinds


def test_a_small_limit_of_cost_is_told_with_what_one_request_may_cost(monoscope: Monoscope, server: ChatServer) -> None:
    words = (
        "--neurons",
        "2,3",
        "--model",
        "any",
        "--base-url",
        server.base_url,
        "--price",
        "1/1",
        "--session",
        "small",
    )
    answer = monoscope("label", "demo", *words, "--max-cost", "0.001")
    assert answer.code == 1
    assert not server.requests
    assert "the limit of $0.001 would be passed ($0.00 spent, and one request more may cost up to $0.0" in answer.out
    least = re.search(r"--max-cost ([\d.]+) is the least", monoscope("label", "demo", *words, "--dry-run").out)
    assert least is not None
    assert monoscope("label", "demo", *words, "--max-cost", least.group(1)).code == 0
    assert len(server.requests) == 6


def test_a_server_that_does_not_keep_the_limit_is_asked_once(monoscope: Monoscope, server: ChatServer) -> None:
    right = reader()

    def choose(body: dict[str, Any], before: int) -> Reply:
        reply = right(body, before)
        reply.body["usage"]["completion_tokens"] = 50_000
        return reply

    server.choose = choose
    words = (
        "--neurons",
        "1-6",
        "--model",
        "any",
        "--base-url",
        server.base_url,
        "--price",
        "1/1",
        "--session",
        "loose",
    )
    answer = monoscope("label", "demo", *words, "--max-cost", "1")
    assert answer.code == 1
    assert len(server.requests) == 1
    assert answer.out.count("does not keep to the limit of 1,600 tokens") == 1


def test_a_label_that_is_too_long_is_refused_as_it_is_by_an_import(monoscope: Monoscope) -> None:
    answer = monoscope("labels", "demo", "set", 1, "x" * 201, "--session", "long")
    assert (answer.code, answer.err.count("\n")) == (1, 1)
    assert "201 characters is too long; 200 are the most" in answer.err
    assert monoscope("labels", "demo", "set", 1, "x" * 200, "--session", "long").code == 0


def test_decisions_can_be_read_by_programs(monoscope: Monoscope) -> None:
    base = ("--session", "rows", "--json")
    (row,) = monoscope("labels", "demo", "set", 1, "Spooky", *base).json
    assert (row["neuron"], row["text"], row["state"]) == (1, "Spooky", "human")
    (row,) = monoscope("labels", "demo", "resolve", 1, "Horror", *base).json
    assert row["concept"] == "Horror"
    assert monoscope("labels", "demo", "accept", 1, *base).json == []
    (row,) = monoscope("labels", "demo", "reject", 1, *base).json
    assert row["state"] == "rejected"
    (row,) = monoscope("labels", "demo", "clear", 1, *base).json
    assert (row["neuron"], row["text"], row["state"]) == (1, None, "none")
    (row,) = monoscope("labels", "demo", "set", 1, *base, "--", "-x").json
    assert row["text"] == "-x"
    assert "set J -- TEXT" in " ".join(monoscope("labels", "--help").out.split())


def test_a_label_that_says_that_there_is_no_concept_means_none(monoscope: Monoscope, demo_run: Run) -> None:
    with Session.open(demo_run.home, "nothing", "demo") as journal:
        journal.append("label", neuron=1, text="no coherent concept", state="metadata")
    answer = monoscope("labels", "demo", "resolve", 1, "Horror", "--session", "nothing")
    assert (answer.code, answer.err.count("\n")) == (1, 1)
    assert "set one that names something first" in answer.err


def test_shuffled_scores_say_so_and_show_no_figure_of_the_true_items(monoscope: Monoscope) -> None:
    neuron = neuron_of(monoscope, "Horror")
    monoscope("labels", "demo", "set", neuron, "Horror", "--session", "says")
    words = ("labels", "demo", "score", neuron, "--session", "says")
    told = monoscope(*words, "--shuffled").out
    assert told.startswith("On shuffled metadata, where every score must be chance. Nothing of this is kept.")
    assert not {"label@20", "best@20", "moves"} & set(told.split())
    assert {"label@20", "best@20", "moves"} <= set(monoscope(*words).out.split())


def test_a_name_by_the_metadata_that_does_not_hold_has_a_mark(monoscope: Monoscope, demo_run: Run) -> None:
    def score(value: float, chance: float) -> dict[str, Any]:
        figures = {"value": value, "chance": chance, "low": 0.0, "high": 1.0, "purity10": value, "purity20": value}
        return {"kind": "held-out", "state": "scored", "judge": "metadata", "concept": "Horror", "figures": figures}

    cases = [("metadata", 0.3, 0.1, False), ("metadata", 0.9, 0.1, True), ("metadata", 0.9, 0.6, False)]
    cases += [("llm", 0.3, 0.1, False), ("metadata", None, None, None)]
    with Session.open(demo_run.home, "weak", "demo") as journal:
        for neuron, (state, value, chance, _holds) in enumerate(cases):
            journal.append("label", neuron=neuron, text=f"Name{neuron}", state=state, concept="Horror")
            if value is not None:
                journal.append("score", neuron=neuron, **score(value, chance))
    rows = monoscope("labels", "demo", "--session", "weak", "--json").json
    assert [row["holds"] for row in rows] == [holds for *_case, holds in cases]
    told = monoscope("labels", "demo", "--session", "weak").out
    assert [f"Name{number} ?" in told for number in range(5)] == [True, False, True, False, False]
    assert "?: a name by the metadata that does not hold on the held-out half" in told
    assert "1 of 4 would name its neuron on the held-out items too (mean .60, chance .23)" in told


def test_the_most_surprising_concept_is_not_called_the_purest(monoscope: Monoscope, demo_run: Run) -> None:
    hits, names = demo_run.screen["hits20"], [entry.concept for entry in demo_run.reach]
    base = np.array([entry.base_rate for entry in demo_run.reach])
    with Session.open(demo_run.home, "purest", "demo") as journal:
        for neuron in range(len(hits)):
            told = (hits[neuron] > 0) & (hits[neuron] / 20 >= 2 * base)
            best = int(np.where(told, hits[neuron], -1).argmax())
            name = names[best] if told[best] else "Horror"
            journal.append("label", neuron=neuron, text=name, state="llm", concept=name)
    rows = monoscope("labels", "demo", "--session", "purest", "--json").json
    purest = sum(row["is_purest"] is True for row in rows)
    surprising = sum(row["concept"] == row["best_concept"] for row in rows)
    assert purest == sum(((hits[n] > 0) & (hits[n] / 20 >= 2 * base)).any() for n in range(len(hits)))
    assert surprising != purest
    told = monoscope("labels", "demo", "--session", "purest").out
    assert f"{surprising} the neuron's most surprising concept, {purest} one that none" in told
    other = next(row for row in rows if row["concept"] != row["best_concept"] and row["best_concept"])
    assert f" {other['best_concept']}" in told
    assert "best@20: purity of the neuron's most surprising concept" in told


def test_a_narrow_terminal_shows_whole_figures_and_the_columns_that_fit(
    monoscope: Monoscope, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--neurons", "0-5", "--labeller", "metadata", "--session", "narrow")
    monoscope("label", "demo", *words)
    monkeypatch.setattr("workbench.tables.PIPE_WIDTH", 80)
    monkeypatch.setattr("workbench.label_table.sys", SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True)))
    narrow = monoscope("labels", "demo", "--session", "narrow").out
    head, *lines = narrow.splitlines()
    assert head.split() == ["neuron", "label", "state", "detection", "held-out", "moves"]
    assert max(map(len, narrow.splitlines())) <= 80
    rows = monoscope("labels", "demo", "--session", "narrow", "--json").json
    scored = [row["scores"]["detection"]["figures"] for row in rows if row["scores"]["detection"]["figures"]]
    assert scored
    assert all(any(interval(figures) in line for line in lines) for figures in scored)
    whole = "\n".join(lines)
    assert "intruder:" not in whole
    assert "label@20" not in whole
    assert "held-out items, half of which" in " ".join(whole.split())


def test_a_failure_is_told_beside_a_label_that_stands(monoscope: Monoscope, server: ChatServer) -> None:
    monoscope("labels", "demo", "set", 5, "Mine", "--session", "stands")
    server.choose = lambda _body, _before: error(400, "no such thing")
    words = ("--neurons", "5", "--model", "any", "--base-url", server.base_url, "--session", "stands")
    answer = monoscope("label", "demo", *words)
    assert answer.code == 1
    assert "Failed: detection, intruder of" not in answer.out
    assert answer.out.count("no such thing") == 1
    assert "Failed: detection of neuron 5, intruder of neuron 5. " in answer.out
    (row,) = monoscope("labels", "demo", "--session", "stands", "--json").json
    assert (row["text"], row["state"]) == ("Mine", "human")


def test_the_analyst_accepts_rejects_resolves_and_clears(monoscope: Monoscope, demo_run: Run) -> None:
    with Session.open(demo_run.home, "decide", "demo") as journal:
        for neuron, text in ((1, "Spooky"), (2, "Spaceships"), (3, "Laughs")):
            journal.append("label", neuron=neuron, text=text, state="llm", model="m")

    def states() -> dict[int, tuple[str | None, str, str | None]]:
        rows = monoscope("labels", "demo", "--session", "decide", "--json").json
        return {row["neuron"]: (row["text"], row["state"], row["concept"]) for row in rows}

    assert "2 labels changed" in monoscope("labels", "demo", "accept", "1,2", "--session", "decide").out
    assert monoscope("labels", "demo", "reject", 3, "--note", "No.", "--session", "decide").code == 0
    assert "means Horror" in monoscope("labels", "demo", "resolve", 1, "horror films", "--session", "decide").out
    assert states() == {
        1: ("Spooky", "human", "Horror"),
        2: ("Spaceships", "human", None),
        3: ("Laughs", "rejected", None),
    }
    monoscope("label", "demo", "--neurons", "1-3", "--labeller", "metadata", "--tests", "none", "--session", "decide")
    assert states()[3] == ("Laughs", "rejected", None)
    assert monoscope("labels", "demo", "clear", "2,3", "--session", "decide").code == 0
    assert states() == {1: ("Spooky", "human", "Horror")}
    refused = monoscope("labels", "demo", "accept", 9, "--session", "decide")
    assert refused.code == 1
    assert "Neuron 9 has no label" in refused.err
    assert "no concept 'Blorp'" in monoscope("labels", "demo", "resolve", 1, "Blorp", "--session", "decide").err


def test_a_label_by_hand_is_tested_like_any_other(monoscope: Monoscope) -> None:
    neuron = neuron_of(monoscope, "Horror")
    monoscope("labels", "demo", "set", neuron, "Scary", "--concept", "Horror", "--session", "tested")
    (row,) = monoscope(
        "labels", "demo", "score", neuron, "--tests", "held-out,detection", "--session", "tested", "--json"
    ).json
    right = row["scores"]["held-out"]["figures"]
    assert right["value"] > right["chance"] + 0.5
    monoscope("labels", "demo", "set", neuron, "Wild West", "--concept", "Western", "--session", "tested")
    assert not {"held-out", "detection"} & set(
        monoscope("labels", "demo", "--session", "tested", "--json").json[0]["scores"]
    )
    (row,) = monoscope("labels", "demo", "score", "--tests", "held-out,detection", "--session", "tested", "--json").json
    wrong = row["scores"]["held-out"]["figures"]
    assert wrong["value"] < 0.2
    assert row["scores"]["detection"]["figures"]["low"] < 0.5


def test_scores_on_shuffled_metadata_are_shown_and_not_kept(monoscope: Monoscope) -> None:
    neuron = neuron_of(monoscope, "Horror")
    monoscope("labels", "demo", "set", neuron, "Horror", "--session", "shuffled")
    words = ("labels", "demo", "score", neuron, "--tests", "held-out", "--session", "shuffled")
    (row,) = monoscope(*words, "--shuffled", "--json").json
    assert row["scores"]["held-out"]["figures"]["value"] < 0.5
    assert monoscope("labels", "demo", "--session", "shuffled", "--json").json[0]["scores"] == {}


@pytest.mark.parametrize("name", ["labels.json", "labels.csv"])
def test_what_is_exported_can_be_imported_elsewhere(monoscope: Monoscope, tmp_path: Path, name: str) -> None:
    source, target = f"out-{name[-4:].strip('.')}", f"in-{name[-4:].strip('.')}"
    monoscope("labels", "demo", "set", 1, "=HYPERLINK(1)", "--concept", "Horror", "--session", source)
    monoscope("labels", "demo", "set", 2, 'Straße, "quoted" 🎬', "--note", "Why not", "--session", source)
    monoscope("label", "demo", "--neurons", 4, "--labeller", "metadata", "--session", source)
    assert monoscope("labels", "demo", "export", tmp_path / name, "--session", source).code == 0
    assert "3 labels taken over" in monoscope("labels", "demo", "import", tmp_path / name, "--session", target).out

    def facts(session: str) -> list[tuple[object, ...]]:
        rows = monoscope("labels", "demo", "--session", session, "--json").json
        return [tuple(row[key] for key in ("neuron", "text", "state", "concept", "note")) for row in rows]

    assert facts(target) == facts(source)
    assert facts(source)[0][1:4] == ("=HYPERLINK(1)", "human", "Horror")


@pytest.mark.parametrize("text", ["'=x", "''=x", "'tis", "=x", "'", "''", "-1", "@a", "x'=y"])
def test_a_label_that_begins_like_a_formula_or_with_a_quote_comes_back_as_it_was(
    monoscope: Monoscope, tmp_path: Path, text: str
) -> None:
    monoscope("labels", "demo", "set", 1, "--session", "quoted", "--", text)
    monoscope("labels", "demo", "export", tmp_path / "l.csv", "--session", "quoted")
    monoscope("labels", "demo", "clear", 1, "--session", "quoted")
    monoscope("labels", "demo", "import", tmp_path / "l.csv", "--session", "quoted")
    assert [row["text"] for row in monoscope("labels", "demo", "--session", "quoted", "--json").json] == [text]


def test_a_spreadsheet_runs_nothing_of_an_export(monoscope: Monoscope, tmp_path: Path) -> None:
    monoscope("labels", "demo", "set", 1, "=cmd|' /C calc'!A0", "--session", "formula")
    monoscope("labels", "demo", "export", tmp_path / "l.csv", "--session", "formula")
    (row,) = csv.DictReader(io.StringIO((tmp_path / "l.csv").read_text()))
    assert row["label"] == "'=cmd|' /C calc'!A0"
    assert row["run"] == "demo"


def test_labels_by_hand_are_kept_unless_an_import_is_told_to_replace_them(monoscope: Monoscope, tmp_path: Path) -> None:
    monoscope("labels", "demo", "set", 1, "Mine", "--session", "conflict")
    (tmp_path / "l.csv").write_text("neuron,label,state\n1,Theirs,human\n2,Other,llm\n")
    answer = monoscope("labels", "demo", "import", tmp_path / "l.csv", "--session", "conflict")
    assert "1 label taken over, without scores" in answer.out
    assert "yours kept (--replace takes the file's): 1." in answer.out
    texts = [row["text"] for row in monoscope("labels", "demo", "--session", "conflict", "--json").json]
    assert texts == ["Mine", "Other"]
    monoscope("labels", "demo", "import", tmp_path / "l.csv", "--replace", "--session", "conflict")
    texts = [row["text"] for row in monoscope("labels", "demo", "--session", "conflict", "--json").json]
    assert texts == ["Theirs", "Other"]
    (tmp_path / "m.csv").write_text("neuron,label,state\n1,A model's,llm\n2,Another,metadata\n")
    for more in ((), ("--replace",)):
        answer = monoscope("labels", "demo", "import", tmp_path / "m.csv", *more, "--session", "conflict")
        assert "never replaces one by hand: 1." in answer.out
        assert "--replace" not in answer.out
    words = ("labels", "demo", "import", tmp_path / "m.csv", "--replace", "--session", "conflict", "--json")
    assert monoscope(*words).json == {"taken": 1, "kept": [], "never": [1]}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("l.csv", "neuron,label\n1,A\n99,B\n", "row 3, neuron: '99' is no neuron of this run"),
        ("l.csv", "neuron,label\nx,A\n", "row 2, neuron: 'x' is no neuron"),
        ("l.csv", "neuron,label\n1,A\n1,B\n", "row 3, neuron: neuron 1 is there twice"),
        ("l.csv", "neuron,label\n1,\n", "row 2, label: a label needs a text"),
        ("l.csv", "neuron,label,state\n1,A,sure\n", "row 2, state: 'sure' is none of"),
        ("l.csv", "neuron,label,concept\n1,A,Blorp\n", "row 2, concept: the catalogue has no concept 'Blorp'"),
        ("l.csv", "number,label\n1,A\n", "no column 'neuron'"),
        ("l.csv", "", "no column 'neuron'"),
        ("l.csv", "neuron,label\n", "holds no labels"),
        ("l.csv", 'neuron,label\n1,"A\n', "row 1: unexpected end of data"),
        ("l.csv", "run,content,neuron,label\nx,ffff,1,A\n", "labels of another training"),
        ("l.json", "{", "is no JSON"),
        ("l.json", '{"labels": 3}', "no list of labels"),
        ("l.json", '[{"neuron": true, "label": "A"}]', "label 1, neuron: 'True' is no neuron"),
        ("l.json", '[{"neuron": 1, "label": 5}]', "label 1, label: '5' is no text"),
        ("l.json", "[7]", "label 1: this is no object"),
        ("l.json", '{"run": "demo", "content": "ffff", "labels": []}', "labels of another training"),
        ("gone.json", None, "Cannot read"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_whole_with_its_place(
    monoscope: Monoscope, tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    answer = monoscope("labels", "demo", "import", tmp_path / name, "--session", "refusing")
    assert answer.code == 1
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert monoscope("labels", "demo", "--session", "refusing").code == 1  # nothing was written, so there is none


@pytest.mark.parametrize("name", ["l.json", "l.csv"])
def test_an_export_writes_over_an_earlier_one_and_over_nothing_else(
    monoscope: Monoscope, tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    monoscope("labels", "demo", "set", "0", "Laughs", "--session", "over")
    for _ in range(2):
        assert monoscope("labels", "demo", "export", file, "--session", "over").out == f"Wrote 1 label to {file}.\n"
    exported = file.read_text()
    file.write_text("somebody's work\n")
    refused = monoscope("labels", "demo", "export", file, "--session", "over")
    assert refused.code == 1
    assert "is no export of labels; name another file, or write over it with --overwrite." in refused.err
    assert file.read_text() == "somebody's work\n"
    assert monoscope("labels", "demo", "export", file, "--session", "over", "--overwrite").code == 0
    assert file.read_text() == exported


def test_an_export_needs_to_know_its_format_and_leaves_no_half_of_a_file(monoscope: Monoscope, tmp_path: Path) -> None:
    monoscope("labels", "demo", "set", 1, "Mine", "--session", "format")
    assert (
        "end it in .json or .csv"
        in monoscope("labels", "demo", "export", tmp_path / "l.xls", "--session", "format").err
    )
    gone = monoscope("labels", "demo", "export", tmp_path, "--session", "format")
    assert gone.code == 1
    assert list(tmp_path.iterdir()) == []
    whole = json.loads(monoscope("labels", "demo", "export", "--session", "format").out)
    assert (whole["run"], whole["labels"][0]["label"]) == ("demo", "Mine")


def test_a_label_of_two_concepts_has_a_purity_of_its_own(monoscope: Monoscope) -> None:
    neuron = neuron_of(monoscope, "Horror")
    assert monoscope("labels", "demo", "set", neuron, "Popular horror", "--session", "joint").code == 0
    (row,) = monoscope("labels", "demo", "score", "--tests", "held-out", "--session", "joint", "--json").json
    assert row["concept"] is not None
    assert " + " in row["concept"]
    assert row["purity20"] == row["scores"]["held-out"]["figures"]["whole"]["purity20"]
    table = monoscope("neurons", "demo", "--session", "joint", "--json").json[neuron]
    assert (table["label_concept"], table["label_purity20"]) == (row["concept"], row["purity20"])
