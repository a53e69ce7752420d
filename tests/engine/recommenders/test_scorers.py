"""Scorers: the numpy and the torch form are one function, and what is stored comes back."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from scipy.stats import norm

from engine.errors import RunError
from engine.recommenders.recommender import Recommender, Tower
from engine.recommenders.scorers import PAIRS_A_BLOCK, Cosine, Dot, Mlp, Program, Scorer, read_mlp

D = 5


def mlp(activation: str = "relu", widths: tuple[int, ...] = (7, 4), seed: int = 0) -> Mlp:
    random = np.random.default_rng(seed)
    sizes = [2 * D, *widths, 1]
    weights = [random.normal(size=(b, a)).astype(np.float32) for a, b in itertools.pairwise(sizes)]
    return Mlp(
        tuple(weights),
        tuple(random.normal(size=len(w)).astype(np.float32) for w in weights),
        D,
        activation,  # type: ignore[arg-type]
    )


def vectors(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, D)).astype(np.float32)


def pairwise(scorer: Mlp, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """One pair at a time, as the definition says."""
    act = {
        "relu": lambda h: np.maximum(h, 0),
        "tanh": np.tanh,
        "sigmoid": lambda h: 1 / (1 + np.exp(-h)),
        "leaky_relu": lambda h: np.where(h > 0, h, 0.01 * h),
        "gelu": lambda h: h * norm.cdf(h),
    }[scorer.activation]
    table = np.empty((len(u), len(v)))
    for a, e_u in enumerate(u):
        for b, e_i in enumerate(v):
            h = np.concatenate([e_u, e_i]).astype(np.float64)
            for n, (weight, bias) in enumerate(zip(scorer.weights, scorer.biases, strict=True)):
                h = weight @ (act(h) if n else h) + bias
            table[a, b] = h[0]
    return table


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "leaky_relu"])
@pytest.mark.parametrize("widths", [(), (6,), (7, 4, 3)])
def test_an_mlp_scores_every_pair_as_one_alone(activation: str, widths: tuple[int, ...]) -> None:
    scorer, u, v = mlp(activation, widths), vectors(4, 1), vectors(6, 2)
    assert scorer(u, v) == pytest.approx(pairwise(scorer, u, v), abs=1e-4)


def test_an_mlp_scores_alike_in_blocks_and_at_once() -> None:
    scorer, u, v = mlp(), vectors(3, 1), vectors(PAIRS_A_BLOCK + 17, 2)
    whole = scorer(u, v)
    assert whole.shape == (3, PAIRS_A_BLOCK + 17)
    for place in (0, PAIRS_A_BLOCK - 1, PAIRS_A_BLOCK, PAIRS_A_BLOCK + 16):
        assert whole[:, place] == pytest.approx(scorer(u, v[place : place + 1])[:, 0], abs=1e-5)


@pytest.mark.parametrize("scorer", [Dot(), Cosine(3.0), mlp(), mlp("gelu"), mlp("tanh")])
def test_numpy_and_torch_are_one_function_with_gradients_to_both_vectors(scorer: Scorer) -> None:
    u, v = vectors(4, 1), vectors(6, 2)
    a, b = torch.from_numpy(u).requires_grad_(), torch.from_numpy(v).requires_grad_()
    scores = scorer.torch("cpu")(a, b)
    assert scores.detach().numpy() == pytest.approx(scorer(u, v), abs=1e-4)
    scores.sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    assert a.grad.abs().sum() > 0
    assert b.grad.abs().sum() > 0


@pytest.mark.parametrize("scorer", [Dot(), Cosine(3.0), mlp(), mlp(widths=())], ids=["dot", "cosine", "mlp", "linear"])
def test_a_recommender_that_has_prepared_its_items_scores_as_one_that_has_not(scorer: Scorer) -> None:
    users, items = vectors(6, 1), vectors(9, 2)
    made = Recommender.of((range(6), users), (range(9), items, np.arange(9)), scorer)
    for rows in (np.arange(6), np.array([2])):
        expected = scorer(users[rows], items) + np.arange(9, dtype=np.float32)
        for _ in range(2):
            assert made.affinities(rows).tobytes() == expected.tobytes()
        assert made.affinities(rows, e_id=items).tobytes() == expected.tobytes()
    moved = Tower.of(range(9), items + 1, np.arange(9))
    others = replace(made, items=moved).affinities(np.arange(6))
    assert others.tobytes() == (scorer(users, items + 1) + np.arange(9, dtype=np.float32)).tobytes()


def bent(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return (u * v).sum(1) - 0.3 * (u - v).square().sum(1).sin()


def in_double(scorer: Scorer, u: np.ndarray, v: np.ndarray) -> float:
    """One pair's affinity in double precision, so that differences of it are worth something."""
    if isinstance(scorer, Mlp):
        return float(pairwise(scorer, u[None], v[None])[0, 0])
    if isinstance(scorer, Program):
        return float(bent(torch.from_numpy(u[None]), torch.from_numpy(v[None]))[0])
    return float(u @ v) if isinstance(scorer, Dot) else float(3.0 * u @ v / np.linalg.norm(u) / np.linalg.norm(v))


@pytest.mark.parametrize(
    "scorer",
    [
        Dot(),
        Cosine(3.0),
        Program.of(bent, D, D),
        mlp(widths=()),
        *(mlp(one) for one in ("relu", "tanh", "sigmoid", "gelu", "leaky_relu")),
    ],
    ids=["dot", "cosine", "program", "one layer", "relu", "tanh", "sigmoid", "gelu", "leaky_relu"],
)
def test_user_gradients_are_the_differences_of_affinities(scorer: Scorer) -> None:
    u, v = vectors(4, 1), vectors(12, 2).reshape(4, 3, D)
    step = 1e-5 * np.eye(D)
    expected = [
        [
            [
                (in_double(scorer, e + h, i.astype(float)) - in_double(scorer, e - h, i.astype(float))) / 2e-5
                for h in step
            ]
            for i in row
        ]
        for e, row in zip(u.astype(float), v, strict=True)
    ]
    np.testing.assert_allclose(scorer.user_gradients(u, v), expected, atol=1e-3)


@pytest.mark.parametrize(
    "scorer", [Dot(), Cosine(3.0), Program.of(bent, D, D), mlp(widths=()), mlp("gelu")], ids=lambda one: one.kind
)
def test_affinities_with_items_of_ones_own_are_those_with_all(scorer: Scorer) -> None:
    u, v = vectors(4, 1), vectors(12, 2)
    own = np.array([[0, 3, 3], [11, 2, 1], [5, 6, 7], [9, 8, 0]])
    whole = np.take_along_axis(scorer(u, v), own, axis=1)
    np.testing.assert_allclose(scorer.own(u, v[own]), whole, atol=1e-5)


def test_user_gradients_are_alike_in_blocks_and_at_once() -> None:
    scorer, u = mlp("tanh"), vectors(5, 1)
    v = np.broadcast_to(vectors(PAIRS_A_BLOCK // 2, 2), (5, PAIRS_A_BLOCK // 2, D))
    whole = scorer.user_gradients(u, v)
    for row in range(5):
        assert whole[row, -3:] == pytest.approx(scorer.user_gradients(u[row : row + 1], v[:1, -3:])[0], abs=1e-5)


def towers() -> tuple[Tower, Tower]:
    bias = np.arange(4, dtype=np.float32)
    return Tower(["a", "b", "c", "d"], vectors(4, 1), bias), Tower.of(["x", "y", "z"], vectors(3, 2))


@pytest.mark.parametrize("scorer", [Dot(), Cosine(2.5), mlp("sigmoid")])
def test_a_stored_recommender_scores_as_before(scorer: Scorer, tmp_path: Path) -> None:
    users, items = towers()
    first = Recommender(users, items, scorer)
    first.save(tmp_path / "r.safetensors")
    second = Recommender.load(tmp_path / "r.safetensors", users.ids, items.ids)
    everyone = np.arange(4)
    assert (first.affinities(everyone) == second.affinities(everyone)).all()
    assert second.users.known.all()


def test_what_has_no_vector_stays_unknown_when_stored(tmp_path: Path) -> None:
    users, items = towers()
    partly = Tower(items.ids, items.vectors, items.bias, np.array([True, False, True]))
    Recommender(users, partly).save(tmp_path / "r.safetensors")
    back = Recommender.load(tmp_path / "r.safetensors", users.ids, items.ids)
    assert back.items.known.tolist() == [True, False, True]


def test_a_python_function_becomes_a_program_that_scores_alike() -> None:
    def score(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return -(u - v).square().sum(1)

    users, items = vectors(4, 1), vectors(3, 2)
    recommender = Recommender.of((list("abcd"), users), (list("xyz"), items), score)
    expected = -((users[:, None] - items[None]) ** 2).sum(2)
    assert recommender.affinities(np.arange(4)) == pytest.approx(expected, abs=1e-5)
    assert recommender.affinities(np.array([2])) == pytest.approx(expected[2:3], abs=1e-5)
    alone = Program(recommender.scorer.arrays()["scorer.program"].tobytes())(users[:1], items[:1])
    assert alone == pytest.approx(expected[:1, :1], abs=1e-5)


def test_a_torch_module_is_exported_and_its_weights_stay_frozen() -> None:
    module = torch.nn.Bilinear(D, D, 1)
    recommender = Recommender.of((["a", "b"], vectors(2, 1)), (["x"], vectors(1, 2)), lambda u, v: module(u, v)[:, 0])
    u, v = torch.from_numpy(vectors(2, 1)).requires_grad_(), torch.from_numpy(vectors(1, 2))
    recommender.scorer.torch("cpu")(u, v).sum().backward()
    assert u.grad is not None
    assert all(parameter.grad is None for parameter in module.parameters())


def test_a_function_that_torch_cannot_follow_is_refused() -> None:
    with pytest.raises(RunError, match="cannot be exported; write it with torch operations"):
        Recommender.of((["a"], vectors(1, 1)), (["x"], vectors(1, 2)), lambda u, v: float(u.sum()) * v.numpy())


@pytest.mark.parametrize(
    ("users", "items", "scorer", "message"),
    [
        ((["a", "a"], np.ones((2, 3))), (["x"], np.ones((1, 3))), "dot", "An id stands there twice"),
        ((["a"], [[np.nan, 1]]), (["x"], np.ones((1, 2))), "dot", "vector of 'a' holds NaN"),
        ((["a"], np.ones(3)), (["x"], np.ones((1, 3))), "dot", r"shape \(3,\)"),
        ((["a"], np.ones((1, 3))), (["x"], np.ones((1, 4))), "dot", "users have 3 numbers, items 4"),
        ((["a"], np.ones((1, 3))), (["x"], np.ones((1, 3))), "euclid", "no scorer 'euclid'"),
        ((["a", "b"], np.ones((1, 3))), (["x"], np.ones((1, 3))), "dot", "2 ids, 1 vectors"),
    ],
)
def test_what_cannot_be_a_recommender_is_refused_in_one_sentence(
    users: tuple, items: tuple, scorer: str, message: str
) -> None:
    with pytest.raises(RunError, match=message):
        Recommender.of(users, items, scorer)


def stored_mlp(folder: Path, told: object, scorer: Mlp) -> Path:
    folder.mkdir()
    (folder / "scorer.json").write_text(json.dumps(told))
    arrays = {name.removeprefix("scorer."): array for name, array in scorer.arrays().items()}
    save_file(arrays, folder / "scorer.safetensors")
    return folder


def test_an_mlp_is_read_from_its_folder(tmp_path: Path) -> None:
    scorer = mlp("tanh")
    folder = stored_mlp(tmp_path / "s", {"kind": "mlp", "layers": ["0", "1", "2"], "activation": "tanh"}, scorer)
    u, v = vectors(3, 1), vectors(4, 2)
    assert (read_mlp(folder, D, D)(u, v) == scorer(u, v)).all()


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"kind": "mlp", "layers": ["0", "1", "7"]}, r"has no 7\.weight; it has"),
        ({"kind": "mlp", "layers": ["0", "1"]}, "do not chain into one number"),
        ({"kind": "mlp", "layers": ["1", "2"]}, "first layer takes 7 numbers"),
        ({"kind": "mlp", "layers": ["0", "1", "2"], "activation": "cube"}, "activation must be one of"),
        ({"kind": "tree"}, 'must be {"kind": "mlp"'),
        ([], 'must be {"kind": "mlp"'),
    ],
)
def test_a_scorer_that_does_not_fit_is_refused(tmp_path: Path, told: object, message: str) -> None:
    with pytest.raises(RunError, match=message):
        read_mlp(stored_mlp(tmp_path / "s", told, mlp()), D, D)


def test_a_folder_without_a_scorer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no scorer\.json"):
        read_mlp(tmp_path, D, D)
