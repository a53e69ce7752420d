"""Every variant, loss and start of the autoencoder, on vectors whose directions are known."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from engine.errors import RunError
from engine.progress import silent
from engine.recommenders.checkpoint import Checkpoint
from engine.recommenders.ranking import Histories
from engine.recommenders.recommender import Recommender, Tower
from engine.recommenders.scorers import Mlp
from engine.sae.align import fit_side, procrustes
from engine.sae.baselines import baselines
from engine.sae.config import SaeConfig
from engine.sae.learner import Learner
from engine.sae.losses import FrozenRecommender, Rows, lets_gradients_through, published_kl, rate_kl
from engine.sae.model import SIDES, SideMap, SparseAutoencoder
from engine.sae.training import side_maps, train_sae, train_saes
from tests.engine.sae.test_sae import planted

SMALL = SaeConfig(neurons=12, k_items=2, k_users=3, steps=60, rows_a_step=128, pair_rows=32)


def changed(**values: object) -> SaeConfig:
    return SaeConfig.model_validate({**SMALL.model_dump(), **values})


@pytest.fixture(scope="module")
def world() -> tuple[Recommender, Histories]:
    """Planted vectors, and as history the ten items that each user's own vector scores highest."""
    recommender, _ = planted()
    best = np.argsort(-recommender.affinities(np.arange(300)), axis=1)[:, :10]
    return recommender, Histories.of(np.repeat(np.arange(300), 10), best.ravel(), 300)


def trained(
    world: tuple[Recommender, Histories], config: SaeConfig, log: list | None = None, **more: object
) -> SparseAutoencoder:
    recommender, seen = world
    return train_sae(
        config,
        recommender,
        users=np.arange(240),
        items=np.arange(len(recommender.items.ids)),
        progress=silent,
        log=(log if log is not None else []).append,
        seen=seen,
        **more,  # type: ignore[arg-type]
    )


def test_topk_keeps_k_neurons_of_a_row_alone_or_in_any_batch(world: tuple) -> None:
    sae = trained(world, changed(variant="topk"))
    together = sae.encode(world[0].items.vectors, "items")
    assert (together > 0).sum(axis=1).max() == 2
    assert (sae.encode(world[0].users.vectors, "users") > 0).sum(axis=1).max() == 3
    for row in range(0, 400, 37):
        alone = sae.encode(world[0].items.vectors[row : row + 1], "items")[0]
        np.testing.assert_allclose(alone, together[row], atol=1e-5)


def test_an_untied_encoder_moves_away_from_the_decoder_and_is_stored(world: tuple, tmp_path: Path) -> None:
    sae = trained(world, changed(tied=False))
    assert sae.encoder_md is not None
    assert not np.allclose(sae.encoder_md, sae.w_md, atol=1e-3)
    sae.save(tmp_path / "sae.safetensors")
    back = SparseAutoencoder.load(tmp_path / "sae.safetensors")
    e = world[0].items.vectors
    assert (back.encode(e, "items") == sae.encode(e, "items")).all()


def test_the_first_matryoshka_level_reconstructs_alone_better_than_as_many_neurons_of_a_flat_one(world: tuple) -> None:
    def error_of_first_quarter(sae: SparseAutoencoder) -> float:
        e = world[0].items.vectors
        z = sae.encode(e, "items")
        z[:, 3:] = 0
        return float(((sae.decode(z, "items") - e) ** 2).mean())

    flat, nested = (trained(world, changed(levels=levels, start="random", steps=200)) for levels in (1, 4))
    assert nested.levels == (3, 6, 9, 12)
    assert flat.levels == ()
    assert error_of_first_quarter(nested) < 0.9 * error_of_first_quarter(flat)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"neurons": 0}, "greater than or equal to 1"),
        ({"k_items": 13}, "cannot exceed neurons"),
        ({"variant": "topk", "k_users": 40}, "cannot exceed neurons"),
        ({"levels": [4, 4]}, "add up to neurons"),
        ({"levels": [12, 0]}, "1 or more"),
        ({"levels": 0}, "levels must be 1 to 12"),
        ({"levels": 13}, "levels must be 1 to 12"),
        ({"variant": "jumprelu"}, "batchtopk"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(values: dict, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        changed(**values)


def test_level_sizes_may_be_given_or_equal() -> None:
    assert changed(levels=[2, 4, 6]).level_ends == (2, 6, 12)
    assert changed(levels=5).level_ends == (2, 5, 7, 10, 12)


def test_the_rate_form_of_the_kl_reaches_dead_and_dense_neurons_and_the_published_one_does_not() -> None:
    import torch

    for mean in (-2.0, 1.5):  # a neuron that never fires, and one whose mean activation is above 1
        a = torch.full((8, 1), mean, requires_grad=True)
        published_kl(a.relu(), 0.05).backward()
        assert a.grad is not None
        assert a.grad.abs().sum() == 0
        a = torch.full((8, 1), mean, requires_grad=True)
        rate_kl(a, 0.05, 0.3).backward()
        assert a.grad is not None
        assert a.grad.abs().sum() > 0
        assert (a.grad.sum() > 0) == (mean > 0)  # descent lifts the dead one and lowers the dense one


def test_penalties_make_relu_codes_sparser_and_are_named_in_the_log(world: tuple) -> None:
    free = trained(world, changed(variant="relu", beta=0, revive=0))
    for penalty in ({"l1": 2.0}, {"kl": 0.5, "kl_form": "rate"}):
        lines: list = []
        sae = trained(world, changed(variant="relu", beta=0, revive=0, steps=200, **penalty), lines)
        name = next(iter(penalty))
        assert {f"{name}_users", f"{name}_items"} <= set(lines[-1])
        e = world[0].items.vectors
        assert (sae.encode(e, "items") > 0).mean() < (free.encode(e, "items") > 0).mean()


@pytest.mark.parametrize("kind", ["random", "observed", "listwise"])
@pytest.mark.parametrize("on", ["logits", "probabilities"])
def test_every_prediction_loss_is_lowered_by_training(world: tuple, kind: str, on: str) -> None:
    lines: list = []
    trained(world, changed(prediction=kind, prediction_on=on, start="random", beta=3, steps=150), lines)
    assert lines[-1]["prediction"] < 0.8 * lines[0]["prediction"]


def test_a_listwise_loss_ignores_a_shift_that_all_items_of_a_user_share(world: tuple) -> None:
    import torch

    recommender, seen = world
    rows = Rows(np.arange(240), np.arange(400), 400, seen)
    sides, _ = side_maps(SMALL, recommender, rows.users, rows.items, seen)
    frozen = FrozenRecommender(recommender, rows, sides, "cpu")
    from engine.sae.losses import Batch

    users, items = torch.arange(4), torch.arange(20).reshape(4, 5)
    exact_u, exact_i = frozen.x["users"][users], frozen.x["items"][items]
    batch = Batch({}, {"listwise": (users, items)})
    assert float(frozen.paired(batch, "listwise", "logits", exact_u, exact_i)) == pytest.approx(0, abs=1e-8)
    # Moving all items by one vector moves all affinities of a user by one number.
    moved = exact_i + 0.3
    assert float(frozen.paired(batch, "listwise", "logits", exact_u, moved)) == pytest.approx(0, abs=1e-6)
    batch = Batch({}, {"observed": (users, items)})
    assert float(frozen.paired(batch, "observed", "logits", exact_u, moved)) > 0.01


def test_observed_pairs_need_interactions(world: tuple) -> None:
    nobody = Histories.of(np.empty(0, np.int32), np.empty(0, np.int32), 300)
    with pytest.raises(RunError, match="observed needs interactions"):
        trained((world[0], nobody), changed(prediction="observed"))


def mlp_over(recommender: Recommender) -> Recommender:
    random = np.random.default_rng(0)
    weights = tuple(random.standard_normal(shape).astype(np.float32) for shape in ((16, 12), (1, 16)))
    return Recommender(
        recommender.users, recommender.items, Mlp(weights, (np.zeros(16, np.float32), np.zeros(1, np.float32)), 6)
    )


def fingerprint(recommender: Recommender) -> str:
    parts = [tower.vectors.tobytes() + tower.bias.tobytes() for tower in (recommender.users, recommender.items)]
    parts += [array.tobytes() for array in recommender.scorer.arrays().values()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.mark.parametrize("kind", ["dot", "mlp", "program"])
@pytest.mark.parametrize("prediction", ["random", "listwise"])
def test_gradients_come_through_any_scorer_and_never_reach_the_recommender(
    world: tuple, kind: str, prediction: str
) -> None:
    recommender = world[0]
    if kind == "mlp":
        recommender = mlp_over(recommender)
    if kind == "program":
        recommender = Recommender.of(recommender.users, recommender.items, lambda u, v: (u * v).sum(1))
    before = fingerprint(recommender)
    lines: list = []
    trained((recommender, world[1]), changed(prediction=prediction, steps=100), lines)
    assert fingerprint(recommender) == before
    assert lines[-1]["prediction"] < lines[0]["prediction"]


@pytest.mark.parametrize(
    "score",
    [lambda u, v: (u * v).sum(1).detach(), lambda u, v: ((u * v).sum(1) * 4).floor(), lambda u, v: (u * v).sum(1) * 0],
    ids=["cut off", "steps", "constant"],
)
def test_a_scorer_without_gradients_is_refused_in_a_sentence_unless_beta_is_0(world: tuple, score: Callable) -> None:
    steps = Recommender.of(world[0].users, world[0].items, score)
    with pytest.raises(RunError, match="use --beta 0"):
        trained((steps, world[1]), SMALL)
    trained((steps, world[1]), changed(beta=0))


def test_a_gradient_of_a_few_real_pairs_is_enough_to_train_through(world: tuple) -> None:
    # A clipped score is flat for whoever is below the clip, the first users among them.
    towers = [Tower(one.ids, one.vectors.copy(), one.bias) for one in (world[0].users, world[0].items)]
    towers[0].vectors[:20] = 0
    clipped = Recommender.of(towers[0], towers[1], lambda u, v: (u * v).sum(1).clamp(min=0.05))
    assert lets_gradients_through(clipped)
    # Gradients that cancel over all pairs are gradients still.
    v = towers[1].vectors[0]
    opposed = [Tower.of([f"{side}0", f"{side}1"], np.stack([v, -v])) for side in "ui"]
    assert lets_gradients_through(Recommender.of(opposed[0], opposed[1], "dot"))


def test_procrustes_finds_a_rotation_that_was_hidden_and_decoding_undoes_it(world: tuple) -> None:
    recommender, seen = world
    hidden = np.linalg.qr(np.random.default_rng(3).standard_normal((6, 6)))[0].astype(np.float32)
    turned = Recommender(
        Tower(recommender.users.ids, recommender.users.vectors @ hidden.T, recommender.users.bias), recommender.items
    )
    sides, alignment = side_maps(changed(align="on"), turned, np.arange(240), np.arange(400), seen)
    straight, plain = side_maps(changed(align="on"), recommender, np.arange(240), np.arange(400), seen)
    assert alignment is not None
    assert plain is not None
    assert alignment.cosine_after == pytest.approx(plain.cosine_after, abs=1e-4)
    assert alignment.cosine_after > 0.5 > alignment.cosine_before
    # Whatever the hidden rotation was, users come out where they would without it.
    np.testing.assert_allclose(
        sides["users"].inward(turned.users.vectors), straight["users"].inward(recommender.users.vectors), atol=1e-4
    )
    x = sides["users"].inward(turned.users.vectors)
    np.testing.assert_allclose(sides["users"].outward(x) + sides["users"].mean, turned.users.vectors, atol=1e-5)


def test_alignment_is_automatic_for_a_scorer_that_is_no_dot_product_and_can_be_switched(world: tuple) -> None:
    recommender, seen = world
    taken_apart = mlp_over(recommender)
    for model, align, expected in (
        (recommender, "auto", False),
        (recommender, "on", True),
        (taken_apart, "auto", True),
        (taken_apart, "off", False),
    ):
        sides, alignment = side_maps(changed(align=align), model, np.arange(240), np.arange(400), seen)
        assert (alignment is not None) == expected
        assert (sides["users"].rotation is not None) == expected


def test_users_without_history_do_not_decide_the_rotation_but_take_it(world: tuple) -> None:
    recommender, seen = world
    nobody = Histories.of(np.empty(0, np.int32), np.empty(0, np.int32), 300)
    x = {"users": recommender.users.vectors, "items": recommender.items.vectors}
    assert procrustes(x["users"], x["items"], nobody, np.arange(300)) is None
    only_some = Histories.of(np.repeat(np.arange(100), 10), seen.items[:1000], 300)
    some = procrustes(x["users"], x["items"], only_some, np.arange(300))
    alone = procrustes(x["users"][:100], x["items"], only_some, np.arange(100))
    assert some is not None
    assert alone is not None
    assert some.users == 100
    np.testing.assert_allclose(some.rotation, alone.rotation, atol=1e-5)


def test_a_silent_neuron_is_brought_back(world: tuple) -> None:
    import torch

    recommender, seen = world
    rows = Rows(np.arange(240), np.arange(400), 400, seen)

    def run(revive: int) -> tuple[float, float]:
        config = changed(revive=revive, steps=400, beta=0)
        sides, _ = side_maps(config, recommender, rows.users, rows.items, seen)
        learner = Learner(config, FrozenRecommender(recommender, rows, sides, "cpu"), sides, "cpu")
        with torch.no_grad():
            learner.b_m[5] = -100.0
        from engine.sae.losses import Stream

        stream, revived = Stream(config, recommender, rows, set()), 0.0
        for step in range(400):
            revived += float(learner.step(stream.next(), step).get("revived", 0.0))
        z = learner.served().encode(recommender.items.vectors, "items")
        return revived, float((z[:, 5] > 0).mean())

    assert run(0) == (0.0, 0.0)
    revived, share = run(20)
    assert revived >= 1
    assert share > 0


class _Interrupted(Exception):
    pass


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        changed(variant="relu", l1=0.1, kl=0.1, tied=False, revive=10),
        changed(variant="topk", prediction="observed", levels=3),
        changed(prediction="listwise"),
    ],
    ids=["batchtopk", "relu", "topk", "listwise"],
)
def test_an_interrupted_training_goes_on_to_the_same_bytes(world: tuple, tmp_path: Path, config: SaeConfig) -> None:
    recommender, seen = world

    def run(checkpoint: Checkpoint | None, stop: float) -> tuple[SparseAutoencoder, list]:
        def progress(share: float, text: str) -> None:  # noqa: ARG001
            if share >= stop:
                raise _Interrupted

        lines: list = []
        sae = train_sae(
            config,
            recommender,
            users=np.arange(240),
            items=np.arange(400),
            progress=progress,
            log=lines.append,
            seen=seen,
            checkpoint=checkpoint,
        )
        return sae, lines

    whole, whole_lines = run(None, 2)
    first = Checkpoint(tmp_path, "key")
    first._cost = 0.0
    with pytest.raises(_Interrupted):
        run(first, 50 / 60)
    first.close()
    second = Checkpoint(tmp_path, "key")
    found = second.load()
    assert found is not None
    assert 0 < found[1]["step"] < 60
    again, again_lines = run(second, 2)
    assert again_lines == whole_lines
    for side in SIDES:
        vectors = getattr(recommender, side).vectors
        assert again.encode(vectors, side).tobytes() == whole.encode(vectors, side).tobytes()
    assert again.w_md.tobytes() == whole.w_md.tobytes()


def test_several_configurations_over_one_stream_come_out_as_if_alone(world: tuple) -> None:
    recommender, seen = world
    configs = [SMALL, changed(beta=0), changed(variant="topk", prediction="listwise"), changed(prediction="observed")]
    logs: list[list] = [[] for _ in configs]
    together = train_saes(
        configs,
        recommender,
        users=np.arange(240),
        items=np.arange(400),
        progress=silent,
        logs=[log.append for log in logs],
        seen=seen,
    )
    for config, sae in zip(configs, together, strict=True):
        assert trained(world, config).w_md.tobytes() == sae.w_md.tobytes()


@pytest.mark.parametrize("start", ["ica", "random", "data"])
def test_every_start_finds_the_planted_directions(world: tuple, start: str) -> None:
    _, codes = planted()
    sae = trained(world, changed(start=start, steps=300, beta=0))
    z = sae.encode(world[0].items.vectors, "items")
    alive = z.std(axis=0) > 0
    assert np.corrcoef(codes.T, z[:, alive].T)[:6, 6:].max(axis=1).mean() > 0.85


def test_baselines_are_lossless_with_both_signs_and_ica_finds_what_was_planted() -> None:
    recommender, codes = planted()
    e: dict = {"users": recommender.users.vectors, "items": recommender.items.vectors}
    sides: dict = {side: fit_side(e[side]) for side in SIDES}
    found = baselines(SMALL, sides, e)  # 12 neurons are twice the 6 dimensions
    assert list(found) == ["raw dimensions", "PCA", "ICA", "ICA, top k"]
    for name, sae in found.items():
        z = sae.encode(e["items"], "items")
        assert sae.neurons == 12
        lossless = np.allclose(sae.decode(z, "items"), e["items"], atol=1e-4)
        assert lossless == (name != "ICA, top k")
        assert (z >= 0).all()
    assert (found["ICA, top k"].encode(e["items"], "items") > 0).sum(axis=1).mean() == pytest.approx(2, abs=0.05)
    z = found["ICA"].encode(e["items"], "items")
    assert np.corrcoef(codes.T, z.T)[:6, 6:].max(axis=1).min() > 0.8


def test_fewer_neurons_mean_fewer_candidates_for_every_baseline(world: tuple) -> None:
    recommender = world[0]
    e: dict = {"users": recommender.users.vectors, "items": recommender.items.vectors}
    sides: dict = {side: fit_side(e[side]) for side in SIDES}
    assert {sae.neurons for sae in baselines(changed(neurons=5), sides, e).values()} == {5}
    assert isinstance(sides["items"], SideMap)
