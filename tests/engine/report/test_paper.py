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


def test_groups_of_fewer_than_ten_users_are_left_out_of_every_form(order: Order, tmp_path: Path) -> None:
    cases = [case("Many", 300), case("Few", 9), case("Had by few", 300, 3), case("Had by none", 300, 0)]
    sections = "\n".join(f"## MF: {one['title']}\n\nFigures of {one['title']}.\n" for one in cases)
    part = keep(tmp_path, "interventions", {"cases": cases}, f"# Interventions\n\n{sections}")
    document = paper_document(order, [part], tmp_path)
    page, words = as_page(document), as_markdown(document)
    assert "Figures of Many." in page
    assert "Figures of Had by none." in page
    for title in ("Few", "Had by few"):
        assert f"Figures of {title}." not in page
        assert f"| MF: {title} | ours" not in words
    assert "Left out, with fewer than 10 users to count: MF: Few, MF: Had by few." in words
    assert "| MF: Many | ours | – | 0.50 [0.40, 0.60] to 0.50 [0.40, 0.60] | 0.10 | 0.90 |" in words


def test_a_simulated_audience_and_what_failed_are_said(order: Order, tmp_path: Path) -> None:
    document = paper_document(order, [Part("figure4", "failed", "No <vectors>.")], tmp_path)
    page, words = as_page(document), as_markdown(document)
    assert "simulated" in words
    assert "Failed. No <vectors>." in words
    assert "Failed. No &lt;vectors&gt;." in page
    assert "nothing can differ" in words
