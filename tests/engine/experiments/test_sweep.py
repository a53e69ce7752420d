"""Sweeps: the grid, the front, the choice that looks at no label, and going on after an interruption."""

import json
from dataclasses import replace

import numpy as np
import pytest

from engine.comparison import RANDOM
from engine.errors import RunError
from engine.experiments.sweep import Beside, Trial, by_half, grid, judged, stored, sweep, sweep_path
from engine.experiments.trained import Wanted, trained
from engine.home import Home
from engine.progress import silent
from engine.run import Run
from engine.train import train

AXES: dict[str, list] = {"sae.beta": [0.0, 1.0], "sae.k_items": [2, 5]}


@pytest.fixture(scope="module")
def base(music_home: Home) -> Run:
    return trained(music_home, "lastfm-msd", Wanted("mf", "best", 0))


def test_a_grid_is_every_combination_and_takes_settings_of_the_autoencoder_alone() -> None:
    assert grid(AXES) == [
        {"sae.beta": 0.0, "sae.k_items": 2},
        {"sae.beta": 0.0, "sae.k_items": 5},
        {"sae.beta": 1.0, "sae.k_items": 2},
        {"sae.beta": 1.0, "sae.k_items": 5},
    ]
    with pytest.raises(RunError, match=r"not 'recommender\.d'"):
        grid({"recommender.d": [10]})
    with pytest.raises(RunError, match="200 at most"):
        grid({"sae.beta": list(range(20)), "sae.alpha": list(range(20))})


def test_a_trial_is_what_a_run_with_these_settings_measures(base: Run, music_home: Home) -> None:
    found = sweep(music_home, base, {}, AXES, "first", silent)
    assert [trial.changed for trial in found.trials] == grid(AXES)
    alone = train(music_home, "lastfm-msd", {"sae": {"beta": 1.0, "k_items": 5}}, "alone", silent, base=base.name)
    trial, fidelity = found.trials[3], alone.manifest["fidelity"]
    assert trial.rbo == fidelity["rbo"]
    assert trial.l0_items == fidelity["l0_items"]
    own = alone.manifest["comparison"]["rows"][0]["purity"]
    assert {name: {str(k): v for k, v in means.items()} for name, means in trial.purity.items()} == own
    kept = json.loads(sweep_path(music_home, "first").read_text())
    assert kept["base_hash"] == base.manifest["hashes"]["recommender.safetensors"]
    assert len(kept["trials"]) == 4
    with pytest.raises(RunError, match="already a sweep 'first'"):
        sweep(music_home, base, {}, AXES, "first", silent)


def test_what_needs_no_training_stands_beside_a_sweep_at_its_sparsities(base: Run, music_home: Home) -> None:
    axes = {"sae.k_items": [2, 5], "sae.neurons": [20, 10]}
    found = sweep(music_home, base, {"sae": {"k_users": 4}}, axes, "beside", silent)
    rows = {one.name: one for one in found.baselines}
    assert list(rows) == ["raw dimensions", "PCA", "ICA", "ICA, top 2/4", "ICA, top 5/4", RANDOM]
    assert {one.neurons for one in found.baselines} == {20}
    assert rows["ICA, top 5/4"].l0_items == pytest.approx(5, abs=0.3)
    assert rows["ICA, top 2/4"].l0_items == pytest.approx(2, abs=0.3)
    assert rows[RANDOM].rbo is None
    settings = {"sae": {"neurons": 20, "k_users": 4, "k_items": 5}}
    alone = train(music_home, "lastfm-msd", settings, None, silent, base.name)
    theirs = {row["name"]: row for row in alone.manifest["comparison"]["rows"]}
    for name, other in (("PCA", "PCA"), ("ICA", "ICA"), ("ICA, top k", "ICA, top 5/4")):
        assert rows[other].rbo == pytest.approx(theirs[name]["fidelity"]["rbo"])
        assert rows[other].purity["split-half"][20] == theirs[name]["purity"]["split-half"]["20"]
    json_file, svg, png = stored(music_home, "beside")
    assert len(json.loads(json_file.read_text())["baselines"]) == 6
    assert "ICA" in svg.read_text()
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_setting_that_does_not_fit_is_named(base: Run, music_home: Home) -> None:
    with pytest.raises(RunError, match=r"sae\.neurons"):
        sweep(music_home, base, {}, {"sae.neurons": [0]}, None, silent)


class _Interrupted(Exception):
    pass


def test_an_interrupted_sweep_goes_on_to_the_same_figures(base: Run, music_home: Home) -> None:
    axes = {"sae.alpha": [1.0, 2.0]}
    whole = sweep(music_home, base, {}, axes, None, silent)

    def stop(share: float, text: str) -> None:  # noqa: ARG001
        if share > 0.5:
            raise _Interrupted

    with pytest.raises(_Interrupted):
        sweep(music_home, base, {}, axes, None, stop)
    assert sweep(music_home, base, {}, axes, None, silent) == whole


def test_a_dead_neuron_costs_monosemanticity() -> None:
    random = np.random.default_rng(0)
    z, vectors, ranked = random.random((200, 6)), random.random((200, 5)), np.arange(200) < 180
    alive = by_half(z, vectors, ranked, 0)
    dead = by_half(np.concatenate([z, np.zeros((200, 2))], axis=1), vectors, ranked, 0)
    assert dead == pytest.approx([0.75 * (value or 0) for value in alive])
    assert by_half(np.zeros((200, 2)), vectors, ranked, 0) == (None, None)


def trial(purity: float, rbo: float, own: float, other: float = 0.5) -> Trial:
    means = {"split-half": {20: purity}}
    return Trial({}, rbo, 0.0, None, 1.0, 1.0, 0, means, (own, other), (None, None))


def test_the_front_is_what_nothing_beats_in_both_and_the_choice_is_by_the_tuning_half() -> None:
    trials = [trial(0.9, 0.5, 0.1), trial(0.8, 0.8, 0.3), trial(0.7, 0.7, 0.2, 0.9), trial(0.9, 0.4, 0.2)]
    found = judged(trials)
    assert [one.front for one in found] == [True, True, False, False]
    assert [one.best for one in found] == [False, True, False, False]
    assert replace(found[2], front=False, best=False) == trials[2]
    means = trials[0].purity
    plain = Beside("ICA, top 4/5", 8, {"split-half": {20: 0.95}}, rbo=0.6)
    assert [one.front for one in judged(trials, [plain])] == [False, True, False, False]
    through = Beside("PCA", 8, {"split-half": {20: 1.0}}, rbo=1.0, passes_through=True)
    chance = Beside("random directions", 8, means)
    assert judged(trials, [through, chance]) == found
    unknown = [replace(one, monosemanticity=(None, None)) for one in trials]
    assert not any(one.best for one in judged(unknown))
