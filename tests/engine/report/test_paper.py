"""The document of all tables and figures: what it leaves out, and what it says of what is not there."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.experiments.pace import Pace
from engine.experiments.reproduce import Order
from engine.experiments.trained import Plan, Wanted
from engine.experiments.whole import Part
from engine.report.blocks import as_markdown
from engine.report.documents import as_page
from engine.report.paper import paper_document
from engine.report.sources import source_words, sources
from engine.run import Run


def case(title: str, users: int, had: int | None = None) -> dict[str, Any]:
    row = {"level": 3.0, "share": [0.5, 0.4, 0.6], "control": 0.1, "rbo_rest": 0.9}
    way = {"users": users, "original": {**row, "level": None}, "levels": [row], "present_had": had}
    ways = [{"name": "ours", **way}, {"name": "paper's", **way}]
    return {"model": "mf", "title": title, "unknown": None, "paper": None, "ways": ways}


@pytest.fixture
def order(demo_run: Run) -> Order:
    return Order(demo_run.home, "demo", ("mf",), (0,))


def keep(folder: Path, name: str, facts: dict[str, Any], markdown: str, pictures: Sequence[str] = ()) -> Part:
    for one in pictures:
        (folder / f"{one}.svg").write_text('<svg viewBox="0 0 9 9"><title>t</title></svg>')
    (folder / "kept").mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"dataset": "demo", **facts}))
    (folder / f"{name}.md").write_text(markdown)
    drawn = [[one, f"What {one} shows."] for one in pictures]
    (folder / "kept" / f"{name}.json").write_text(json.dumps({"key": "", "files": {}, "pictures": drawn}))
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


def test_a_picture_says_which_recipe_it_is_of(order: Order, tmp_path: Path) -> None:
    names = ["figure2-mf-best", "figure2-mf-paper"]
    document = paper_document(order, [keep(tmp_path, "figure2", {}, "# Figure 2\n\nWords.\n", names)], tmp_path)
    page, words = as_page(document), as_markdown(document)
    assert "MF, our recipe\n\n![What figure2-mf-best shows.](figure2-mf-best.svg)" in words
    assert "MF, the paper's recipe\n\n![What figure2-mf-paper shows.](figure2-mf-paper.svg)" in words
    assert '<p class="caption">MF, our recipe</p>' in page


def test_what_a_goal_costs_is_a_table_of_ways_by_goals(order: Order, tmp_path: Path) -> None:
    def row(
        goal: str, way: str, reached: float, rbo: list[float] | None, ahead: list[float] | None, wins: list[int]
    ) -> dict[str, Any]:
        means = {"reached": [reached] * 3, "rbo": rbo}
        return {"goal": goal, "way": way, "means": means, "ahead": {"rbo": ahead}, "wins": wins}

    rows = [
        row("none left", "solved", 1, [0.82, 0.671, 0.913], None, [0, 0, 0]),
        row("none left", "one neuron", 0.85, [0.361, 0.02, 0.7], [0.4, 0.3, 0.5], [15, 14, 16]),
        row("halved", "solved", 1, [0.96, 0.95, 0.98], None, [0, 0, 0]),
        row("halved", "one neuron", 0, None, None, [0, 0, 0]),
        row("halved", "random neuron", 0.29, [0.99, 0.9, 1], [0.1, 0.1, 0.2], [14, 14, 16]),
    ]
    part = keep(tmp_path, "steering", {"models": {"mf": {"rows": rows}}}, "# Steering\n\nAll of it.\n")
    words = as_markdown(paper_document(order, [part], tmp_path))
    first, second = words.split("### MF, none left")[1].split("### MF, halved")
    assert "| way | reached | RBO of the rest | solved ahead |" in first
    assert "| solved | 100 % | 0.82 [0.67, 0.91] |  |" in first
    assert "| one neuron | 85 % | 0.36 [0.02, 0.70] | 15 of 16 |" in first
    assert "| one neuron | 0 % | – |  |" in second
    assert "| random neuron | 29 % | – | 14 of 16 |" in second  # the easy 29 % would flatter it


def test_the_document_says_what_it_was_made_of_and_what_it_cannot_tell(order: Order, tmp_path: Path) -> None:
    part = keep(tmp_path, "figure2", {}, "# Figure 2\n\nWords of it.\n")
    document = paper_document(order, [part], tmp_path)
    words, told = as_markdown(document), document.facts["provenance"]
    assert "; seed 0. " in words
    assert "monoscope reproduce all --dataset demo --models mf --seeds 1" in words
    assert f"catalogue {told['catalogue_hash']}; licence: {told['licence']}" in words
    assert words.index("## Provenance") < words.index("## Limits") < words.index("- One seed: what another would")
    assert "<pre>\nmonoscope datasets fetch demo\nmonoscope reproduce all" in as_page(document)
    several = paper_document(replace(order, seeds=(0, 1, 2)), [part], tmp_path)
    assert "; 3 seeds: 0, 1, 2. " in as_markdown(several)
    assert "3 seeds: their range is no interval" in as_markdown(several)


def test_the_runs_behind_each_part_stand_with_their_hashes(order: Order, demo_run: Run, monkeypatch: Any) -> None:
    asked = Wanted("mf", "best", 0)
    planned = Plan("demo", [asked], {asked: "demo"}, {}, {}, Pace.of(order.home))
    monkeypatch.setattr("engine.report.sources.plan", lambda *_: planned)
    (one,) = sources(order, ["figure2", "matryoshka"])
    assert (one.run, one.parts) == ("demo", ["figure2", "matryoshka"])
    assert one.hashes == demo_run.manifest["hashes"]
    cells = one.cells(["Figure 2", "Matryoshka levels"])
    assert cells[:3] == [
        "demo",
        "Figure 2, Matryoshka levels",
        f"{demo_run.manifest['config']['recommender']['seed']}, 0",
    ]
    assert cells[-1] == demo_run.manifest["hashes"]["sae.safetensors"][:16]
    assert f"all with monoscope {demo_run.manifest['versions']['monoscope']}" in source_words([one])


def test_a_difference_without_a_reason_says_so(order: Order, tmp_path: Path) -> None:
    curve = {"model": "mf", "beta": [0, 10], "base": "demo"}
    measured = {"rbo": [[0.37, 0.58]], "tau": [[None, None]], "monosemanticity": [[0.6, 0.5]], "l0_users": [[4, 4]]}
    paper = {"rbo": [0.22, 0.58], "tau": [-0.2, 0.3], "monosemanticity": [0.46, 0.55]}
    facts = {
        "curves": [{**curve, "sparsity": kind, "measures": measured} for kind in ("free", "matched")],
        "paper_beta": [0, 10],
        "paper": {"mf": paper},
        "protocol": {},
    }
    document = paper_document(order, [keep(tmp_path, "figure4", facts, "# Figure 4\n")], tmp_path)
    words = as_markdown(document)
    unknown = "- Reason unknown: nothing that was measured here explains it."
    assert words.count(unknown) == 3
    assert unknown not in words.split("#### Figure 4, MF: RBO at beta 10")[1].split("####")[0]  # they agree
    assert [len(one["why"]) for one in document.facts["differences"]] == [1, 0, 1, 1]
