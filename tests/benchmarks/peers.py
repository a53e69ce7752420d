"""How good the recommenders are beside those of the `implicit` library, on one split of MovieLens 1M.

All learn from fold 0 alone. All are scored by `evaluate` on fold 2, over the same candidates: what a user has in
folds 0 and 1 is left out. implicit's own NDCG of its own lists stands below as a check of ours. Nothing is tuned
here: implicit runs with its defaults (and one gentler setting of BPR), ours with the settings of its recipes.
"""

import importlib.util
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.catalogue.catalogue import Catalogue
from engine.home import Home
from engine.recommenders.ranking import Histories, evaluate, popularity_recommender
from engine.recommenders.recommender import Recommender
from engine.run import Run
from engine.steering.inputs import TEST, TRAIN, candidates, histories
from tests.benchmarks.measuring import process

COLUMNS = {"ndcg10": "NDCG@10", "hr10": "HR@10", "recall20": "recall@20", "mrr10": "MRR@10", "mpr": "MPR",
           "coverage10": "coverage@10"}  # fmt: skip

OURS: dict[str, dict[str, Any]] = {
    "monoscope MF, dense": {"kind": "mf", "loss": "dense"},
    "monoscope MF, sampled": {"kind": "mf", "loss": "sampled"},
    "monoscope NCF, sampled": {"kind": "ncf", "loss": "sampled"},
}

THEIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "implicit ALS, 20 factors": ("AlternatingLeastSquares", {}),
    "implicit BPR, 20 factors": ("BayesianPersonalizedRanking", {}),
    "implicit BPR, rate 0.003, L2 0.001": (
        "BayesianPersonalizedRanking",
        {"learning_rate": 0.003, "regularization": 0.001},
    ),
}


def peers(archive: Path | None, home: Home) -> None:
    """Print the table; without `implicit`, with our own rows alone. Seconds are the recommender's training alone."""
    if archive is None:  # the entry has said so
        return
    process("datasets", "fetch", "ml-1m", "--from", str(archive), "--accept-licence")
    titles = "".join(f"{title:>13}" for title in COLUMNS.values())
    print(f"{'MovieLens 1M, test items':<36}{titles}{'seconds':>9}")
    runs = {name: _ours(home, name, settings) for name, settings in OURS.items()}
    with Catalogue.open(home, "ml-1m") as catalogue:
        like = next(iter(runs.values()))[0].recommender
        popular = popularity_recommender(like, catalogue.items().popularity)
        users = len(like.users.ids)
        allowed, held_out = candidates(catalogue, users), histories(catalogue, users, TEST)
        train = histories(catalogue, users, TRAIN)
    _line("popularity", evaluate(popular, allowed, held_out).as_dict(), None)
    checks = []
    if importlib.util.find_spec("implicit") is None:
        print("implicit is not installed, so its rows are missing: pip install --constraint constraints.txt '.[peers]'")
    else:
        for name, (kind, settings) in THEIRS.items():
            model, seconds = _implicit(kind, settings, _matrix(train, like))
            figures = evaluate(_recommender(model, like), allowed, held_out).as_dict()
            _line(name, figures, seconds)
            own = _their_ndcg(model, _matrix(allowed.seen, like), _matrix(held_out, like))
            checks.append(f"{name}: {own:.4f}, ours of it {figures['ndcg10']:.4f}")
    for name, (run, seconds) in runs.items():
        _line(name, run.manifest["recommender"]["metrics"], seconds)
    for check in checks:
        print(f"NDCG@10 by implicit.evaluation of {check}")


def _line(name: str, figures: Mapping[str, float | None], seconds: float | None) -> None:
    cells = "".join("            –" if figures[key] is None else f"{figures[key]:>13.3f}" for key in COLUMNS)
    print(f"{name:<36}{cells}{'–' if seconds is None else f'{seconds:.1f}':>9}", flush=True)


def _ours(home: Home, name: str, settings: Mapping[str, Any]) -> tuple[Run, float]:
    """A run of these settings, and the seconds that its recommender took; its autoencoder is cut short."""
    from engine.train import train

    started = trained = time.perf_counter()

    def progress(_share: float, text: str) -> None:
        nonlocal trained
        if text.startswith("recommender"):
            trained = time.perf_counter()

    values = {"recommender": settings, "sae": {"steps": 1}}
    run = train(home, "ml-1m", values, name.replace(",", "").replace(" ", "-").lower(), progress)
    return run, trained - started


def _matrix(interactions: Histories, like: Recommender) -> Any:
    """Users × items as scipy's CSR, 1 for an interaction."""
    from scipy.sparse import csr_matrix

    ones = np.ones(len(interactions.items), np.float32)
    shape = (len(like.users.ids), len(like.items.ids))
    return csr_matrix((ones, interactions.items, interactions.starts), shape=shape)


def _implicit(kind: str, settings: Mapping[str, Any], user_items: Any) -> tuple[Any, float]:
    """A trained model of implicit's and the seconds that it took. It shares out its work itself: BLAS gets a thread."""
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from threadpoolctl import threadpool_limits

    kinds = {one.__name__: one for one in (AlternatingLeastSquares, BayesianPersonalizedRanking)}
    with threadpool_limits(1, "blas"):
        model = kinds[kind](factors=20, random_state=0, **settings)
        started = time.perf_counter()
        model.fit(user_items, show_progress=False)
        return model, time.perf_counter() - started


def _recommender(model: Any, like: Recommender) -> Recommender:
    """implicit's vectors with our ids. BPR's have the item's bias as last number, and a 1 for the user."""
    return Recommender.of((like.users.ids, model.user_factors), (like.items.ids, model.item_factors), "dot")


def _their_ndcg(model: Any, seen: Any, held_out: Any) -> float:
    """NDCG@10 as implicit ranks and measures it: as ours, but for items nobody has in training, which it may list."""
    from implicit.evaluation import ndcg_at_k

    return float(ndcg_at_k(model, seen, held_out, K=10, show_progress=False))
