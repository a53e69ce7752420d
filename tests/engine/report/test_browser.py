"""The report in a real browser: it opens in silence, sorts and searches, and can be read by everybody."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.report.blocks import Document, Heading, Table
from engine.report.documents import as_page
from engine.report.formats import render
from engine.run import Run
from tests.engine.report.chromium import Page, opened, program
from tests.engine.report.test_html import STATE

pytestmark = pytest.mark.browser

COLUMN = "[...document.querySelectorAll('#neurons-table tbody tr')].map(row => row.cells[{at}].dataset.v)"
SHOWN = "[...document.querySelectorAll('#neurons-table tbody tr')].filter(row => !row.hidden).length"
# Every text with its colour over what is painted behind it, in numbers that a canvas gives; contrast as WCAG has it.
CONTRAST = """(() => {
  const context = Object.assign(document.createElement('canvas'), {width: 1, height: 1})
    .getContext('2d', {willReadFrequently: true});
  const kept = new Map();
  const rgba = (colour) => {
    if (!kept.has(colour)) {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
      kept.set(colour, [...context.getImageData(0, 0, 1, 1).data]);
    }
    return kept.get(colour);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const bad = new Map();
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const unseen = 'script, style, title, desc, .sr, details:not([open]) > :not(summary)';
    if (!node.data.trim() || element.closest(unseen)) continue;
    const style = getComputedStyle(element);
    const front = rgba(element.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(front), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    texts += 1;
    if (ratio < 4.5) bad.set(`${element.tagName}.${element.getAttribute('class')} ${ratio.toFixed(2)}`, node.data);
  }
  return {texts, bad: [...bad]};
})()"""


@pytest.fixture(scope="module")
def report(demo_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(demo_run, STATE, "html"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def page(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if program() is None:
        pytest.skip("Chromium is not installed")
    with opened(tmp_path_factory.mktemp("profile")) as tab:
        tab.size(1300, 900)
        tab.open(report)
        yield tab


def test_it_opens_without_a_complaint_and_asks_nobody_for_anything(page: Page, report: Path) -> None:
    asked = [event["params"]["request"]["url"] for event in page.events if _is(event, "Network.requestWillBeSent")]
    assert {url for url in asked if not url.startswith("data:")} == {report.as_uri()}
    assert not [event for event in page.events if _is(event, "Runtime.exceptionThrown", "Log.entryAdded")]
    assert not [event for event in page.events if _is(event, "Runtime.consoleAPICalled")]
    assert page.run("document.getElementById('tools').hidden") is False


def test_nothing_but_tables_is_wider_than_the_window(page: Page) -> None:
    for width in (1300, 700, 360):
        page.size(width, 900)
        assert page.run("document.documentElement.scrollWidth") <= width
    page.size(1300, 900)


def test_on_a_phone_edits_and_the_first_figure_are_whole_and_a_wider_one_says_so(page: Page) -> None:
    page.size(390, 844)
    beyond = "[...document.querySelectorAll('{}')].map(one => one.scrollWidth - one.clientWidth)"
    assert max(page.run(beyond.format('[aria-label="Effect in numbers"]'))) <= 1
    assert page.run(beyond.format("#figure-comparison > .scroll")) == [0]
    told = "[...document.querySelectorAll('figure > .scroll')].map(one => [one.scrollWidth > one.clientWidth + 1, "
    cues = page.run(told + "getComputedStyle(one, '::before').content.includes('sideways')])")
    assert {wide for wide, _ in cues} == {True, False}
    assert all(wide == cue for wide, cue in cues)
    shadow = "getComputedStyle(document.querySelector('#neurons-table').parentElement).backgroundAttachment"
    assert page.run(shadow).split(", ") == ["local", "local", "scroll", "scroll"]
    page.size(1300, 900)
    assert page.run(shadow) == "scroll"


def test_a_head_sorts_both_ways_by_the_keyboard_and_the_unknown_stays_last(page: Page) -> None:
    head = "document.querySelectorAll('#neurons-table thead th')[5]"
    page.run(f"{head}.querySelector('button').focus()")
    for order, falling in (("descending", True), ("ascending", False)):
        page.press("Enter", "Enter", "\r")
        assert page.run(f"{head}.getAttribute('aria-sort')") == order
        values = page.run(COLUMN.format(at=5))
        known = [float(value) for value in values if value]
        assert known == sorted(known, reverse=falling)
        assert "" not in values[: len(known)]
        assert len(set(known)) > 3
    assert page.run("document.querySelectorAll('[aria-sort]').length") == 1


def test_a_search_leaves_the_rows_with_all_its_words_and_says_how_many(page: Page) -> None:
    everything = page.run(SHOWN)
    box = "document.getElementById('search')"
    typed = f"{box}.value = 'horror metadata'; {box}.dispatchEvent(new Event('input'))"
    page.run(typed)
    shown = page.run(SHOWN)
    assert 0 < shown < everything
    assert page.run("document.getElementById('search-count').textContent") == f"{shown} of {everything} neurons"
    page.run(typed.replace("horror metadata", ""))
    assert page.run(SHOWN) == everything


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast_enough(page: Page, scheme: str) -> None:
    page.scheme(scheme)
    found = page.run(CONTRAST)
    assert found["texts"] > 1000
    assert found["bad"] == []
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    page.scheme("light")


def test_on_paper_there_is_no_navigation_and_the_ground_is_white(page: Page) -> None:
    page.scheme("dark", media="print")
    shown = "getComputedStyle(document.querySelector('{}')).display"
    assert [page.run(shown.format(name)) for name in ("nav", ".tools")] == ["none", "none"]
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.run(CONTRAST)["bad"] == []
    assert page.pdf().startswith(b"%PDF")
    page.scheme("light")


def test_a_table_of_another_document_sorts_by_numbers_with_intervals_and_by_words(page: Page, tmp_path: Path) -> None:
    rows = [["b", "1,200"], ["a", "0.93 [0.90, 0.95]"], ["d", "\N{EN DASH}"], ["c", "-3.5%"]]
    path = tmp_path / "beside.html"
    path.write_text(as_page(Document("beside", [Heading("Table"), Table(("run", "figure"), rows)])), encoding="utf-8")
    page.events.clear()
    page.open(path)
    first = "[...document.querySelectorAll('tbody tr')].map(row => row.cells[0].textContent).join('')"
    pressed = "document.querySelectorAll('th[scope=col] button')[{at}].click()"
    orders = []
    for at in (1, 1, 0, 0):
        page.run(pressed.format(at=at))
        orders.append(page.run(first))
    assert orders == ["bacd", "cabd", "abcd", "dcba"]
    asked = [event["params"]["request"]["url"] for event in page.events if _is(event, "Network.requestWillBeSent")]
    assert {url for url in asked if not url.startswith("data:")} == {path.as_uri()}
    assert not [event for event in page.events if _is(event, "Runtime.exceptionThrown", "Log.entryAdded")]


def _is(event: dict, *methods: str) -> bool:
    return event.get("method") in methods
