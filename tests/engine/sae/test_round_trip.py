"""Encoding, shifting, decoding and keeping an autoencoder, for any that can be."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sae.align import fit_side
from engine.sae.model import SIDES, Side, SideMap, SparseAutoencoder
from engine.steering.edits import Edit, edited_codes, edited_vectors

seeds = st.integers(0, 2**32 - 1)
sides = st.sampled_from(SIDES)
CLOSE = 1e-4


def rotation(random: np.random.Generator, d: int) -> np.ndarray:
    return np.linalg.qr(random.standard_normal((d, d)))[0].astype(np.float32)


@st.composite
def autoencoders(draw: st.DrawFn) -> SparseAutoencoder:
    """Any sizes and weights, tied or not, nested or not; each side with a scale, a threshold, a k and a rotation."""
    random = np.random.default_rng(draw(seeds))
    d, m = draw(st.integers(1, 7)), draw(st.integers(1, 12))

    def array(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    maps: dict[Side, SideMap] = {
        side: SideMap(
            array(d),
            draw(st.floats(2**-6, 64, width=32)),
            draw(st.sampled_from([0.0, 0.25, 1.0])),
            draw(st.none() | st.integers(1, m)),
            rotation(random, d) if draw(st.booleans()) else None,
        )
        for side in SIDES
    }
    encoder = array(m, d) if draw(st.booleans()) else None
    levels = (max(1, m // 2), m) if m > 1 and draw(st.booleans()) else ()
    return SparseAutoencoder(array(m, d), array(m), array(d), maps, encoder, levels)


def vectors_for(sae: SparseAutoencoder, side: Side, seed: int, rows: int = 9) -> np.ndarray:
    """Vectors spread as those of the side are."""
    to = sae.sides[side]
    noise = np.random.default_rng(seed).standard_normal((rows, len(to.mean)))
    return (to.mean + to.scale * noise).astype(np.float32)


@given(autoencoders(), sides, seeds)
def test_what_a_change_of_code_adds_is_the_difference_of_two_decodings(
    sae: SparseAutoencoder, side: Side, seed: int
) -> None:
    z = sae.encode(vectors_for(sae, side, seed), side)
    changed = z + np.random.default_rng(seed).standard_normal(z.shape).astype(np.float32)
    difference = sae.decode(changed, side) - sae.decode(z, side)
    size = sae.sides[side].scale * (1 + np.abs(z).max() + np.abs(changed).max()) * (1 + np.abs(sae.sides[side].mean))
    assert (np.abs(sae.shift(changed - z, side) - difference) <= CLOSE * size * sae.neurons).all()


@given(seeds, st.integers(1, 8), st.floats(2**-6, 64, width=32), st.booleans(), sides)
def test_a_dictionary_that_leaves_nothing_out_gives_every_vector_back(
    seed: int, d: int, scale: float, turned: bool, side: Side
) -> None:
    random = np.random.default_rng(seed)
    basis = rotation(random, d)
    to = SideMap(
        random.standard_normal(d).astype(np.float32), scale, 0.0, None, rotation(random, d) if turned else None
    )
    sae = SparseAutoencoder(
        np.concatenate([basis, -basis]),
        np.zeros(2 * d, np.float32),
        random.standard_normal(d).astype(np.float32),
        dict.fromkeys(SIDES, to),
    )
    e = vectors_for(sae, side, seed)
    z = sae.encode(e, side)
    assert (np.abs(sae.decode(z, side) - e) <= CLOSE * (1 + scale) * d).all()
    assert ((z > 0).sum(axis=1) <= d).all()  # of either sign of a direction one at most


@given(seeds, st.integers(2, 30), st.integers(1, 6), st.floats(2**-6, 64, width=32))
def test_the_normalisation_of_a_side_is_undone_on_the_way_back(seed: int, rows: int, d: int, size: float) -> None:
    random = np.random.default_rng(seed)
    e = (random.standard_normal(d) + size * random.standard_normal((rows, d))).astype(np.float32)
    fitted = fit_side(e)
    to = SideMap(fitted.mean, fitted.scale, 0.0, None, rotation(random, d))
    assert (np.abs(to.outward(to.inward(e)) + to.mean - e) <= CLOSE * (1 + size) * d).all()
    assert np.square(to.inward(e)).mean() < 1 + CLOSE * d


@settings(deadline=None)
@given(autoencoders(), seeds)
def test_what_is_saved_comes_back_to_the_bit(sae: SparseAutoencoder, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sae.save(Path(folder) / "sae.safetensors")
        back = SparseAutoencoder.load(Path(folder) / "sae.safetensors")
    assert back.levels == sae.levels
    for side in SIDES:
        e = vectors_for(sae, side, seed)
        z = sae.encode(e, side)
        assert back.encode(e, side).tobytes() == z.tobytes()
        assert back.decode(z, side).tobytes() == sae.decode(z, side).tobytes()
        assert back.shift(z, side).tobytes() == sae.shift(z, side).tobytes()


@given(autoencoders(), sides, seeds)
def test_no_edit_leaves_every_vector_as_it_was_to_the_bit(sae: SparseAutoencoder, side: Side, seed: int) -> None:
    e = vectors_for(sae, side, seed)
    e[0] = -0.0
    z = sae.encode(e, side)
    unit = [1.0] * sae.neurons
    same = Edit(side=side, neuron=0, operation="scale", amount=1.0)
    nothing = Edit(side=side, neuron=0, operation="add", amount=0.0)
    for edits in ([], [same], [nothing], [nothing, same]):
        assert edited_vectors(sae, e, z, edited_codes(z, edits, unit), side).tobytes() == e.tobytes()
    off = edited_codes(z, [Edit(side=side, neuron=0, operation="off")], unit)
    after, silent = edited_vectors(sae, e, z, off, side), z[:, 0] == 0
    assert after[silent].tobytes() == e[silent].tobytes()


@given(autoencoders(), sides, seeds, st.integers(1, 40))
def test_a_row_has_the_same_code_alone_and_in_any_batch(
    sae: SparseAutoencoder, side: Side, seed: int, rows: int
) -> None:
    e = vectors_for(sae, side, seed, rows)
    together, to = sae.encode(e, side), sae.sides[side]
    order = np.random.default_rng(seed).permutation(rows)
    shuffled = np.empty_like(together)
    shuffled[order] = sae.encode(e[order], side)
    alone = np.concatenate([sae.encode(e[[row]], side) for row in range(rows)])
    # A sum may differ in its last digits with the batch; what lies that close to being cut may fall either way.
    a = sae.pre_activations(e, side)
    floor = max(to.threshold, 0.0)
    settled = (np.abs(a - floor) > CLOSE).all(axis=1)
    if to.k is not None and to.k < sae.neurons:
        kth, next_one = np.sort(a, axis=1)[:, [-to.k, -to.k - 1]].T
        settled &= (kth - next_one > CLOSE) | (next_one < floor)
        assert ((together > 0).sum(axis=1) <= to.k).all()
    for other in (shuffled, alone):
        assert (np.abs(other - together)[settled] <= CLOSE * (1 + np.abs(a).max())).all()
