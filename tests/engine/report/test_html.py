"""The report as a page: complete, closed, the same twice, and silent about single users."""

import base64
import hashlib
import itertools
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import escape

from engine.errors import HomeError
from engine.home import Home
from engine.report.document import About, _matrix, document
from engine.report.facts import label_counts, named_by, report_facts
from engine.report.formats import render, write_pictures
from engine.report.html import as_html, count, num, signed, small
from engine.run import Run
from engine.session import Label, Note, State

EVIL = "<script>alert('x')</script> & \"Ünïcode\" 浜崎"
VOID = {"meta", "link", "input"}
STATE = State(
    labels={0: Label(EVIL, "human", None, None, None, "t"), 1: Label("Wrong Name", "rejected", None, None, "why", "t")},
    edits=(
        {"side": "users", "neuron": 3, "operation": "add", "amount": 1.5, "unit": "p99"},
        {"side": "users", "neuron": 4, "operation": "off", "ids": ["v0001", "v0002"]},
        {"side": "items", "neuron": 5, "operation": "set", "amount": 1.0, "unit": "p99", "ids": ["f001"]},
        {"side": "users", "neuron": 6, "operation": "off", "where": "age_band = 'under 18'", "on": False},
    ),
    watched=("v0003",),
    notes=(Note("Looks right.", "neuron 3"), Note("Asked v0004 in person.", "user v0004")),
    scores={
        0: {
            "detection": {"figures": {"value": 0.83, "low": 0.71, "high": 0.91}},
            "intruder": {"figures": {"value": 0.6, "chance": 0.2}},
            "held-out": {"figures": {"value": 0.7, "chance": 0.125}},
            "moves": {"figures": {"gain": 0.431, "implied": True, "null_share": 0.01, "null_gain": 0.35}},
        }
    },
)


class Parsed(HTMLParser):
    """Tags with their attributes, the text of each, and what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def named(self, *names: str) -> list[dict[str, str]]:
        return [attrs for tag, attrs in self.tags if tag in names]


@pytest.fixture(scope="module")
def page(demo_run: Run) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1790000000")
        return render(demo_run, STATE, "html")


@pytest.fixture(scope="module")
def parsed(page: str) -> Parsed:
    return Parsed(page)


def test_the_page_is_well_formed_and_every_reference_leads_somewhere(parsed: Parsed) -> None:
    assert parsed.open == []
    ids = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    assert [name for name, times in Counter(ids).items() if times > 1] == []
    wanted = [attrs["href"][1:] for attrs in parsed.named("a", "use") if attrs.get("href", "").startswith("#")]
    wanted += [attrs["xlink:href"][1:] for attrs in parsed.named("use")]
    wanted += [name for _, attrs in parsed.tags for name in attrs.get("aria-labelledby", "").split()]
    wanted += [attrs["for"] for attrs in parsed.named("label")]
    assert len(wanted) > 100
    assert set(wanted) <= set(ids)


def test_headings_go_down_one_level_at_a_time_and_heads_of_tables_say_what_they_head(parsed: Parsed) -> None:
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))
    assert all("scope" in attrs for attrs in parsed.named("th"))
    charts = [attrs for attrs in parsed.named("svg") if "chart" in attrs.get("class", "").split()]
    assert len(charts) >= 4
    assert all(attrs["role"] == "img" and attrs["aria-labelledby"] for attrs in charts)


def test_a_card_holds_each_score_of_its_label_beside_chance(page: str) -> None:
    card = page.split('<h3 id="neuron-0">')[1].split("</article>")[0]
    told = dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", card))
    assert told["label picks active items"] == "0.83 [0.71, 0.91], chance 0.50"
    assert told["the one that does not belong found"] == "0.60, chance 0.20"
    assert told["label’s concept among unseen items"] == "0.70, chance 0.12"
    assert told["its share of lists, one unit more"] == (
        "+43.1 points; random directions as pure +35.0, as much or more in 1%; implied by the algebra"
    )
    assert "A label is tested on" in page
    assert "Of edits that may not be told there is no command" in page


def test_the_page_asks_nobody_for_anything(page: str, parsed: Parsed) -> None:
    assert not any("src" in attrs for _, attrs in parsed.tags)
    assert [attrs["href"] for attrs in parsed.named("link")] == ["data:,"]
    assert not re.search(r"@import|url\((?!#)", page)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [attrs["content"] for attrs in parsed.named("meta") if "http-equiv" in attrs]
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy


def test_text_of_labels_and_data_is_text(page: str, parsed: Parsed) -> None:
    assert len(parsed.named("script")) == 1
    assert "<script>alert" not in page  # a figure's text keeps its quotes, and none of its brackets
    assert any(EVIL in text for text in parsed.texts)


def test_no_user_and_no_small_group_leaves(demo_run: Run, page: str) -> None:
    assert not re.search(r"\bv0\d{3}\b", page)
    assert "switched off for fewer than 10 users</h3>" in page
    assert "leaves this machine with" in page
    assert "Looks right." in page
    allowed = as_html(document(demo_run, STATE, About(None, with_users=True)))
    assert "switched off for users v0001, v0002</h3>" in allowed
    assert "Asked v0004 in person." in allowed
    assert "Top users" in allowed
    assert "Top users" not in page


def test_every_edit_comes_with_its_effect_and_one_that_waits_without(demo_run: Run, page: str) -> None:
    told = document(demo_run, STATE, About())
    plain, ids, items, waiting = told["edits"]
    assert plain["effect"].facts["collateral"]["lists_changed"] > 0
    assert (plain["effect"].users, plain["effect"].asked) == (1000, 2000)
    assert ids["small"]
    assert ids["effect"].facts is None
    assert items["whom"] == demo_run.texts["title"][demo_run.recommender.items.place["f001"]]
    assert waiting["effect"] is None
    assert "It is switched off, so it changes nothing until it is switched on again." in page
    assert f"switched off for {waiting['rows']:,} users (age_band = &#39;under 18&#39;)</h3>" in page
    assert re.findall(r"<li>(Edit \d) \(", page) == ["Edit 1", "Edit 2", "Edit 3", "Edit 4"]
    assert "What each edit is about, in the lists of its own users" in page
    rbo = told["together"].facts["collateral"]["rbo"]
    assert f"lists of {told['together'].users:,} users keep an RBO of {rbo:.2f}" in page


def test_a_label_that_was_rejected_is_shown_as_such_and_names_nothing(page: str) -> None:
    card = card_of(page, 1)
    assert "dots lie beyond the bar; one within it is what chance gives too." in page
    assert "Neuron 1: no name" in card
    assert "“Wrong Name” was rejected in this session" in card
    assert "rejected by hand: Wrong Name" in page
    assert "unknown: its label was rejected" in page
    assert "why" not in re.findall(r"[a-z]+", card)


def test_names_in_figures_and_in_the_summary_are_those_of_the_session(demo_run: Run) -> None:
    named = [neuron.neuron for neuron in demo_run.neurons if neuron.named_by is not None]
    plain = {figure.id: figure for figure in document(demo_run, State(), About())["figures"]}
    drawn = re.findall(r"Neuron (\d+), ([^:]+):", plain["profiles"].picture.alt)
    (first, concept), *others = drawn
    assert demo_run.neurons[int(first)].named_by == concept
    session = State(
        labels={
            int(first): Label("Of the Session", "human", None, None, None, "t"),
            **{int(n): Label(text, "rejected", text, None, None, "t") for n, text in others},
        }
    )
    told = document(demo_run, session, About())
    alt = " ".join(figure.picture.alt for figure in told["figures"] if figure.id in ("profiles", "decades"))
    assert f"Neuron {first}, Of the Session:" in alt
    assert not any(f"Neuron {n}, " in alt for n, _ in others)
    assert told["named"] == len(named)
    page = as_html(told)
    assert f"of these names the session rejected {len(others)} and gave 1 another" in page


def test_a_label_that_was_offered_and_accepted_is_not_one_by_hand(demo_run: Run) -> None:
    evidence = {"evidence": {"figures": {"by": "enrichment"}}}
    state = State(
        labels={
            0: Label("Horror", "human", "Horror", None, "Horror 20 of 20", "t"),
            1: Label("Drama", "human", "Drama", "a-model", None, "t"),
            2: Label("Mine", "human", None, None, None, "t"),
        },
        scores={0: evidence, 2: evidence},
    )
    rows = report_facts(demo_run, state)["neurons"]
    told = [named_by(row) for row in rows[:3]]
    assert told == ["metadata, accepted by hand", "language model, accepted by hand", "hand"]
    counts = label_counts(state)
    assert (counts["naming"], counts["by_hand"], counts["accepted"]) == (3, 1, 2)


def test_a_card_names_the_concept_of_every_purity_or_leaves_it_out(demo_run: Run, page: str) -> None:
    halves = {neuron.half_concept for neuron in demo_run.neurons}
    assert None in halves
    assert len(halves) > 2
    for neuron in demo_run.neurons:
        card = card_of(page, neuron.neuron)
        assert ("chosen on one half of the items" in card) == bool(neuron.half_concept and neuron.concept)
        if neuron.half_concept and neuron.concept:
            assert f"{escape(neuron.half_concept)} chosen on one half" in card


def test_headings_of_edits_name_the_neuron_and_whom_it_is_for(demo_run: Run, page: str) -> None:
    name = next(one["name"] for one in report_facts(demo_run, STATE)["neurons"] if one["neuron"] == 3)
    assert f"Edit 1. Neuron 3, {escape(name)}: moved by +1.50 units for all 2,000 users</h3>" in page
    title = escape(demo_run.texts["title"][demo_run.recommender.items.place["f001"]])
    assert re.search(rf"Edit 3\. Neuron 5[^<]*: set to 1\.00 units for {re.escape(title)}</h3>", page)
    assert f"<strong>{title} is in the lists of " in page


def test_every_purest_neuron_of_a_concept_is_framed_and_none_of_a_missing_one(demo_run: Run) -> None:
    told = document(demo_run, State(), About(), short=True)
    matrix = _matrix(demo_run, [neuron.neuron for neuron in demo_run.neurons])
    assert matrix is not None
    assert all(row["purest"] is None for row in matrix["rows"] if not row["reached"])
    assert not all(row["reached"] for row in matrix["rows"])
    first = next(row for row in matrix["rows"] if row["reached"])
    first["purity"] = [first["purest"]] * 3 + [0.0] * (len(matrix["neurons"]) - 3)
    page = as_html({**told, "matrix": matrix})
    others = sum(row["purity"].count(row["purest"]) for row in matrix["rows"] if row["reached"] and row is not first)
    assert page.count('<td class="best"') == others + 3


def card_of(page: str, neuron: int) -> str:
    start = page.index(f'<h3 id="neuron-{neuron}"')
    return page[start : page.index("</article>", start)]


def test_the_figures_are_those_of_the_run(demo_run: Run, page: str) -> None:
    assert f"{demo_run.manifest['fidelity']['rbo']:.3f}" in page
    assert demo_run.manifest["catalogue_hash"] in page
    assert all(f'id="neuron-{neuron.neuron}"' in page for neuron in demo_run.neurons)
    assert "monoscope train demo --config settings.toml --name demo" in page
    assert "\n[sae]\n" in page
    assert "2026-09-21T14:13:20Z" in page  # what SOURCE_DATE_EPOCH says


def test_the_same_session_makes_the_same_bytes(demo_run: Run, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    assert render(Run.open(demo_run.home, demo_run.name), STATE, "html") == page


def test_without_the_data_set_the_page_says_what_is_missing(demo_run: Run, tmp_path: Path) -> None:
    home = Home(tmp_path / "elsewhere")
    shutil.copytree(demo_run.folder, home.run("demo"))
    page = render(Run.open(home, "demo"), STATE, "html")
    Parsed(page)
    assert "The data set is not here:" in page
    assert "What the edits do could not be measured" in page
    assert "Not drawn:" in page
    assert "The bar is not drawn: it takes the data set, which is not here." in page


def test_the_comparison_counts_the_neurons_beyond_nearly_all_random_sets(demo_run: Run) -> None:
    told = {figure.id: figure for figure in document(demo_run, State(), About())["figures"]}["comparison"]
    assert told.picture.columns[-2:] == ("2.5th percentile", "97.5th percentile")
    assert all(low <= mean <= high for *_, mean, low, high in told.picture.rows)
    beyond = sum(purity > high for _, purity, *_, high in told.picture.rows)
    words = f"{beyond} of {len(told.picture.rows)} dots lie beyond the bar"
    assert words in told.meaning
    assert words in told.picture.alt
    assert 0 < beyond < len(told.picture.rows)


def test_figures_leave_as_files_and_nobody_elses_file_is_lost(demo_run: Run, tmp_path: Path) -> None:
    drawn = write_pictures(demo_run, State(), "svg", tmp_path, About())
    names = {path.name for path in drawn.written}
    assert {"comparison.svg", "profiles.svg", "decades.svg", "doses.svg"} <= names
    assert [title for title, _ in drawn.missing] == ["Fidelity against beta", "Readable against faithful"]
    assert "| concept | neuron |" in (tmp_path / "comparison.md").read_text()
    before = (tmp_path / "doses.svg").read_bytes()
    (tmp_path / "profiles.md").write_text("my notes\n")
    with pytest.raises(HomeError, match="no report"):
        write_pictures(demo_run, State(), "svg", tmp_path, About())
    assert (tmp_path / "profiles.md").read_text() == "my notes\n"
    assert (tmp_path / "doses.svg").read_bytes() == before


def test_numbers_read_well_and_the_unknown_says_why() -> None:
    assert (signed(-0.0001), signed(-0.25, 2), signed(0.1, 1)) == ("0.000", "−0.25", "+0.1")
    assert (small(1e-9), small(0.04)) == ("below 0.001", "0.040")
    assert (count(3), count(3, exact=True), count(0), count(1234)) == ("fewer than 10", "3", "0", "1,234")
    assert "unknown: nobody knows" in num(None, 2, "nobody knows")
