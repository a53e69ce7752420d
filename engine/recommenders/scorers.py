"""Scoring functions g (the paper's Eq. 2): from a user's and an item's vector to an affinity, biases apart.

Every scorer has two forms of one function. Called with arrays it serves with numpy alone (a program excepted); as
`torch(device)` (every user with every item) or `pairs(device)` (row by row) it is frozen and lets gradients through to
both vectors, for losses that look at affinities.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from engine.device import cores
from engine.errors import RunError
from engine.recommenders.activations import ACTIVATIONS, SLOPES, Activation

if TYPE_CHECKING:
    import torch

PAIRS_A_BLOCK = 16_384
"""Pairs that a multi-layer scorer holds at once: its widest layer then stays in a processor's cache."""
BLOCKS_TO_SHARE = 16
"""So many blocks or more are shared out to all cores."""

Over = Callable[[np.ndarray], np.ndarray]
"""Users (n × d) to affinities (n × items, float32) with items that were given before."""

Pairwise = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""Users (n × d) and items (m × d) to affinities (n × m), differentiable in both; as `pairs`, n and n to n."""


class Scorer(Protocol):
    """The frozen scoring function of a recommender."""

    @property
    def kind(self) -> str:
        """Its key in `SCORERS`."""
        ...

    def __call__(self, e_ud: np.ndarray, e_id: np.ndarray) -> np.ndarray:
        """Affinities (users × items, float32) of every user with every item."""
        ...

    def over(self, e_id: np.ndarray) -> Over:
        """The same for these items, to be asked often: what the items alone decide is computed here, once."""
        ...

    def torch(self, device: str) -> Pairwise:
        """The same function for training through: nothing of it is trained."""
        ...

    def pairs(self, device: str) -> Pairwise:
        """The same for pairs: row n of the users with row n of the items."""
        ...

    def own(self, e_ud: np.ndarray, e_und: np.ndarray) -> np.ndarray:
        """Affinities (u × n, float32) of each user (u × d) with n items of that user's own."""
        ...

    def user_gradients(self, e_ud: np.ndarray, e_und: np.ndarray) -> np.ndarray:
        """Gradients (u × n × d) in each user's vector (u × d) of the affinities with n items of that user's own."""
        ...

    def facts(self) -> dict[str, Any]:
        """What `SCORERS[kind]` needs beside the arrays, as plain JSON values."""
        ...

    def arrays(self) -> dict[str, np.ndarray]:
        """Its weights by name, for safetensors."""
        ...


@dataclass(frozen=True)
class Dot:
    """Inner product: `g(e_u, e_i) = e_u . e_i`."""

    kind = "dot"

    def __call__(self, e_ud: np.ndarray, e_id: np.ndarray) -> np.ndarray:
        return self.over(e_id)(e_ud)

    def over(self, e_id: np.ndarray) -> Over:
        return lambda e_ud: e_ud @ e_id.T

    def torch(self, device: str) -> Pairwise:  # noqa: ARG002 (it has no weights to move)
        return lambda u, v: u @ v.T

    def pairs(self, device: str) -> Pairwise:  # noqa: ARG002
        return lambda u, v: (u * v).sum(1)

    def own(self, e_ud: np.ndarray, e_und: np.ndarray) -> np.ndarray:
        return np.asarray(np.matmul(e_und, e_ud[..., None])[..., 0])

    def user_gradients(self, e_ud: np.ndarray, e_und: np.ndarray) -> np.ndarray:  # noqa: ARG002 (the same anywhere)
        return e_und

    def facts(self) -> dict[str, Any]:
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        return {}


@dataclass(frozen=True)
class Cosine:
    """`g(e_u, e_i) = scale * e_u . e_i / (|e_u| |e_i|)`; the scale is the inverse of a temperature."""

    scale: float = 1.0
    kind = "cosine"

    def __call__(self, e_ud: np.ndarray, e_id: np.ndarray) -> np.ndarray:
        return self.over(e_id)(e_ud)

    def over(self, e_id: np.ndarray) -> Over:
        unit_id = _unit(e_id)
        return lambda e_ud: self.scale * (_unit(e_ud) @ unit_id.T)

    def torch(self, device: str) -> Pairwise:  # noqa: ARG002 (it has no weights to move)
        from torch.nn.functional import normalize

        return lambda u, v: self.scale * (normalize(u, dim=1) @ normalize(v, dim=1).T)

    def pairs(self, device: str) -> Pairwise:  # noqa: ARG002
        from torch.nn.functional import cosine_similarity

        return lambda u, v: self.scale * cosine_similarity(u, v, eps=1e-12)

    def own(self, e_ud: np.ndarray, e_und: np.ndarray) -> np.ndarray:
        return np.asarray(self.scale * np.matmul(_unit(e_und), _unit(e_ud)[..., None])[..., 0], np.float32)

    def user_gradients(self, e_ud: np.ndarray, e_und: np.ndarray) -> np.ndarray:
        # Of v^ . u / |u|: (v^ - (u^ . v^) u^) / |u|.
        unit_ud, unit_und = _unit(e_ud), _unit(e_und)
        along = np.einsum("ud,und->un", unit_ud, unit_und)[..., None]
        length = np.maximum(np.linalg.norm(e_ud, axis=1), 1e-12).astype(np.float32)[:, None, None]
        return np.asarray(self.scale * (unit_und - along * unit_ud[:, None]) / length, np.float32)

    def facts(self) -> dict[str, Any]:
        return {"scale": self.scale}

    def arrays(self) -> dict[str, np.ndarray]:
        return {}


def _unit(e_nd: np.ndarray) -> np.ndarray:
    return (e_nd / np.maximum(np.linalg.norm(e_nd, axis=-1, keepdims=True), 1e-12)).astype(np.float32)


@dataclass(frozen=True)
class Mlp:
    """A multi-layer perceptron on the concatenation [e_u, e_i]; the last layer gives one logit (NCF: 64-32-16-1).

    `weights[l]` is out × in and `biases[l]` is out. A sigmoid at the end is left out: it changes no ranking.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    d_users: int
    activation: Activation = "relu"
    kind = "mlp"

    def __post_init__(self) -> None:
        shapes = " ".join(f"{w.shape[1]}->{w.shape[0]}" for w in self.weights)
        fits = all(
            a.shape[0] == b.shape[1] and len(bias) == a.shape[0]
            for a, b, bias in zip(self.weights, self.weights[1:], self.biases, strict=False)
        )
        if not self.weights or not fits or self.weights[-1].shape[0] != 1 or len(self.biases[-1]) != 1:
            raise RunError(f"The scorer's layers ({shapes or 'none'}) do not chain into one number a pair.")

    def __call__(self, e_ud: np.ndarray, e_id: np.ndarray) -> np.ndarray:
        return self.over(e_id)(e_ud)

    def over(self, e_id: np.ndarray) -> Over:
        # The first layer is linear in each half, W [e_u; e_i] = W_u e_u + W_i e_i: once a user and once an item.
        h_i = e_id @ self.weights[0][:, self.d_users :].T + self.biases[0]
        return lambda e_ud: self._beyond(e_ud @ self.weights[0][:, : self.d_users].T, h_i)

    def _beyond(self, h_u: np.ndarray, h_i: np.ndarray) -> np.ndarray:
        """Affinities from the two halves of the first layer (users × width, items × width)."""
        if len(self.weights) == 1:
            return (h_u + h_i.T).astype(np.float32)
        act = ACTIVATIONS[self.activation]
        result = np.empty((len(h_u), len(h_i)), np.float32)
        items = min(len(h_i), PAIRS_A_BLOCK)
        users = max(1, PAIRS_A_BLOCK // max(items, 1))

        def block(u: int) -> None:
            for i in range(0, len(h_i), items):
                h = (h_u[u : u + users, None, :] + h_i[None, i : i + items, :]).reshape(-1, h_i.shape[1])
                for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
                    h = act(h) @ weight.T
                    h += bias
                result[u : u + users, i : i + items] = h.reshape(-1, min(items, len(h_i) - i))

        starts = range(0, len(h_u), users)
        if len(starts) < BLOCKS_TO_SHARE:
            for start in starts:
                block(start)
        else:  # most of the time goes into activations, which numpy computes on one core
            with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores()) as threads:
                list(threads.map(block, starts))
        return result

    def torch(self, device: str) -> Pairwise:
        score = self._through(device)
        return lambda u, v: score(u[:, None, :], v)

    def pairs(self, device: str) -> Pairwise:
        return self._through(device)

    def _through(self, device: str) -> Pairwise:
        """Users and items in any shapes (..., d) whose halves of the first layer broadcast."""
        import torch

        weights = [torch.from_numpy(weight).to(device) for weight in self.weights]
        biases = [torch.from_numpy(bias).to(device) for bias in self.biases]
        act = getattr(torch.nn.functional, self.activation)

        def score(u: "torch.Tensor", v: "torch.Tensor") -> "torch.Tensor":
            h = u @ weights[0][:, : self.d_users].T + v @ weights[0][:, self.d_users :].T + biases[0]
            for weight, bias in zip(weights[1:], biases[1:], strict=True):
                h = act(h) @ weight.T + bias
            return h[..., 0]

        return score

    def own(self, e_ud: np.ndarray, e_und: np.ndarray) -> np.ndarray:
        users, items, act = len(e_ud), e_und.shape[1], ACTIVATIONS[self.activation]
        result = np.empty((users, items), np.float32)
        step = max(1, PAIRS_A_BLOCK // max(items, 1))
        for start in range(0, users, step):
            part = slice(start, start + step)
            h = self._first(e_ud[part], e_und[part])
            for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
                h = act(h) @ weight.T
                h += bias
            result[part] = h.reshape(-1, items)
        return result

    def _first(self, e_ud: np.ndarray, e_und: np.ndarray) -> np.ndarray:
        """The first layer before its activation (u n × width)."""
        first = self.weights[0]
        h = (e_ud @ first[:, : self.d_users].T)[:, None] + e_und @ first[:, self.d_users :].T + self.biases[0]
        return h.astype(np.float32).reshape(-1, len(first))

    def user_gradients(self, e_ud: np.ndarray, e_und: np.ndarray) -> np.ndarray:
        users, items, d = len(e_ud), e_und.shape[1], self.d_users
        result = np.empty((users, items, d), np.float32)
        step = max(1, PAIRS_A_BLOCK // max(items, 1))
        for start in range(0, users, step):
            part = slice(start, start + step)
            result[part] = self._backward(e_ud[part], e_und[part]).reshape(-1, items, d)
        return result

    def _backward(self, e_ud: np.ndarray, e_und: np.ndarray) -> np.ndarray:
        """Gradients (u n × d): slopes of the activations are kept on the way up and multiplied on the way down."""
        first, act, slope = self.weights[0], ACTIVATIONS[self.activation], SLOPES[self.activation]
        h = self._first(e_ud, e_und)
        slopes = []
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            slopes.append(slope(h))
            h = act(h) @ weight.T + bias
        back = np.ones((len(h), 1), np.float32)
        for weight, slope_nh in zip(self.weights[:0:-1], slopes[::-1], strict=True):
            back = (back @ weight) * slope_nh
        return np.asarray(back @ first[:, : self.d_users])

    def facts(self) -> dict[str, Any]:
        return {"d_users": self.d_users, "activation": self.activation, "layers": len(self.weights)}

    def arrays(self) -> dict[str, np.ndarray]:
        parts = {f"scorer.{n}.weight": w for n, w in enumerate(self.weights)}
        return parts | {f"scorer.{n}.bias": b for n, b in enumerate(self.biases)}


@dataclass(frozen=True)
class Program:
    """A function saved with `torch.export`: users (n × d) and items (n × d) to n affinities.

    Loading one runs its maker's code, so it is only loaded where its user said that they trust it: `load` checks.
    """

    blob: bytes
    """The .pt2 file."""
    kind = "program"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.blob).hexdigest()

    @classmethod
    def of(cls, score: Any, d_users: int, d_items: int) -> "Program":
        """Export a torch module or function `score(u: n × d, v: n × d) -> n`; `RunError` if torch cannot."""
        import io

        import torch

        class Scoring(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = score if isinstance(score, torch.nn.Module) else None

            def forward(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
                return score(u, v).flatten()

        pairs = torch.export.Dim("pairs", min=2)
        example = (torch.zeros(4, d_users), torch.zeros(4, d_items))
        try:
            program = torch.export.export(Scoring().eval(), example, dynamic_shapes={"u": {0: pairs}, "v": {0: pairs}})
            file = io.BytesIO()
            torch.export.save(program, file)
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise RunError(
                "The scorer cannot be exported; write it with torch operations on u (n × d) and v (n × d) that give n "
                f"numbers ({reason})."
            ) from error
        return cls(file.getvalue())

    @cached_property
    def _module(self) -> Any:
        import io

        import torch

        try:
            module = torch.export.load(io.BytesIO(self.blob)).module()
        except Exception as error:
            raise RunError(f"The scorer's program cannot be loaded: {str(error).splitlines()[0]}.") from error
        for parameter in module.parameters():
            parameter.requires_grad_(False)
        return module

    def __call__(self, e_ud: np.ndarray, e_id: np.ndarray) -> np.ndarray:
        return self.over(e_id)(e_ud)

    def over(self, e_id: np.ndarray) -> Over:
        import torch

        score, items = self.torch("cpu"), torch.from_numpy(np.ascontiguousarray(e_id))
        step = max(1, 64 * PAIRS_A_BLOCK // max(len(e_id), 1))

        def scored(e_ud: np.ndarray) -> np.ndarray:
            result = np.empty((len(e_ud), len(items)), np.float32)
            with torch.no_grad():
                for start in range(0, len(e_ud), step):
                    users = torch.from_numpy(np.ascontiguousarray(e_ud[start : start + step]))
                    result[start : start + step] = score(users, items).numpy()
            return result

        return scored

    def torch(self, device: str) -> Pairwise:
        score = self.pairs(device)
        return lambda u, v: score(u.repeat_interleave(len(v), 0), v.repeat(len(u), 1)).reshape(len(u), len(v))

    def pairs(self, device: str) -> Pairwise:
        module = self._module.to(device)

        def score(u: "torch.Tensor", v: "torch.Tensor") -> "torch.Tensor":
            import torch

            if len(u) == 1:  # a program exported for any number of pairs may still refuse one
                return module(torch.cat([u, u]), torch.cat([v, v]))[:1]
            return module(u, v)

        return score

    def own(self, e_ud: np.ndarray, e_und: np.ndarray) -> np.ndarray:
        import torch

        users, items, d = e_und.shape
        score, result = self.pairs("cpu"), np.empty((users, items), np.float32)
        step = max(1, 64 * PAIRS_A_BLOCK // max(items, 1))
        with torch.no_grad():
            for start in range(0, users, step):
                u = torch.from_numpy(np.repeat(e_ud[start : start + step].astype(np.float32), items, axis=0))
                v = np.ascontiguousarray(e_und[start : start + step], np.float32).reshape(-1, d)
                result[start : start + step] = score(u, torch.from_numpy(v)).numpy().reshape(-1, items)
        return result

    def user_gradients(self, e_ud: np.ndarray, e_und: np.ndarray) -> np.ndarray:
        import torch

        users, items, d = e_und.shape
        score, result = self.pairs("cpu"), np.empty((users, items, e_ud.shape[1]), np.float32)
        step = max(1, 4 * PAIRS_A_BLOCK // max(items, 1))
        for start in range(0, users, step):
            u = torch.from_numpy(np.repeat(e_ud[start : start + step].astype(np.float32), items, axis=0))
            v = np.ascontiguousarray(e_und[start : start + step], np.float32).reshape(-1, d)
            with torch.enable_grad():
                total = score(u.requires_grad_(), torch.from_numpy(v)).sum()
                (gradient,) = torch.autograd.grad(total, u)
            result[start : start + step] = gradient.numpy().reshape(-1, items, e_ud.shape[1])
        return result

    def facts(self) -> dict[str, Any]:
        return {"sha256": self.sha256}

    def arrays(self) -> dict[str, np.ndarray]:
        return {"scorer.program": np.frombuffer(self.blob, np.uint8)}


def _mlp(facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Mlp:
    numbers = range(facts["layers"])
    return Mlp(
        tuple(arrays[f"scorer.{n}.weight"] for n in numbers),
        tuple(arrays[f"scorer.{n}.bias"] for n in numbers),
        facts["d_users"],
        facts["activation"],
    )


SCORERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, np.ndarray]], Scorer]] = {
    "dot": lambda _facts, _arrays: Dot(),
    "cosine": lambda facts, _arrays: Cosine(facts["scale"]),
    "mlp": _mlp,
    "program": lambda _facts, arrays: Program(arrays["scorer.program"].tobytes()),
}


def read_mlp(folder: Path, d_users: int, d_items: int) -> Mlp:
    """The MLP of a folder with scorer.json and scorer.safetensors.

    scorer.json: {"kind": "mlp", "layers": ["0", "2", ...], "activation": "relu", "input": "concat"}; each layer is
    "<prefix>.weight" (out × in) and "<prefix>.bias" (out). `RunError` says what of it does not fit.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        told = json.loads((folder / "scorer.json").read_text(encoding="utf-8"))
        stored = load_file(folder / "scorer.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise RunError(f"{folder} holds no scorer.json with a scorer.safetensors beside it ({error}).") from error
    known = {"kind", "layers", "activation", "input"}
    if not isinstance(told, dict) or told.get("kind") != "mlp" or set(told) - known or not told.get("layers"):
        raise RunError(f'{folder / "scorer.json"} must be {{"kind": "mlp", "layers": [...], "activation": "relu"}}.')
    activation = told.get("activation", "relu")
    if activation not in ACTIVATIONS or told.get("input", "concat") != "concat":
        raise RunError(
            f"{folder / 'scorer.json'}: activation must be one of {', '.join(ACTIVATIONS)} and input concat."
        )
    try:
        weights = tuple(stored[f"{prefix}.weight"].astype(np.float32) for prefix in told["layers"])
        biases = tuple(stored[f"{prefix}.bias"].astype(np.float32) for prefix in told["layers"])
    except KeyError as error:
        raise RunError(
            f"{folder / 'scorer.safetensors'} has no {error.args[0]}; it has {', '.join(stored)}."
        ) from error
    if weights[0].ndim != 2 or weights[0].shape[1] != d_users + d_items:
        raise RunError(
            f"{folder / 'scorer.safetensors'}: the first layer takes {weights[0].shape[-1]} numbers, but a user's and "
            f"an item's vector have {d_users} + {d_items}."
        )
    return Mlp(weights, biases, d_users, activation)
