from pathlib import Path

import numpy as np
import pytest

from engine.errors import RunError
from engine.progress import silent
from engine.recommenders.checkpoint import Checkpoint
from engine.recommenders.recommender import Recommender, Tower
from engine.sae.align import fit_side
from engine.sae.config import SaeConfig
from engine.sae.model import SIDES, SparseAutoencoder
from engine.sae.start import ica_start
from engine.sae.training import split_users, train_sae
from engine.train import TrainConfig

SMALL = SaeConfig(neurons=12, k_items=2, k_users=3, steps=60, rows_a_step=128, pair_rows=64)


def planted(users: int = 300, items: int = 400, seed: int = 0) -> tuple[Recommender, np.ndarray]:
    """Vectors that are sparse sums of six directions; the second result is each item's strongest direction."""
    random = np.random.default_rng(seed)
    directions = np.linalg.qr(random.standard_normal((6, 6)))[0]
    item_codes = random.exponential(size=(items, 6)) * (random.random((items, 6)) < 0.25)
    user_codes = random.exponential(size=(users, 6)) * (random.random((users, 6)) < 0.4)

    def tower(prefix: str, codes: np.ndarray) -> Tower:
        vectors = (codes @ directions + 0.02 * random.standard_normal((len(codes), 6))).astype(np.float32)
        return Tower([f"{prefix}{n}" for n in range(len(codes))], vectors, np.zeros(len(codes), np.float32))

    return Recommender(tower("u", user_codes), tower("i", item_codes)), item_codes


def trained(recommender: Recommender, config: SaeConfig = SMALL, log: list | None = None) -> SparseAutoencoder:
    lines: list = [] if log is None else log
    return train_sae(
        config,
        recommender,
        users=np.arange(len(recommender.users.ids)),
        items=np.arange(len(recommender.items.ids)),
        progress=silent,
        log=lines.append,
    )


@pytest.fixture(scope="module")
def case() -> tuple[Recommender, np.ndarray, SparseAutoencoder]:
    recommender, codes = planted()
    return recommender, codes, trained(recommender)


def test_every_planted_direction_has_a_neuron_that_follows_it(case: tuple) -> None:
    recommender, codes, sae = case
    z = sae.encode(recommender.items.vectors, "items")
    alive = z.std(axis=0) > 0
    correlation = np.corrcoef(codes.T, z[:, alive].T)[:6, 6:]
    assert correlation.max(axis=1).min() > 0.9


def test_as_many_neurons_fire_as_was_asked_for(case: tuple) -> None:
    recommender, _, sae = case
    assert (sae.encode(recommender.items.vectors, "items") > 0).sum(axis=1).mean() == pytest.approx(2, abs=0.02)
    assert (sae.encode(recommender.users.vectors, "users") > 0).sum(axis=1).mean() == pytest.approx(3, abs=0.02)


def test_a_code_does_not_depend_on_the_rows_beside_it(case: tuple) -> None:
    recommender, _, sae = case
    together = sae.encode(recommender.items.vectors, "items")
    for row in range(0, 400, 37):
        alone = sae.encode(recommender.items.vectors[row : row + 1], "items")
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)


def test_codes_are_never_negative(case: tuple) -> None:
    recommender, _, sae = case
    assert (sae.encode(recommender.users.vectors, "users") >= 0).all()


def test_a_shift_is_the_difference_of_two_decodings(case: tuple) -> None:
    recommender, _, sae = case
    z = sae.encode(recommender.users.vectors, "users")
    changed = z + np.random.default_rng(0).standard_normal(z.shape).astype(np.float32)
    np.testing.assert_allclose(
        sae.shift(changed - z, "users"), sae.decode(changed, "users") - sae.decode(z, "users"), atol=1e-4
    )


def test_training_leaves_the_recommender_as_it_was_and_repeats_to_the_bit() -> None:
    recommender, _ = planted(seed=1)
    before = recommender.users.vectors.tobytes() + recommender.items.vectors.tobytes()
    first, second = trained(recommender), trained(recommender)
    assert recommender.users.vectors.tobytes() + recommender.items.vectors.tobytes() == before
    assert first.w_md.tobytes() == second.w_md.tobytes()
    assert first.sides["items"].threshold == second.sides["items"].threshold
    other = trained(recommender, SMALL.model_copy(update={"seed": 1}))
    assert other.w_md.tobytes() != first.w_md.tobytes()


def test_the_prediction_loss_is_named_in_the_log_and_changes_what_is_learned() -> None:
    recommender, _ = planted(seed=2)
    with_it: list = []
    without: list = []
    first = trained(recommender, SMALL, with_it)
    second = trained(recommender, SMALL.model_copy(update={"beta": 0.0}), without)
    assert {"step", "embedding_users", "embedding_items", "prediction", "revived"} == set(with_it[-1])
    assert "prediction" not in without[-1]
    assert with_it[-1]["prediction"] < with_it[0]["prediction"]
    assert not np.allclose(first.w_md, second.w_md)


def test_a_saved_autoencoder_comes_back_as_it_was(case: tuple, tmp_path: Path) -> None:
    recommender, _, sae = case
    sae.save(tmp_path / "sae.safetensors")
    back = SparseAutoencoder.load(tmp_path / "sae.safetensors")
    for side in SIDES:
        vectors = getattr(recommender, side).vectors
        assert (back.encode(vectors, side) == sae.encode(vectors, side)).all()


def test_the_ica_start_has_unit_rows_and_fills_up_any_number_of_neurons() -> None:
    vectors = np.random.default_rng(0).exponential(size=(500, 4))
    for neurons in (3, 8, 20):
        start = ica_start(vectors, neurons, 0)
        assert start.shape == (neurons, 4)
        np.testing.assert_allclose(np.linalg.norm(start, axis=1), 1, atol=1e-5)


def test_a_side_is_brought_to_mean_zero_and_unit_scale() -> None:
    e = np.random.default_rng(0).normal(3, 5, (100, 4)).astype(np.float32)
    side = fit_side(e)
    x = (e - side.mean) / side.scale
    assert abs(x.mean()) < 1e-5
    assert (x**2).mean() == pytest.approx(1, abs=1e-4)


def test_held_out_users_and_training_users_are_all_users_once() -> None:
    trained_on, measured_on = split_users(1000, 0.2, 0)
    assert len(measured_on) == 200
    assert sorted([*trained_on, *measured_on]) == list(range(1000))
    assert (split_users(1000, 0.2, 0)[1] == measured_on).all()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"sae": {"neurons": 0}}, "sae.neurons"),
        ({"sae": {"neurons": 4, "k_items": 8}}, "cannot exceed neurons"),
        ({"recommender": {"d": "many"}}, "recommender.d"),
        ({"sae": {"nurons": 4}}, "sae.nurons"),
        ({"recommender": "svd"}, "recommender must be a group"),
        ({"recommender": {"kind": "svd"}}, "recommender"),
        ({"recommender": {"kind": "ncf", "loss": "dense"}}, "recommender.loss"),
        ({"recipe": "worst"}, "no recipe 'worst'"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(values: dict, told: str) -> None:
    with pytest.raises(RunError, match=told):
        TrainConfig.of(values, "any", 10, 10, 10)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"sae": {"neurons": True}}, r"sae\.neurons does not fit: it cannot be true"),
        ({"sae": {"beta": float("inf")}}, r"sae\.beta does not fit: it must be a finite number"),
        ({"sae": {"l1": float("nan")}}, r"sae\.l1"),
        ({"recommender": {"d": True}}, r"recommender\.d does not fit: it cannot be true"),
        ({"recommender": {"learning_rate": float("inf")}}, r"recommender\.learning_rate"),
    ],
)
def test_true_is_no_number_and_infinity_no_setting(values: dict, told: str) -> None:
    with pytest.raises(RunError, match=told):
        TrainConfig.of(values, "any", 10, 10, 10)
    assert TrainConfig.of({"sae": {"tied": False}, "baselines": False}, "any", 10, 10, 10).sae.tied is False


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"learning_rate": 1e30}, r"diverged: at step 25 .* lower sae\.learning_rate \(1e\+30\)\."),
        ({"alpha": 1e39, "steps": 5}, r"diverged: at step 5 .* lower sae\.alpha \(1e\+39\)\."),
    ],
)
def test_a_training_that_runs_away_names_the_setting_to_lower(more: dict, told: str, tmp_path: Path) -> None:
    recommender, _ = planted(seed=1)
    config = SaeConfig.model_validate({**SMALL.model_dump(), **more})
    checkpoint = Checkpoint(tmp_path, "diverging")
    with pytest.raises(RunError, match=told):
        train_sae(
            config,
            recommender,
            users=np.arange(300),
            items=np.arange(400),
            progress=silent,
            log=lambda _line: None,
            checkpoint=checkpoint,
        )
    assert not list(tmp_path.iterdir())  # nothing to go on with
