from hashlib import blake2b

import numpy as np
import pytest

from airan_market.sim.streams import stream

FIRST = [1034467719961220653, 9273450887688352457]


def draws(*args):
    return stream(*args).random(4).tolist()


def test_a_stream_is_the_same_however_often_and_whenever_it_is_made():
    first = draws(7, "demand", 1, 2)
    stream(7, "demand", 1, 3).random(1000)
    assert draws(7, "demand", 1, 2) == first


@pytest.mark.parametrize(
    "other",
    [
        (8, "demand", 1, 2),
        (7, "Demand", 1, 2),
        (7, "demand ", 1, 2),
        (7, "demand", 2, 1),
        (7, "demand", 1),
        (7, "demand", 1, 2, 0),
        (7, "demand"),
    ],
)
def test_another_seed_purpose_or_key_is_another_stream(other):
    assert draws(*other) != draws(7, "demand", 1, 2)


def test_the_spawn_key_is_the_hash_of_the_purpose_and_then_the_key():
    """A second derivation, so that a change of the hash cannot pass unseen."""
    words = np.frombuffer(blake2b(b"demand", digest_size=16).digest(), dtype="<u4")
    sequence = np.random.SeedSequence(7, spawn_key=(*words.tolist(), 1, 2))
    assert np.random.default_rng(sequence).random(4).tolist() == draws(7, "demand", 1, 2)


def test_the_first_numbers_of_a_stream_do_not_change_between_versions():
    """Bit streams of NumPy's generators are stable; a run of today can be repeated later."""
    assert stream(2024, "demand", 0, 0).bit_generator.random_raw(2).tolist() == FIRST


def test_neighbouring_streams_are_uncorrelated():
    """66 pairs of 10,000 draws: |r| < 5 / 100 fails by chance with probability below 4e-5."""
    sample = np.array(
        [stream(1, "demand", r, n).random(10_000) for r in range(3) for n in range(4)]
    )
    correlation = np.corrcoef(sample)[np.triu_indices(12, 1)]
    assert np.abs(correlation).max() < 0.05
    mixed = np.corrcoef(sample[0], 0.2 * sample[0] + sample[1])[0, 1]  # the test can see a tenth
    assert mixed > 0.05


@pytest.mark.parametrize("seed", [-1, 2**128])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match=f"seed = {seed}"):
        stream(seed, "demand")


@pytest.mark.parametrize("key", [-1, 2**32])
def test_a_key_out_of_range_is_refused(key):
    with pytest.raises(ValueError, match=f"stream key = {key}"):
        stream(1, "demand", key)


def test_why_large_keys_are_refused():
    """SeedSequence would take (2**32,) and (0, 1) for the same key."""
    large, two = (np.random.SeedSequence(1, spawn_key=key) for key in [(2**32,), (0, 1)])
    assert large.generate_state(4).tolist() == two.generate_state(4).tolist()


def test_numpy_integers_are_good_seeds_and_keys():
    assert draws(np.int64(7), "demand", np.int64(1)) == draws(7, "demand", 1)
