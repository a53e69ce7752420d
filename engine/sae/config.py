"""The settings of one autoencoder, and what is wrong with them."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class SaeConfig(BaseModel):
    """Settings of one training. The losses are those of `engine.sae.losses`, the variants those of the docstring of
    `engine.sae.training`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: Literal["batchtopk", "topk", "relu"] = "batchtopk"
    tied: bool = True
    """Whether the encoder is the decoder's transpose."""
    neurons: int = Field(default=40, ge=1)
    """m, neurons shared by users and items."""
    levels: int | tuple[int, ...] = 1
    """Matryoshka: into how many equal parts the neurons are nested (the paper: 4), or the size of each part."""
    start: Literal["ica", "random", "data"] = "ica"
    """The dictionary that training starts from."""
    align: Literal["auto", "on", "off"] = "auto"
    """Rotate users onto their items before encoding (`engine.sae.align`); auto: where the scorer is no dot product."""
    k_items: int = Field(default=8, ge=1)
    """Active neurons of an item, on average (batchtopk) or at most (topk)."""
    k_users: int = Field(default=10, ge=1)
    """Active neurons of a user; at d or more a user's vector would pass through unread."""
    alpha: float = Field(default=1.0, ge=0)
    """Weight of the embedding-level loss (Eq. 6), as a share of each side's variance."""
    beta: float = Field(default=1.0, ge=0)
    """Weight of the prediction-level loss (Eq. 7), as a share of the affinities' variance."""
    prediction: Literal["random", "observed", "listwise"] = "random"
    """Which pairs the prediction loss looks at: random users with random items, interactions, or tops of lists."""
    prediction_on: Literal["logits", "probabilities"] = "logits"
    """What of a pair it compares; on logits additive biases cancel, on probabilities they do not."""
    l1: float = Field(default=0.0, ge=0)
    """Weight of the mean activation."""
    kl: float = Field(default=0.0, ge=0)
    """Weight of the sum over neurons of KL(rho || p_j), with p_j as `kl_form` says."""
    kl_form: Literal["rate", "published"] = "rate"
    rho: float = Field(default=0.05, gt=0, lt=1)
    """The rate that the KL asks for."""
    temperature: float = Field(default=0.3, gt=0)
    """Form rate: how far below 0 a pre-activation must be to count as silent."""
    revive: int = Field(default=100, ge=0)
    """A neuron that was silent for so many steps starts anew at a badly reconstructed vector; 0: never."""
    learning_rate: float = Field(default=1e-2, gt=0)
    """Adam's rate at the first step; it falls to 0 along a cosine."""
    steps: int = Field(default=500, ge=1)
    rows_a_step: int = Field(default=1024, ge=2)
    """Users and items drawn for each step."""
    pair_rows: int = Field(default=256, ge=2)
    """Of these, users and items that are crossed for the prediction loss (pair_rows squared pairs)."""
    held_out_users: float = Field(default=0.2, ge=0, lt=1)
    """Share of users that training never sees, on whom fidelity is measured."""
    seed: int = 0

    @model_validator(mode="after")
    def _sizes_fit(self) -> "SaeConfig":
        if self.variant != "relu" and max(self.k_items, self.k_users) > self.neurons:
            raise ValueError(f"k_items and k_users cannot exceed neurons ({self.neurons})")
        if isinstance(self.levels, int):
            if not 1 <= self.levels <= self.neurons:
                raise ValueError(f"levels must be 1 to {self.neurons} (the number of neurons), not {self.levels}")
        elif min(self.levels, default=0) < 1 or sum(self.levels) != self.neurons:
            raise ValueError(
                f"the sizes in levels ({'+'.join(map(str, self.levels))} = {sum(self.levels)}) must be 1 or more and "
                f"add up to neurons ({self.neurons})"
            )
        return self

    @property
    def level_ends(self) -> tuple[int, ...]:
        """Cumulative sizes of the nested dictionaries; empty if there is but one."""
        if self.levels == 1:
            return ()
        if isinstance(self.levels, int):
            return tuple(round(self.neurons * part / self.levels) for part in range(1, self.levels + 1))
        return tuple(sum(self.levels[: part + 1]) for part in range(len(self.levels)))


def describe(config: SaeConfig, d: int) -> Sequence[str]:
    """Sentences that warn about settings under which a figure would flatter."""
    if config.variant != "relu" and config.k_users >= d:
        return [
            f"A user code of {config.k_users} active neurons is as large as the vector ({d}): "
            "users pass through unread."
        ]
    return []
