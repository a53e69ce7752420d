"""Words of a report: goals, shares, small groups, and a sentence for each edit."""

from typing import Any

import pytest

from engine.report.effects import Effect
from engine.report.summary import EDITS_TOLD, edit_sentences
from engine.report.wording import activity, count, edit_words, goal_words, of


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        ("share(Horror)<=0.5x", "Horror at most half of its share"),
        ("share(Horror)>=2x", "Horror at least twice its share"),
        ("share(Horror)>=1.5x", "Horror at least 1.5 times its share"),
        ("share(Film-Noir)<=0.02", "Film-Noir at most 2% of each list"),
        ("share(War (1939))>=30%", "War (1939) at least 30% of each list"),
        ("reach(377,30)>=0.5", "Speed in the top 30 of at least 50% of the users"),
        ("something else", "something else"),
    ],
)
def test_a_goal_is_told_in_words_with_the_goal_itself_beside(goal: str, words: str) -> None:
    assert goal_words(goal, {"377": "Speed"}.__getitem__) == words
    what, how = edit_words({"goal": goal, "neurons_at_most": 8}, None, {"377": "Speed"}.__getitem__)
    assert (what, how) == (f"{words} ({goal})", "solved for by at most 8 neurons a user")


def test_more_than_half_never_reads_as_half() -> None:
    assert [activity(share) for share in (0.5, 0.5003, 0.501, 0.4, None)] == ["50.0%", "50.030%", "50.1%", "40.0%", "–"]


def test_a_small_group_is_not_told_and_neither_is_what_it_leaves() -> None:
    assert [count(n) for n in (0, 9, 10)] == ["0", "fewer than 10", "10"]
    assert [of(n, 1000) for n in (0, 9, 10, 990, 991, 1000)] == [
        "0 of 1,000", "fewer than 10 of 1,000", "10 of 1,000", "990 of 1,000", "all but fewer than 10 of 1,000",
        "1,000 of 1,000",
    ]  # fmt: skip
    assert of(991, 1000, exact=True) == "991 of 1,000"


def effect_of(**more: Any) -> Effect:
    arms = {arm: {"ndcg10": ndcg10} for arm, ndcg10 in (("before", 0.2), ("after", 0.18))}
    share = {"concept": "Horror", "before": 0.1, "after": 0.04}
    about = {"about": ["Horror"], "lists_changed": 300}
    return Effect(2000, 1000, {**arms, "collateral": about, "shares": [share]}, **more)


def test_each_edit_has_a_sentence_and_of_many_the_rest_is_counted() -> None:
    edit = {"title": "Neuron 4, Horror: switched off for all 2,000 users", "on": True, "effect": effect_of()}
    reach = [{"title": "Speed", "before": {"users": 4}, "after": {"users": 700}}]
    edits = [edit, {**edit, "on": False, "effect": None}, {**edit, "effect": effect_of(reach=reach)}]
    assert edit_sentences(edits, None, False) == [
        "Edit 1 (Neuron 4, Horror: switched off for all 2,000 users), alone: Horror goes from 10.0% to 4.0% of the "
        "places; 300 of 1,000 measured lists change; NDCG@10 from 0.200 to 0.180.",
        "Edit 2 (Neuron 4, Horror: switched off for all 2,000 users) is switched off.",
        "Edit 3 (Neuron 4, Horror: switched off for all 2,000 users), alone: Speed goes from the lists of fewer than "
        "10 to those of 700 of 1,000 users; 300 of 1,000 measured lists change; NDCG@10 from 0.200 to 0.180.",
    ]
    small = {**edit, "effect": Effect(3, 0, None, withheld="it is for fewer than 10 users")}
    told = "what it does is not told, because it is for fewer than 10 users."
    assert edit_sentences([small], None, False)[0].endswith(told)
    many = edit_sentences([edit] * (EDITS_TOLD + 2), None, False)
    assert (len(many), many[-1]) == (EDITS_TOLD + 1, "And 2 more edits, told below.")
