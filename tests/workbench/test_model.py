"""What the screens know is read with care: damaged files become sentences, strange texts become plain."""

import json

import numpy as np
import pytest

from engine.errors import RunError
from engine.home import Home
from tests.workbench.fake_run import DEAD, RARE, UNNAMED, make_run
from workbench.model import read_card, read_cards, read_neurons


def test_runs_are_listed_newest_first_and_damaged_ones_last(home: Home) -> None:
    make_run(home.root, "older", created="2026-01-01T00:00:00")
    make_run(home.root, "newer", created="2026-02-01T00:00:00")
    (make_run(home.root, "broken", created="2026-03-01T00:00:00") / "manifest.json").write_text("{")
    assert [card.name for card in read_cards(home)] == ["newer", "older", "broken"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"dataset": 1, "recommender": 2}', "\x00"])
def test_a_damaged_manifest_is_a_fault_in_words(home: Home, content: str) -> None:
    (make_run(home.root) / "manifest.json").write_text(content)
    fault = read_card(home, "demo-mf").fault
    assert fault is not None
    assert "demo-mf" in fault


def test_a_home_without_runs_has_none(home: Home) -> None:
    assert read_cards(home) == []


def test_titles_lose_control_characters_and_keep_everything_else(home: Home) -> None:
    make_run(home.root)
    titles = read_neurons(home, "demo-mf").titles
    assert titles[0] == "[REC] (2007)"
    assert titles[3] == "浜崎あゆみ 天国 全角文字の長い題名です"
    assert all(title.isprintable() for title in titles)


def test_figures_stay_with_their_neuron_whatever_the_row(home: Home) -> None:
    folder = make_run(home.root)
    with np.load(folder / "screen.npz") as stored:
        arrays = {key: stored[key][::-1] for key in stored.files}
    texts = json.loads((folder / "titles.json").read_text())
    texts |= {key: texts[key][::-1] for key in ("concept", "concept_kind", "named")}
    np.savez(folder / "screen.npz", **arrays)
    (folder / "titles.json").write_text(json.dumps(texts))
    neurons = read_neurons(home, "demo-mf")
    row = neurons.row_of[1]
    assert (row, neurons.concept_name(row)) == (10, "Horror")
    assert neurons.figure(row, "purity20") == pytest.approx(0.97)


def test_names_say_what_a_concept_is_worth(home: Home) -> None:
    make_run(home.root)
    neurons = read_neurons(home, "demo-mf")
    assert neurons.concept_name(neurons.row_of[DEAD]) == "(dead)"
    assert neurons.concept_name(neurons.row_of[UNNAMED]) == "Children?"
    assert [item.rank for item in neurons.top_items(neurons.row_of[RARE])] == list(range(1, 31))


@pytest.mark.parametrize("damage", ["truncate", "no-lift", "short-column", "bad-item", "no-titles", "bad-json"])
def test_a_damaged_run_is_refused_in_one_sentence(home: Home, damage: str) -> None:
    folder = make_run(home.root)
    with np.load(folder / "screen.npz") as stored:
        arrays = {key: stored[key] for key in stored.files}
    if damage == "truncate":
        (folder / "screen.npz").write_bytes((folder / "screen.npz").read_bytes()[:500])
    elif damage == "no-titles":
        (folder / "titles.json").unlink()
    elif damage == "bad-json":
        (folder / "titles.json").write_text("[")
    else:
        if damage == "no-lift":
            del arrays["lift"]
        elif damage == "short-column":
            arrays["q"] = arrays["q"][:3]
        else:
            arrays["top_item"] = arrays["top_item"] + 10_000
        np.savez(folder / "screen.npz", **arrays)
    with pytest.raises(RunError, match=r"The neurons of run demo-mf cannot be read") as caught:
        read_neurons(home, "demo-mf")
    assert "\n" not in str(caught.value)
