"""Runs beside each other: the front, the concepts that came and went and the settings, against plain recounts."""

import json
import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.catalogue.fetch import NOT_OFFICIAL
from engine.compared import compared, difference, matched, point, settings, standings_of
from engine.experiments.frontier import Tradeoff, dominators, front
from engine.home import Home
from engine.neurons.matching import SAME, match, random_directions
from engine.progress import silent
from engine.report.blocks import Document, Heading, Table, as_markdown
from engine.report.compared import (
    again_words,
    compared_document,
    found_again,
    matching_words,
    others_words,
    summary,
    verdicts,
)
from engine.report.documents import as_page
from engine.run import Run
from engine.train import train


@pytest.fixture(scope="module")
def pair(demo_run: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    home = Home(tmp_path_factory.mktemp("pair"))
    shutil.copytree(demo_run.home.dataset("demo"), home.dataset("demo"))
    shutil.copytree(demo_run.folder, home.run("demo"))
    values = {"sae": {"steps": 30, "seed": 1, "neurons": 12}, "baselines": False}
    return Run.open(home, "demo"), train(home, "demo", values, "small", silent, base="demo")


def test_a_run_is_dominated_by_what_has_at_least_as_much_of_both_and_more_of_one() -> None:
    random = np.random.default_rng(0)
    points = [Tradeoff(str(n), "x", *(round(v, 1) for v in random.random(2)), n % 7 == 0) for n in range(60)]
    for at, one in enumerate(points):
        by_hand = [
            n
            for n, other in enumerate(points)
            if not one.passes_through
            and not other.passes_through
            and other.purity >= one.purity
            and other.rbo >= one.rbo
            and (other.purity, other.rbo) != (one.purity, one.rbo)
        ]
        assert dominators(points, at) == by_hand
        assert (at in front(points)) == (not by_hand and not one.passes_through)


def test_the_runs_of_one_catalogue_are_placed_in_one_plane(pair: tuple[Run, Run]) -> None:
    facts = compared(pair)
    assert json.dumps(facts)  # plain values
    first, second = facts["runs"]
    purities = [first["purity20"]["split-half"], second["purity20"]["split-half"]]
    rbos = [first["fidelity"]["rbo"], second["fidelity"]["rbo"]]
    best = max(range(2), key=lambda n: (purities[n], rbos[n]))
    assert facts["runs"][best]["front"]
    other = 1 - best
    below = purities[other] <= purities[best] and rbos[other] <= rbos[best]
    assert facts["runs"][other]["beaten_by"] == ([facts["runs"][best]["name"]] if below else [])
    for row, run in zip(facts["runs"], pair, strict=True):
        own = [user["rbo"] for user in run.fidelity_by_user]
        assert row["fidelity"]["rbo"] == pytest.approx(np.mean(own))
        low, high = row["fidelity"]["rbo_interval"]
        half = 1.96 * np.std(own) / len(own) ** 0.5
        assert (low, high) == pytest.approx((np.mean(own) - half, np.mean(own) + half), abs=half / 5)
        assert (drawn := point(row)) is not None
        assert drawn.rbo_interval == (low, high)


def test_a_run_without_baselines_has_the_standings_that_it_would_have_kept(pair: tuple[Run, Run]) -> None:
    whole, _ = pair
    stripped = replace(whole, manifest={**whole.manifest, "comparison": None})
    assert standings_of(stripped) == whole.manifest["comparison"]["concepts"]


def test_concepts_come_and_go_as_the_two_runs_reach_them(pair: tuple[Run, Run]) -> None:
    (told,) = compared(pair)["concepts"]
    reached = [{one.concept for one in run.reach if one.reached} for run in pair]
    assert {one["concept"] for one in told["vanished"]} == reached[0] - reached[1]
    assert {one["concept"] for one in told["appeared"]} == reached[1] - reached[0]
    assert told["both"] == len(reached[0] & reached[1])
    assert told["vanished"]  # twelve neurons reach less than forty
    found = matched(*pair)
    again = {one["a"]: one["b"] for one in found["pairs"] if one["correlation"] >= found["level"]}
    for one in told["vanished"]:
        assert (one["found_again"] or {}).get("neuron") == again.get(one["neuron"])
        assert pair[0].label_purity(one["neuron"], one["concept"])[1] == one["purity20"] >= 0.5


def test_equal_ids_of_different_data_sets_are_no_shared_items_unless_their_titles_agree(pair: tuple[Run, Run]) -> None:
    a = b = pair[0]
    elsewhere = replace(b, manifest={**b.manifest, "dataset": "elsewhere", "catalogue_hash": "another"})
    assert matched(a, elsewhere)["items"] == matched(a, b)["items"]  # the same films under another name
    elsewhere.__dict__["texts"] = {**b.texts, "title": [f"Song {n}" for n in range(len(b.texts["title"]))]}
    facts = compared([a, elsewhere])
    assert "0 ranked items in common" in facts["matchings"][0]["unknown"]
    assert facts["concepts"][0]["shared"] == 0
    assert not facts["same_catalogue"]


def test_runs_of_one_recommender_and_recipe_share_a_name_in_the_picture(pair: tuple[Run, Run]) -> None:
    (row, _) = compared(pair)["runs"]
    named = {kind: point({**row, "recommender": kind[0], "recipe": kind[1]}) for kind in GROUPS}
    assert {kind: one.group for kind, one in named.items() if one is not None} == GROUPS


GROUPS = {
    ("mf", "best"): "MF, our recipe",
    ("ncf", "paper"): "NCF, the paper's recipe",
    ("adopted", "adopted"): "adopted",
}


def test_settings_that_differ_are_told_and_no_others() -> None:
    a = {"dataset": "x", "versions": {"torch": "1"}, "config": {"sae": {"seed": 0, "beta": 1.0}, "recipe": "best"}}
    b = {"dataset": "x", "versions": {"torch": "1"}, "config": {"sae": {"seed": 1, "beta": 1.0, "rho": 0.1}}}
    assert settings([a, b]) == [
        {"setting": "sae.seed", "values": [0, 1]},
        {"setting": "recipe", "values": ["best", None]},
        {"setting": "sae.rho", "values": [None, 0.1]},
    ]
    assert settings([a, a, a]) == []


def test_matched_neurons_correlate_as_numpy_says(pair: tuple[Run, Run]) -> None:
    a, b = pair
    found = matched(a, b)
    ranked = a.screen["ranked"]
    za, zb = (run.sae.encode(run.recommender.items.vectors, "items")[ranked] for run in pair)
    for one in found["pairs"]:
        assert one["correlation"] == pytest.approx(np.corrcoef(za[:, one["a"]], zb[:, one["b"]])[0, 1], abs=1e-5)
    alive = int((za.std(axis=0) > 0).sum())
    assert found["matched"] == sum(one["correlation"] >= found["level"] for one in found["pairs"]) / alive
    assert (found["alive_a"], found["alive_b"]) == (alive, int((zb.std(axis=0) > 0).sum()))


def test_a_match_tells_of_how_many_and_how_many_could_be(pair: tuple[Run, Run]) -> None:
    found = matched(*pair)
    same = sum(one["correlation"] >= found["level"] for one in found["pairs"])
    assert found["alive_b"] < found["alive_a"]
    said = f"{same} of the {found['alive_a']} living neurons of demo ({same / found['alive_a']:.0%}) are found again in"
    assert f"{said} small, which has {found['alive_b']}, so that no more could be:" in matching_words(found)
    assert [one["correlation"] >= found["level"] for one in found_again(found)] == [True] * same
    first, *others = found["pairs"]
    weaker = {**found, "pairs": [{**first, "correlation": 0.204}, *others]}
    rest = len(others) + 1 - len(found_again(weaker))
    assert f"The {rest} other pair" in others_words(weaker)
    assert "down to 0.20: no match. Neurons of demo alone: " in others_words(weaker)
    dead = {**found, "alive_b": 0, "pairs": []}
    assert "none is found again" in matching_words(dead)


def test_a_pair_that_chance_reaches_is_no_match(pair: tuple[Run, Run]) -> None:
    found = matched(*pair)
    assert found["level"] == max(SAME, found["chance"], found["random"])
    first = {**found["pairs"][0], "correlation": 0.72}
    reached = {**found, "pairs": [first], "random": 0.731, "level": 0.731}
    assert found_again(reached) == []
    assert "correlate by 0.731 or more" in matching_words(reached)
    assert "so a match has to beat that" in matching_words(reached)
    assert found_again({**reached, "random": 0.6, "level": SAME}) == [first]
    codes = np.random.default_rng(0).random((60, 4))
    noisy = codes + np.random.default_rng(1).normal(0, 0.25, codes.shape)
    strict = match(codes, noisy, drawn=(0.99, 0.5))
    assert (strict.level, strict.matched, strict.random) == (0.99, 0.0, 0.99)
    assert match(codes, noisy).matched == 1.0 or match(codes, noisy).level == SAME


def test_a_difference_is_paired_where_the_users_are_the_same(pair: tuple[Run, Run]) -> None:
    facts = compared(pair)
    (one,) = facts["differences"]
    a, b = ({row["user_id"]: row["rbo"] for row in run.fidelity_by_user} for run in pair)
    assert a.keys() != b.keys()  # another seed holds out other users
    assert not one["rbo"]["paired"]
    assert one["rbo"]["mean"] == pytest.approx(np.mean(list(a.values())) - np.mean(list(b.values())))
    purity = [np.array(row["purity20_by_concept"]) for row in facts["runs"]]
    assert one["purity20"]["mean"] == pytest.approx(np.mean(purity[0] - purity[1]))
    assert one["purity20"]["low"] < one["purity20"]["mean"] < one["purity20"]["high"]
    first, row = pair[0], facts["runs"][0]
    same = difference((first, row), (first, row))
    assert (same["rbo"]["paired"], same["rbo"]["mean"], same["rbo"]["low"]) == (True, 0.0, 0.0)


def below(purity: list[float], rbo: list[float]) -> dict[str, Any]:
    """Facts of two runs of which a has more of both, by so much."""
    rows: list[dict[str, Any]] = [{"name": name, "fidelity": {"passes_through": False}} for name in "ab"]
    rows[0] |= {"front": True, "beaten_by": []}
    rows[1] |= {"front": False, "beaten_by": ["a"]}
    names = ("mean", "low", "high")
    one = {
        "a": "b",
        "b": "a",
        "purity20": {**dict(zip(names, purity, strict=True)), "concepts": 19},
        "rbo": {**dict(zip(names, rbo, strict=True)), "users": [30, 40], "paired": False},
    }
    return {"runs": rows, "differences": [one], "comparable": "One.", "matchings": [], "concepts": []}


def test_being_dominated_is_told_with_its_interval() -> None:
    facts = below([-0.05, -0.14, 0.04], [-0.04, -0.05, -0.03])
    assert verdicts(facts)[1] == (
        "b is dominated by a: its purity is lower by 0.05 [-0.04, 0.14], paired over 19 concepts; its RBO is lower by "
        "0.04 [0.03, 0.05], unpaired, over 30 and 40 users (clear in RBO alone)."
    )
    assert (
        summary(facts)[1] == "No run here has more of both purity and RBO than a; b less too, but not clearly on both."
    )
    clear = below([-0.05, -0.08, -0.01], [-0.04, -0.05, -0.03])
    assert verdicts(clear)[1].endswith("(both are clear).")
    assert summary(clear)[1].endswith("than a; b clearly has less of both.")
    facts["runs"][1] |= {"front": True, "beaten_by": []}
    assert verdicts(facts)[2].startswith(
        "a less b: purity +0.05 [-0.04, +0.14], paired over 19 concepts (not clear); RBO +0"
    )


def test_concepts_that_cross_a_threshold_stand_last_and_say_so(pair: tuple[Run, Run]) -> None:
    facts = compared(pair)
    (told,) = facts["concepts"]
    for row in (*told["vanished"], *told["appeared"]):
        elsewhere = row["purity20_elsewhere"]
        assert row["close"] == (elsewhere is not None and row["purity20"] - elsewhere <= 0.15 + 1e-9)
    for name in ("vanished", "appeared"):
        assert [row["close"] for row in told[name]] == sorted(row["close"] for row in told[name])
    far, near = told["vanished"][0], {**told["vanished"][0], "close": True}
    words = as_markdown(
        compared_document(pair, {**facts, "concepts": [{**told, "vanished": [far, near], "appeared": [far]}]})
    )
    assert "1 of the 3 below is close (the other run's best neuron is less pure by 0.15 at most)" in words
    assert words.index("| appeared |") < words.index("| vanished, close |")


def test_a_comparison_says_what_it_was_made_of(pair: tuple[Run, Run]) -> None:
    document = compared_document(pair)
    words, page = as_markdown(document), as_page(document)
    assert "```\nmonoscope runs compare demo small --output compared.html\n```" in words
    assert "<pre>\nmonoscope runs compare demo small --output compared.html\n</pre>" in page
    for run in pair:
        hashes = run.manifest["hashes"]
        shown = (
            hashes["recommender.safetensors"][:16],
            hashes["sae.safetensors"][:16],
            run.manifest["catalogue_hash"][:16],
        )
        seeds = f"{run.manifest['config']['recommender']['seed']}, {run.manifest['sae']['seed']}"
        assert f"| {run.name} | {seeds} | {run.manifest['created'][:10]} | {' | '.join(shown)} |" in words
    assert f"torch {pair[0].manifest['versions']['torch']}" in words


def test_a_concept_can_go_while_its_neuron_stays() -> None:
    row = {"found_again": {"neuron": 12, "concept": "War", "correlation": 0.73}}
    assert again_words(row) == "found again as 12, named by War"
    assert again_words({"found_again": None}) == "not found again"


def test_the_archive_that_is_not_official_is_told_in_a_sentence(demo_run: Run) -> None:
    copy = replace(demo_run, manifest={**demo_run.manifest, "source_notice": NOT_OFFICIAL})
    words = as_markdown(compared_document([copy, copy], compared([copy, copy])))
    assert words.count("**Note: The archive that demo was made of is not the official one") == 1


def test_names_with_hyphens_are_not_broken_on_a_page() -> None:
    table = Table(("neuron of ml-1m-mf", "x"), [["<a-b> c", "1"]])
    page = as_page(Document("ml-1m-mf and b", [Heading("of ml-1m-mf"), table]))
    assert "<title>ml-1m-mf and b</title>" in page
    assert '<h1><span class="w">ml-1m-mf</span> and b</h1>' in page
    assert 'of <span class="w">ml-1m-mf</span></h2>' in page
    assert 'neuron of <span class="w">ml-1m-mf</span>' in page
    assert '<span class="w">&lt;a-b&gt;</span> c' in page
    assert ".w { white-space: nowrap; }" in page


def test_random_directions_match_what_is_itself_a_direction_and_not_noise() -> None:
    random = np.random.default_rng(3)
    vectors = random.standard_normal((400, 2))
    lines = np.maximum(vectors @ random.standard_normal((2, 3)), 0)  # in two dimensions any set has one close by
    best, share = random_directions(lines, vectors, 40, 0)
    assert best > 0.95
    assert share > 0.9
    best, share = random_directions(random.random((400, 3)), vectors, 40, 0)
    assert best < 0.3
    assert share == 0
