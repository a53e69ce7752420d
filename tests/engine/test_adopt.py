"""Models from elsewhere: joined by id, checked before anything is built, honest about what they may have seen."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.adopt import MISALIGNED_MPR, Adoption, Pairs, adopt, aligned, parity
from engine.catalogue.catalogue import Catalogue
from engine.errors import RunError
from engine.home import Home
from engine.progress import silent
from engine.recommenders.recommender import Recommender, Tower
from engine.recommenders.scorers import Mlp
from engine.run import Run, trust_run

QUICK = {"steps": 40, "neurons": 10, "k_items": 3, "k_users": 3}


@pytest.fixture(scope="module")
def here(demo_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home of its own with the demo's data set."""
    home = Home(tmp_path_factory.mktemp("adopting"))
    shutil.copytree(demo_run.home.dataset("demo"), home.dataset("demo"))
    return home


def shuffled(run: Run, *, seed: int = 1) -> Recommender:
    """The demo's own model as a stranger would bring it: with its ids, in another order."""
    random = np.random.default_rng(seed)

    def side(tower: Tower) -> Tower:
        order = random.permutation(len(tower.ids))
        return Tower([tower.ids[n] for n in order], tower.vectors[order], tower.bias[order])

    return replace(run.recommender, users=side(run.recommender.users), items=side(run.recommender.items))


def scored(recommender: Recommender, count: int = 20) -> Pairs:
    random = np.random.default_rng(0)
    user = random.integers(0, len(recommender.users.ids), count)
    item = random.integers(0, len(recommender.items.ids), count)
    scores = recommender.affinities(user)[np.arange(count), item]
    return Pairs([recommender.users.ids[n] for n in user], [recommender.items.ids[n] for n in item], scores)


def test_a_model_in_another_order_gives_the_lists_of_the_original(demo_run: Run, here: Home) -> None:
    brought = shuffled(demo_run)
    run = adopt(here, "demo", brought, Adoption(trained_on="train", pairs=scored(brought), sae=QUICK), "own", silent)
    assert run.manifest["recommender"]["metrics"] == demo_run.manifest["recommender"]["metrics"]
    assert run.manifest["recommender"]["kind"] == "adopted"
    with demo_run.catalogue() as catalogue:
        first, second = (one.steering(catalogue).rank(17, [], 30)["before"] for one in (demo_run, run))
    assert [line["item_id"] for line in first] == [line["item_id"] for line in second]
    assert run.manifest["recommender"]["behaviour_mpr"] < 0.2
    assert len(run.neurons) == 10


def test_held_out_figures_of_a_model_that_may_have_seen_everything_are_unknown(demo_run: Run, here: Home) -> None:
    run = adopt(here, "demo", shuffled(demo_run), Adoption(sae=QUICK), None, silent)
    quality = run.manifest["recommender"]
    assert run.name == "demo-adopted"
    assert quality["trained_on"] == "unknown"
    assert quality["metrics"]["ndcg10"] is None
    assert quality["beats_popularity"] is None
    assert run.manifest["fidelity"]["ndcg_kept"] is None
    assert any("may have been trained on the held-out items" in note for note in run.manifest["notes"])
    with run.catalogue() as catalogue:
        steering, everything = run.steering(catalogue), catalogue.interactions()
        listed = {line["item_id"] for line in steering.rank(3, [], 50)["before"]}
    own = {run.recommender.items.ids[item] for item in everything.item[everything.user == 3]}
    assert not listed & own


def test_ids_that_do_not_match_stop_the_adoption_unless_that_is_allowed(demo_run: Run, here: Home) -> None:
    brought = shuffled(demo_run)
    items = brought.items
    fewer = Tower(
        [*items.ids[:-3], "stranger"], np.concatenate([items.vectors[:-3], items.vectors[:1]]), items.bias[:-2]
    )
    partly = replace(brought, items=fewer)
    both = r"3 items of demo have no vector: .* 1 vectors are of items .*'stranger'"
    with Catalogue.open(here, "demo") as catalogue, pytest.raises(RunError, match=both):
        aligned(partly, catalogue, allow_missing=False)
    with pytest.raises(RunError, match="--allow-missing"):
        adopt(here, "demo", partly, Adoption(sae=QUICK), "partly", silent)
    assert not here.run("partly").exists()

    run = adopt(here, "demo", partly, Adoption(sae=QUICK, allow_missing=True), "partly", silent)
    without = [
        one for one, known in zip(run.recommender.items.ids, run.recommender.items.known, strict=True) if not known
    ]
    assert sorted(without) == sorted(items.ids[-3:])
    assert run.manifest["ranked_items"] <= len(run.recommender.items.ids) - 3
    for neuron in run.neurons:
        assert not {item["item_id"] for item in run.top(neuron.neuron, 50)[0]} & set(without)


def test_a_user_without_a_vector_has_no_list_and_a_sentence_that_says_so(demo_run: Run, here: Home) -> None:
    brought = shuffled(demo_run)
    users = brought.users
    partly = replace(brought, users=Tower(users.ids[1:], users.vectors[1:], users.bias[1:]))
    run = adopt(here, "demo", partly, Adoption(sae=QUICK, allow_missing=True), "without-a-user", silent)
    with pytest.raises(RunError, match=f"User '{users.ids[0]}' has no vector in run without-a-user"):
        run.user_number(users.ids[0])
    run.user_number(users.ids[1])


def test_a_model_with_none_of_the_ids_is_refused(demo_run: Run, here: Home) -> None:
    brought = shuffled(demo_run)
    strange = replace(
        brought,
        items=Tower([f"x{n}" for n in range(len(brought.items.ids))], brought.items.vectors, brought.items.bias),
    )
    with pytest.raises(RunError, match=r"None of the model's 893 ids of items \('x0', 'x1', 'x2', \.\.\.\) is in demo"):
        adopt(here, "demo", strange, Adoption(allow_missing=True), None, silent)


def test_vectors_under_the_wrong_ids_behave_like_chance_and_are_called_out(demo_run: Run, here: Home) -> None:
    brought = shuffled(demo_run)
    random = np.random.default_rng(5)
    mixed = replace(
        brought,
        items=Tower(brought.items.ids, brought.items.vectors[random.permutation(893)], brought.items.bias * 0),
    )
    run = adopt(here, "demo", mixed, Adoption(trained_on="train", sae=QUICK), "mixed", silent)
    assert run.manifest["recommender"]["behaviour_mpr"] > MISALIGNED_MPR
    assert any(note.startswith("WARNING") for note in run.manifest["notes"])
    assert run.manifest["recommender"]["beats_popularity"] is False
    assert any(note.startswith("Not trained") for note in run.manifest["notes"])


def test_scores_that_are_not_the_originals_stop_the_adoption(demo_run: Run, here: Home) -> None:
    brought = shuffled(demo_run)
    pairs = scored(brought)
    unbiased = replace(brought, items=Tower(brought.items.ids, brought.items.vectors, brought.items.bias * 0))
    with pytest.raises(RunError, match=r"not the original model's: user .* Check the scorer, the biases"):
        adopt(here, "demo", unbiased, Adoption(pairs=pairs, sae=QUICK), "refused", silent)
    assert not here.run("refused").exists()
    assert "20 pairs the scores differ by" in parity(brought, pairs)
    through = replace(pairs, scores=1 / (1 + np.exp(-pairs.scores.astype(np.float64))))
    assert "after the sigmoid" in parity(brought, through)
    with pytest.raises(RunError, match="'nobody', for which the model brought no vector"):
        parity(brought, replace(pairs, users=["nobody", *pairs.users[1:]]))


def two_tower(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(40, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))


@pytest.mark.long
def test_an_mlp_and_the_same_mlp_as_a_program_make_the_same_run(demo_run: Run, here: Home) -> None:
    head, brought = two_tower(), shuffled(demo_run)
    layers = [layer for layer in head if isinstance(layer, torch.nn.Linear)]
    arrays = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in layers]
    mlp = Mlp(tuple(w for w, _ in arrays), tuple(b for _, b in arrays), 20)
    program = Recommender.of(brought.users, brought.items, lambda u, v: head(torch.cat([u, v], 1)))
    lists = []
    for name, model in (("mlp", replace(brought, scorer=mlp)), ("program", program)):
        run = adopt(here, "demo", model, Adoption(sae=QUICK), name, silent)
        with run.catalogue() as catalogue:
            lists.append([line["item_id"] for line in run.steering(catalogue).rank(5, [], 10)["before"]])
        assert run.manifest["recommender"]["scorer"]["kind"] == name
    assert lists[0] == lists[1]


def test_a_program_runs_only_where_its_user_trusts_it(demo_run: Run, here: Home, tmp_path: Path) -> None:
    brought = shuffled(demo_run)
    program = Recommender.of(brought.users, brought.items, lambda u, v: (u * v).sum(1))
    adopt(here, "demo", program, Adoption(sae=QUICK), "trusted", silent)
    elsewhere = Home(tmp_path / "elsewhere")
    shutil.copytree(here.run("trusted"), elsewhere.run("trusted"))
    with pytest.raises(RunError, match="If you trust them: monoscope runs trust trusted"):
        _ = Run.open(elsewhere, "trusted").recommender
    assert (
        trust_run(elsewhere, "trusted")
        == json.loads((here.run("trusted") / "manifest.json").read_text())["recommender"]["scorer"]["sha256"]
    )
    assert Run.open(elsewhere, "trusted").recommender.scorer.kind == "program"
    with pytest.raises(RunError, match="needs no trust: it scores with dot"):
        trust_run(demo_run.home, demo_run.name)


def test_towers_of_different_length_are_refused_with_both_lengths(demo_run: Run, here: Home) -> None:
    brought = shuffled(demo_run)
    longer = Tower(brought.users.ids, np.hstack([brought.users.vectors, brought.users.vectors]), brought.users.bias)
    model = Recommender.of(longer, brought.items, lambda u, v: (u[:, :20] * v).sum(1))
    with pytest.raises(RunError, match="Users have vectors of 40 numbers and items of 20"):
        adopt(here, "demo", model, Adoption(sae=QUICK), "uneven", silent)


@pytest.mark.long
def test_the_documents_python_makes_a_run(
    demo_run: Run, here: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = (Path(__file__).parents[2] / "docs" / "adopt.md").read_text(encoding="utf-8")
    code = document.split("## From Python", 1)[1].split("```python\n", 1)[1].split("```", 1)[0]
    brought = shuffled(demo_run)

    class Model:
        def score(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.cosine_similarity(u, v)

    shutil.copytree(here.dataset("demo"), tmp_path / "home" / "datasets" / "demo")
    monkeypatch.setenv("MONOSCOPE_HOME", str(tmp_path / "home"))
    given = {
        "user_ids": brought.users.ids,
        "users": brought.users.vectors,
        "item_ids": brought.items.ids,
        "items": brought.items.vectors,
        "model": Model(),
    }
    exec(code.replace('"shop"', '"demo"'), given)
    run = Run.open(Home.find(), "two-tower")
    assert run.manifest["recommender"]["scorer"]["kind"] == "program"
    assert run.manifest["recommender"]["trained_on"] == "train"


@pytest.mark.long
def test_a_scorer_that_lets_no_gradient_through_is_adopted_without_the_prediction_loss(
    demo_run: Run, here: Home
) -> None:
    model = demo_run.recommender
    steps = Recommender.of(model.users, model.items, lambda u, v: ((u * v).sum(1) * 8).detach().round() / 8)
    short = {"steps": 20}
    run = adopt(here, "demo", steps, Adoption(trained_on="train", sae=short), "steps", silent)
    assert "SAE, beta 1" not in [row["name"] for row in run.manifest["comparison"]["rows"]]
    with pytest.raises(RunError, match="use --beta 0"):
        adopt(here, "demo", steps, Adoption(trained_on="train", sae={**short, "beta": 1.0}), "steps-beta", silent)
