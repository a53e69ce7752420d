import numpy as np
import pytest

from engine.labels.evidence import Evidence, Round, Shown
from engine.labels.scores import (
    balanced_accuracy,
    detectable,
    detection,
    held_out,
    intruder,
    odd_one_out,
    wilson,
)

IDS = [f"i{number}" for number in range(1000)]


def evidence(active: int = 20, silent: int = 20, near: int = 4, rounds: int = 10) -> Evidence:
    score = [Shown(number, "top" if number % 2 else "lower") for number in range(active)]
    score += [Shown(100 + number, "random") for number in range(silent)]
    score += [Shown(200 + number, "near by neuron") for number in range(near)]
    drawn = tuple(
        Round((300 + 5 * r, 301 + 5 * r, 302 + 5 * r, 303 + 5 * r, 304 + 5 * r), 304 + 5 * r) for r in range(rounds)
    )
    return Evidence(0, 5, (), tuple(score), drawn)


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe 1998, Table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for hits, of, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        assert wilson(hits, of) == pytest.approx((low, high), abs=6e-5)


def test_a_perfect_judge_has_one_a_judge_who_says_yes_to_all_has_chance() -> None:
    drawn = evidence()
    right = detection(drawn, {one.item: one.active for one in drawn.score}, IDS, "x", text="t")
    yes = detection(drawn, {one.item: True for one in drawn.score}, IDS, "x", text="t")
    wrong = detection(drawn, {one.item: not one.active for one in drawn.score}, IDS, "x", text="t")
    assert right.figures is not None
    assert yes.figures is not None
    assert wrong.figures is not None
    assert [score.figures["value"] for score in (right, yes, wrong) if score.figures] == [1.0, 0.5, 0.0]
    assert right.figures["low"] > 0.85
    assert right.figures["high"] == 1.0
    assert yes.figures["low"] < 0.5 < yes.figures["high"]
    assert right.figures["near_misses_rejected"] == [4, 4]
    assert yes.figures["near_misses_rejected"] == [0, 4]
    assert right.figures["said_to_fit"]["top"] == [10, 10]
    assert ["i100", "random", False] in right.figures["verdicts"]
    assert (right.text, right.judge, right.state) == ("t", "x", "scored")


def test_near_misses_count_apart() -> None:
    drawn = evidence()
    fits = {one.item: one.active for one in drawn.score}
    alarmed = fits | {one.item: True for one in drawn.score if one.source == "near by neuron"}
    values = [detection(drawn, each, IDS, "x").figures for each in (fits, alarmed)]
    assert values[0] is not None
    assert values[1] is not None
    assert values[0]["value"] == values[1]["value"] == 1.0
    assert (values[0]["near_misses_rejected"], values[1]["near_misses_rejected"]) == ([4, 4], [0, 4])


def test_the_interval_of_a_balanced_accuracy_covers() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        low, high = balanced_accuracy(rng.binomial(20, 0.8), 20, rng.binomial(20, 0.95), 20)[1:]
        covered += low <= 0.875 <= high
    assert 0.93 <= covered / 2000 <= 0.99


def test_a_test_with_too_few_items_is_unknown_and_says_why() -> None:
    drawn = evidence(silent=3, rounds=2)
    score = detection(drawn, {one.item: True for one in drawn.score}, IDS, "x")
    assert (score.state, score.figures) == ("unknown", None)
    assert "3 that do not" in str(score.why)
    assert detectable(drawn) == score.why
    assert detectable(evidence()) is None
    assert intruder(drawn, [304, 309], IDS, "x").state == "unknown"


def test_the_intruder_score_counts_what_was_found_beside_its_chance() -> None:
    drawn = evidence()
    found = [one.intruder for one in drawn.rounds]
    figures = intruder(drawn, found, IDS, "x").figures
    assert figures is not None
    assert (figures["value"], figures["chance"], figures["rounds"]) == (1.0, 0.2, 10)
    half = intruder(drawn, [*found[:5], *[one.items[0] for one in drawn.rounds[5:]]], IDS, "x").figures
    assert half is not None
    assert half["value"] == 0.5
    assert half["verdicts"][9] == [["i345", "i346", "i347", "i348", "i349"], "i349", "i345"]


def test_held_out_purity_is_the_purity_of_held_out_items_alone() -> None:
    z = np.linspace(10, 0.1, 100).astype(np.float32)
    member = np.zeros(100, bool)
    member[0:60:2] = True  # even numbers are the held-out half here
    pool = np.arange(0, 100, 2)
    figures = held_out(z, pool, member, "C", np.arange(100)).figures
    assert figures is not None
    assert (figures["purity10"], figures["purity20"], figures["purity50"]) == (1.0, 1.0, 0.6)
    assert figures["chance"] == 0.6
    assert figures["whole"] == {"purity10": 0.5, "purity20": 0.5, "purity50": 0.5}
    shown = held_out(z, np.arange(1, 100, 2), member, "C", np.arange(100))
    assert (shown.state, shown.figures) == ("unknown", None)
    assert "None of the held-out items is of C" in str(shown.why)


def test_held_out_purity_with_few_active_items_goes_by_ten_or_is_unknown() -> None:
    z = np.zeros(100, np.float32)
    z[:12] = 1
    member = np.arange(100) < 6
    figures = held_out(z, np.arange(100), member, "C", np.arange(100)).figures
    assert figures is not None
    assert (figures["depth"], figures["value"], figures["purity20"]) == (10, 0.6, None)
    assert held_out(z, np.arange(5, 100), member, "C", np.arange(100)).state == "unknown"


def test_the_odd_one_out_is_least_like_the_others() -> None:
    alike = np.array([[1, 0], [1, 0], [0, 1], [1, 0], [1, 0], [0, 0]], np.float32)
    assert odd_one_out((0, 1, 2, 3, 4), alike) == 2
    assert odd_one_out((5, 5, 5), alike) is None
