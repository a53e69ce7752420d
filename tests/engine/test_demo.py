"""The demo's audience is simulated from planted tastes: here the truth is known, and must come out."""

import tomllib

import numpy as np
import pytest

from engine.fidelity import measure_fidelity
from engine.home import content
from engine.run import Run
from engine.steering.inputs import TEST, candidates, histories

TASTES = tomllib.loads((content("datasets") / "demo" / "tastes.toml").read_text())


def top_items(run: Run) -> np.ndarray:
    return run.screen["top_item"][:, :20]


def best_share(run: Run, film_ids: set[str]) -> tuple[int, float]:
    """The neuron with the largest share of `film_ids` among its top 20, and that share."""
    member = np.array([item_id in film_ids for item_id in run.texts["item_id"]])
    shares = member[top_items(run)].mean(axis=1)
    return int(shares.argmax()), float(shares.max())


@pytest.mark.parametrize(
    "concept", ["Horror", "Sci-Fi", "Western", "War", "Romance", "Documentary", "Crime", "1980s", "Golden-Age"]
)
def test_a_planted_taste_with_metadata_is_named(demo_run: Run, concept: str) -> None:
    reach = next(entry for entry in demo_run.reach if entry.concept == concept)
    assert reach.purity20 is not None
    assert reach.purity20 >= 0.8
    assert demo_run.neuron(reach.neuron or 0).named_by == concept


@pytest.mark.parametrize(
    "taste", [taste for taste in TASTES["taste"] if taste["kind"] == "hidden"], ids=lambda t: t["name"]
)
def test_a_planted_taste_without_metadata_surfaces_as_a_neuron_that_no_concept_names(
    demo_run: Run, taste: dict
) -> None:
    neuron, share = best_share(demo_run, set(taste["films"]))
    assert share >= 0.7
    assert demo_run.neuron(neuron).named_by is None


def test_the_mainstream_taste_surfaces_as_a_popularity_neuron(demo_run: Run) -> None:
    percentiles = [n.popularity_percentile for n in demo_run.neurons if n.popularity_percentile is not None]
    assert min(percentiles) < 5


def test_the_genre_without_a_taste_is_reported_missing(demo_run: Run) -> None:
    assert TASTES["without_taste"] == ["Musical"]
    genres = {entry.concept: entry.reached for entry in demo_run.reach if entry.kind == "genre"}
    assert not genres["Musical"]
    planted = {genre for taste in TASTES["taste"] for genre in taste.get("genres", {})}
    assert {genre for genre, reached in genres.items() if not reached} <= set(genres) - planted


def test_the_recommender_beats_popularity_and_survives_reconstruction(demo_run: Run) -> None:
    quality = demo_run.manifest["recommender"]
    assert quality["metrics"]["ndcg10"] > 2 * quality["popularity"]["ndcg10"]
    assert quality["metrics"]["mpr"] < 0.15
    assert demo_run.manifest["fidelity"]["rbo"] > 0.6
    assert not any(neuron.dead for neuron in demo_run.neurons)


def test_the_stored_fidelity_can_be_measured_again(demo_run: Run) -> None:
    from engine.sae.training import split_users

    with demo_run.catalogue() as catalogue:
        users = len(catalogue.users().user_id)
        again = measure_fidelity(
            demo_run.recommender,
            demo_run.sae,
            candidates(catalogue, users),
            histories(catalogue, users, TEST),
            split_users(users, 0.2, 0)[1],
        )
    assert again.as_dict() == pytest.approx(demo_run.manifest["fidelity"])


def test_the_audience_is_said_to_be_simulated(demo_run: Run) -> None:
    assert demo_run.manifest["simulated"]
    assert "simulated" in demo_run.manifest["notice"]


def test_turning_horror_off_takes_horror_out_of_its_lovers_lists(demo_run: Run) -> None:
    neuron = next(entry.neuron for entry in demo_run.reach if entry.concept == "Horror") or 0
    from engine.steering.edits import Edit

    lovers = np.array(
        sorted(np.argsort(-demo_run.sae.encode(demo_run.recommender.users.vectors, "users")[:, neuron])[:200])
    )
    with demo_run.catalogue() as catalogue:
        effect = demo_run.steering(catalogue).effect(lovers, [Edit(neuron=neuron, operation="off")], 30)
    before, after = (effect[arm]["concept_shares"]["Horror"] for arm in ("before", "after"))
    assert before > 0.2
    assert after < before / 3
    assert effect["collateral"]["rbo_of_the_rest"] > 0.5
