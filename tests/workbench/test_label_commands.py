"""The label commands as an analyst types them, against a server on loopback or without one."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.run import Run
from engine.session import Session
from tests.engine.labels.asking import OURS
from tests.engine.labels.chat_server import ChatServer, chat_server, error
from tests.engine.labels.judging import reader
from tests.workbench.cli import Monoscope, neuron_of


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
        "agreement",
        "causal",
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
    unnamed = monoscope("label", "demo", "--neurons", "0-3", "--dry-run").out
    assert "12 requests" in unnamed
    assert "a model of your choice" in unnamed
    assert "Nothing would be sent" in monoscope("label", "demo", "--labeller", "metadata", "--dry-run").out


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
    ],
)
def test_what_cannot_be_asked_is_a_sentence(
    monoscope: Monoscope, server: ChatServer, words: tuple[str, ...], said: str
) -> None:
    base = () if "--base-url" in words else ("--base-url", server.base_url)
    answer = monoscope("label", "demo", "--neurons", "1", "--model", "any", *base, *words, "--session", "refused")
    assert answer.code == 1
    assert said in answer.err + answer.out
    assert not server.requests


def test_a_failure_is_told_beside_a_label_that_stands(monoscope: Monoscope, server: ChatServer) -> None:
    monoscope("labels", "demo", "set", 5, "Mine", "--session", "stands")
    server.choose = lambda _body, _before: error(400, "no such thing")
    words = ("--neurons", "5", "--model", "any", "--base-url", server.base_url, "--session", "stands")
    answer = monoscope("label", "demo", *words)
    assert answer.code == 1
    assert "Neuron 5, label failed" in answer.out
    assert "no such thing" in answer.out
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
        "labels", "demo", "score", neuron, "--tests", "agreement,detection", "--session", "tested", "--json"
    ).json
    right = row["scores"]["agreement"]["figures"]
    assert right["value"] > right["chance"] + 0.5
    monoscope("labels", "demo", "set", neuron, "Wild West", "--concept", "Western", "--session", "tested")
    assert not {"agreement", "detection"} & set(
        monoscope("labels", "demo", "--session", "tested", "--json").json[0]["scores"]
    )
    (row,) = monoscope(
        "labels", "demo", "score", "--tests", "agreement,detection", "--session", "tested", "--json"
    ).json
    wrong = row["scores"]["agreement"]["figures"]
    assert wrong["value"] < 0.2
    assert row["scores"]["detection"]["figures"]["low"] < 0.5


def test_scores_on_shuffled_metadata_are_shown_and_not_kept(monoscope: Monoscope) -> None:
    neuron = neuron_of(monoscope, "Horror")
    monoscope("labels", "demo", "set", neuron, "Horror", "--session", "shuffled")
    words = ("labels", "demo", "score", neuron, "--tests", "agreement", "--session", "shuffled")
    (row,) = monoscope(*words, "--shuffled", "--json").json
    assert row["scores"]["agreement"]["figures"]["value"] < 0.5
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
    assert "1 labels taken over; kept by hand: 1" in answer.out
    texts = [row["text"] for row in monoscope("labels", "demo", "--session", "conflict", "--json").json]
    assert texts == ["Mine", "Other"]
    monoscope("labels", "demo", "import", tmp_path / "l.csv", "--replace", "--session", "conflict")
    texts = [row["text"] for row in monoscope("labels", "demo", "--session", "conflict", "--json").json]
    assert texts == ["Theirs", "Other"]


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
    (row,) = monoscope("labels", "demo", "score", "--tests", "agreement", "--session", "joint", "--json").json
    assert row["concept"] is not None
    assert " + " in row["concept"]
    assert row["purity20"] == row["scores"]["agreement"]["figures"]["whole"]["purity20"]
    table = monoscope("neurons", "demo", "--session", "joint", "--json").json[neuron]
    assert (table["label_concept"], table["label_purity20"]) == (row["concept"], row["purity20"])
