"""The autoencoder beside its baselines: every row over the same users."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from engine import comparison
from engine.comparison import compare
from engine.fidelity import measure_fidelity
from engine.progress import silent
from engine.recommenders.ranking import Candidates, Histories
from engine.sae.config import SaeConfig
from engine.sae.training import train_sae
from tests.planted import ITEMS, USERS, planted


@pytest.mark.parametrize(("scorer", "measured"), [("mlp", 7), ("dot", 20)])
def test_a_slow_scorer_is_measured_on_a_sample_that_is_the_same_for_every_row(
    scorer: str, measured: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "USERS_OF_A_SLOW_SCORER", 7)
    case = planted(scorer=scorer)
    config = SaeConfig(neurons=12, k_items=3, k_users=5, steps=10, rows_a_step=64, pair_rows=32)
    trained_on, measured_on = np.arange(20, USERS), np.arange(20)
    everything = np.arange(ITEMS)
    sae = train_sae(
        config,
        case.recommender,
        users=trained_on,
        items=everything,
        progress=silent,
        log=lambda _line: None,
        seen=case.seen,
    )
    allowed = Candidates(case.seen, np.ones(ITEMS, bool))
    held_out = Histories.of(np.empty(0, int), np.empty(0, int), USERS)
    own = measure_fidelity(case.recommender, sae, allowed, held_out, measured_on)
    catalogue = SimpleNamespace(items=lambda: SimpleNamespace(popularity=case.popularity))
    ranking: Any = SimpleNamespace(
        recommender=case.recommender, candidates=allowed, held_out=held_out, catalogue=catalogue
    )
    found = compare(ranking, sae, {}, config, case.concepts, trained_on, measured_on, own)
    assert {row.name: row.fidelity.users for row in found.rows} == {row.name: measured for row in found.rows}
    assert cast(Any, found.rows[0].fidelity == own) == (scorer == "dot")
