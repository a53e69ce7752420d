import copy

import pytest

from engine.report.facts import report_facts
from engine.report.formats import render
from engine.report.markdown import as_markdown, escaped
from engine.run import Run
from engine.session import Label, State

STATE = State(
    labels={0: Label("Scary | [films](http://x) <b>", "llm", None, "m", None, "t")},
    edits=({"side": "users", "neuron": 3, "operation": "add", "amount": 1.5, "unit": "p99"},),
    watched=("v0001",),
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[REC] (2007)", r"\[REC\] (2007)"),
        ("a|b", r"a\|b"),
        ("*x* _y_ `z`", r"\*x\* \_y\_ \`z\`"),
        ("<script>", r"\<script\>"),
        ("two\nlines\x1b[31m", r"two lines \[31m"),
        ("Amélie: 浜崎", "Amélie: 浜崎"),
    ],
)
def test_text_from_data_never_acts_as_markup(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_a_report_shows_labels_and_edits_of_the_session_and_no_watched_user(demo_run: Run) -> None:
    text = render(demo_run, STATE, "md")
    assert r"Scary \| \[films\](http://x) \<b\>" in text
    assert "| 1 | neuron 3 add | 1.50 p99 | all users |  |" in text
    assert "v0001" not in text


def test_edits_of_all_kinds_are_told_without_ids_of_users(demo_run: Run) -> None:
    off = {"side": "users", "neuron": 3, "operation": "off", "amount": None, "unit": "p99"}
    edits = (
        {**off, "ids": ["v0001", "v0002"]},
        {**off, "where": "user_id = 'v0001'", "on": False},
        {**off, "side": "items", "ids": ["f001"]},
        {"goal": "share(Sci-Fi | x)<=0.1", "where": "age_band = 'under 18'", "amounts": "a", "neurons_at_most": 4},
    )
    text = render(demo_run, State(edits=edits), "md")
    assert "| 1 | neuron 3 off |  | fewer than 10 users |  |" in text
    assert "| 2 | neuron 3 off |  | users by id | switched off |" in text
    assert "| 3 | neuron 3 off |  | items f001 |  |" in text
    assert r"| 4 | solved for share(Sci-Fi \| x)\<=0.1 | at most 4 neurons a user | users where age" in text
    assert "v0001" not in text + render(demo_run, State(edits=edits), "json")
    many = ({**off, "ids": [f"v{n:04}" for n in range(1, 13)]},)
    assert "| 1 | neuron 3 off |  | 12 users |  |" in render(demo_run, State(edits=many), "md")


def test_every_row_of_every_table_has_as_many_cells_as_its_head(demo_run: Run) -> None:
    tables = [block for block in render(demo_run, STATE, "md").split("\n\n") if block.startswith("| ")]
    assert len(tables) > 40
    for table in tables:
        cells = {line.replace(r"\|", "").count("|") for line in table.splitlines()}
        assert len(cells) == 1, table


def test_what_is_unknown_reads_unknown_and_notices_are_in_bold(demo_run: Run) -> None:
    facts = copy.deepcopy(report_facts(demo_run, STATE))
    facts["fidelity"]["ndcg_kept"] = None
    facts["neurons"][1].update(purity20=None, q=None, concept=None, name=None, items=[])
    facts["provenance"]["source_notice"] = "not the official archive"
    text = as_markdown(facts)
    assert "| share of NDCG@10 kept | – |" in text
    assert "### Neuron 1: no name\n\nNo item activates it." in text
    assert "**Note: not the official archive.**" in text
    assert "**Note: simulated audience" in text


def test_the_figures_of_the_report_are_those_of_the_run(demo_run: Run) -> None:
    text = render(demo_run, State({}, (), ()), "md")
    for value in (demo_run.manifest["fidelity"]["rbo"], demo_run.manifest["recommender"]["metrics"]["ndcg10"]):
        assert f"| {value:.3f} |" in text
    assert demo_run.manifest["catalogue_hash"] in text
