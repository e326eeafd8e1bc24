"""Planted bugs that no derivative betrays: in data, checkpoints, kernels and constants."""

import tempfile
from pathlib import Path

import numpy as np

from bugzoo import Bug, class_bug
from numgan import _kernels as kernels
from numgan import data
from numgan.data import Batches, modes, ring
from numgan.layers import BatchNorm, Pass
from numgan.systems import build
from numgan.training import checkpoint
from numgan.training import loop as training


class FirstRows(Batches):
    """Only the first few batches of the data are ever used."""

    def indices(self, k):
        return super().indices(k % 2)


def _every_row_once_an_epoch(batches):
    seen = np.concatenate([batches.indices(k) for k in range(5)])
    assert sorted(seen) == list(range(20))


def _epsilon_is_small(layer):
    x = 1e-2 * np.random.default_rng(1).standard_normal((7, 3))
    y, _ = layer.forward({"gain": np.ones(3), "bias": np.zeros(3)}, x, Pass())
    assert np.allclose(y, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5), rtol=1e-12)


def _seven(n, rng):
    """linspace(0, 2 pi, 8) gives the first point of a ring of eight twice."""
    angle = np.linspace(0, 2 * np.pi, 8)[rng.integers(8, size=n)]
    return 2 * np.stack([np.cos(angle), np.sin(angle)], 1) + 0.02 * rng.standard_normal((n, 2)), None


def _every_mode_has_its_share(draw):
    """Count and weight: an eighth of the points lies around each of the eight centres, and none elsewhere."""
    centres, std = modes("ring")
    distance = np.linalg.norm(draw(4000, np.random.default_rng(1))[0][:, None] - centres, axis=2)
    near = distance < 6 * std
    assert near.any(1).all() and len(centres) == 8
    assert (np.abs(near.sum(0) - 500) < 100).all()  # five standard deviations


def _resuming(forgotten=None):
    """Save and load a state; what is `forgotten` by the checkpoint is afterwards what it is in a new run."""

    def resume(system, state):
        about = checkpoint.identity(system, _digits, 8, 3)
        with tempfile.TemporaryDirectory() as folder:
            checkpoint.save(Path(folder) / "checkpoint.npz", state, about)
            back = checkpoint.load(Path(folder) / "checkpoint.npz", system, about)
        if forgotten:
            setattr(back, forgotten, getattr(checkpoint.State.start(system, 3), forgotten))
        return back

    return resume


def _stopping_changes_nothing(resume):
    """N steps = k steps, resume, N - k steps, in every weight and moment."""
    system, feed = build("dcgan", "digits", 0.03), _digits.feed(8, 3)
    whole, parts = (checkpoint.State.start(system, 3) for _ in range(2))
    for step in range(5):
        training.advance(system, whole, feed, 3)
        parts = resume(system, parts) if step == 3 else parts
        training.advance(system, parts, feed, 3)
    assert whole.counters() == parts.counters()
    assert all(np.array_equal(vector, parts.vectors()[name]) for name, vector in whole.vectors().items())


def _without_flags(a, b):
    """A product reads a transposed matrix as if it were not transposed."""
    return kernels.matmul(np.ravel(a, "K").reshape(a.shape), b)


def _zero_in_float32(a, b):
    """The float32 half of a fused-type kernel returns the zeros that it began with."""
    return kernels.matmul(a, b) if a.dtype == np.float64 else np.zeros((len(a), b.shape[1]), a.dtype)


def _right_in_both_dtypes_and_layouts(product):
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((7, 5)), rng.standard_normal((5, 3))
    for dtype in (np.float64, np.float32):
        for left in (a.astype(dtype), np.asfortranarray(a.astype(dtype))):
            assert np.allclose(product(left, b.astype(dtype)), a @ b, rtol=1e-5, atol=1e-5)


_digits = data.load("digits")
VALUE_BUGS = [
    Bug(17, _seven.__doc__, lambda: _seven, lambda: ring, value=_every_mode_has_its_share),
    class_bug(18, FirstRows, Batches, 20, 4, seed=1, value=_every_row_once_an_epoch),
    *(
        Bug(
            30,
            broken.__doc__,
            lambda broken=broken: broken,
            lambda: kernels.matmul,
            value=_right_in_both_dtypes_and_layouts,
        )
        for broken in (_without_flags, _zero_in_float32)
    ),
    *(
        Bug(
            34,
            f"A checkpoint lacks {text}.",
            lambda part=part: _resuming(part),
            _resuming,
            value=_stopping_changes_nothing,
        )
        for part, text in (
            ("moments", "the optimisers' moments"),
            ("batches", "the data's order"),
            ("step", "the state of the noise"),
        )
    ),
    Bug(
        14,
        "BatchNorm's eps was given the momentum's value.",
        lambda: BatchNorm(3, eps=0.8),
        lambda: BatchNorm(3),
        value=_epsilon_is_small,
    ),
]
