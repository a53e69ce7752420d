"""Activations of a multi-layer perceptron and their derivatives, in numpy."""

from collections.abc import Callable
from typing import Literal

import numpy as np

Activation = Literal["relu", "tanh", "sigmoid", "gelu", "leaky_relu"]


def _relu(h: np.ndarray) -> np.ndarray:
    return np.maximum(h, 0, out=h)


def _leaky_relu(h: np.ndarray) -> np.ndarray:
    return np.where(h > 0, h, np.float32(0.01) * h)


def _gelu(h: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    return h * np.float32(0.5) * (1 + erf(h / np.float32(np.sqrt(2))))


def _sigmoid(h: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return expit(h)


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": _relu,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "gelu": _gelu,
    "leaky_relu": _leaky_relu,
}


def _tanh_slope(h: np.ndarray) -> np.ndarray:
    return 1 - np.tanh(h) ** 2


def _gelu_slope(h: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    density = np.exp(-0.5 * h**2) / np.float32(np.sqrt(2 * np.pi))
    return np.float32(0.5) * (1 + erf(h / np.float32(np.sqrt(2)))) + h * density


def _sigmoid_slope(h: np.ndarray) -> np.ndarray:
    value = _sigmoid(h)
    return value * (1 - value)


SLOPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda h: (h > 0).astype(h.dtype),
    "tanh": _tanh_slope,
    "sigmoid": _sigmoid_slope,
    "gelu": _gelu_slope,
    "leaky_relu": lambda h: np.where(h > 0, np.float32(1), np.float32(0.01)),
}
"""Derivatives of the activations."""
