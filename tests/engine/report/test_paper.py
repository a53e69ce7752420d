"""The document of all tables and figures: what it leaves out, and what it says of what is not there."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.experiments.reproduce import Order
from engine.experiments.whole import Part
from engine.report.blocks import as_markdown
from engine.report.documents import as_page
from engine.report.paper import paper_document
from engine.run import Run


def case(title: str, users: int, had: int | None = None) -> dict[str, Any]:
    row = {"level": 3.0, "share": [0.5, 0.4, 0.6], "control": 0.1, "rbo_rest": 0.9}
    way = {"users": users, "original": {**row, "level": None}, "levels": [row], "present_had": had}
    ways = [{"name": "ours", **way}, {"name": "paper's", **way}]
    return {"model": "mf", "title": title, "unknown": None, "paper": None, "ways": ways}


@pytest.fixture
def order(demo_run: Run) -> Order:
    return Order(demo_run.home, "demo", ("mf",), (0,))


def keep(folder: Path, name: str, facts: dict[str, Any], markdown: str) -> Part:
    (folder / "kept").mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"dataset": "demo", **facts}))
    (folder / f"{name}.md").write_text(markdown)
    (folder / "kept" / f"{name}.json").write_text(json.dumps({"key": "", "files": {}, "pictures": []}))
    return Part(name, "kept")


def test_what_is_not_told_of_a_case_is_unknown_and_the_others_stand(order: Order, tmp_path: Path) -> None:
    few = {**case("Few", 0), "unknown": "it counts a group of fewer than 10 users", "ways": []}
    cases = [case("Many", 300), few]
    sections = "\n".join(f"## MF: {one['title']}\n\nFigures of {one['title']}.\n" for one in cases)
    part = keep(tmp_path, "interventions", {"cases": cases}, f"# Interventions\n\n{sections}")
    document = paper_document(order, [part], tmp_path)
    page, words = as_page(document), as_markdown(document)
    assert "Figures of Many." in page
    assert "| MF: Few |  |  |  |  | unknown: it counts a group of fewer than 10 users |" in words
    assert "| MF: Many | ours | – | 0.50 [0.40, 0.60] to 0.50 [0.40, 0.60] | 0.10 | 0.90 |" in words


def test_a_document_with_parts_to_come_says_that_it_is_unfinished(order: Order, tmp_path: Path) -> None:
    parts = [
        keep(tmp_path, "figure2", {}, "# Figure 2\n\nWords of it.\n"),
        Part("interventions", "being made", "It takes about 2 minutes."),
        Part("steering", "not yet", "It takes about 8 minutes."),
        Part("table1", "failed", "No memory."),
    ]
    document = paper_document(order, parts, tmp_path)
    words = as_markdown(document)
    assert words.startswith("# Unfinished: The paper's tables and figures on demo")
    assert "**This document is unfinished: 2 of 4 parts are done. Still to come: Interventions, What reaching" in words
    assert "| Interventions | being made | It takes about 2 minutes. |" in words
    assert "Not yet. It takes about 8 minutes." in words
    assert document.facts["finished"] is False
    whole = paper_document(order, [parts[0], parts[3]], tmp_path)
    assert (whole.title, whole.facts["finished"]) == ("The paper's tables and figures on demo", True)
    assert "unfinished" not in as_markdown(whole)


def test_a_simulated_audience_and_what_failed_are_said(order: Order, tmp_path: Path) -> None:
    document = paper_document(order, [Part("figure4", "failed", "No <vectors>.")], tmp_path)
    page, words = as_page(document), as_markdown(document)
    assert "simulated" in words
    assert "Failed. No <vectors>." in words
    assert "Failed. No &lt;vectors&gt;." in page
    assert "nothing can differ" in words
