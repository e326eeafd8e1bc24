"""Exact values of parameters: one vector, its views, masks, copies, sums and messages."""

import copy
import pickle

import numpy as np
import pytest

from numgan.core.parameters import Gradient, Layout, Parameters, gather, whole_gradient
from numgan.layers import Dense, ReLU, Sequential, Spectral

SHARED = Dense(3, 3)
NET = Sequential(Dense(2, 3), SHARED, ReLU(), SHARED, Sequential(Dense(3, 1, bias=False)))


def counted():
    """Parameters of NET whose vector is 0, 1, 2, ..."""
    return Parameters(np.arange(NET.layout.size, dtype=np.float32), NET.layout)


def test_the_places_of_parameters_in_the_vector():
    layout = NET.layout
    assert layout.size == 6 + 3 + 9 + 3 + 3
    assert layout.slots == {
        "0.W": (0, (2, 3)),
        "0.b": (6, (3,)),
        "1.W": (9, (3, 3)),
        "1.b": (18, (3,)),
        "3.W": (9, (3, 3)),
        "3.b": (18, (3,)),
        "4.0.W": (21, (3, 1)),
    }
    assert layout.names == ("0.W", "0.b", "1.W", "1.b", "4.0.W") and layout.held == ()
    assert layout.children["4"].size == layout.children["4"].children["0"].size == 24
    assert layout == Layout.of(NET) and layout != Layout.of(Sequential(Dense(2, 3))) and layout != "layout"
    assert Layout({}, {}, 3) != Layout({}, {}, 4)


def test_held_entries_have_paths():
    layout = Sequential(Spectral(Dense(2, 3)), Dense(3, 1)).layout
    assert len(layout.held) == 2 and set(layout.held) < set(layout.names)
    assert all(path.startswith("0.") and path.split(".")[-1] in ("u", "v") for path in layout.held)


def test_parameters_are_views_of_one_vector():
    p = counted()
    assert np.array_equal(p["1.W"], np.arange(9, 18).reshape(3, 3)) and p["4.0.W"].shape == (3, 1)
    assert np.shares_memory(p["3.W"], p["1.W"]) and np.array_equal(p["3.W"], p["1.W"])
    p["0.b"][...] = 50
    assert p.vector[6:9].tolist() == [50, 50, 50] and p.vector[5] == 5 and p.vector[9] == 9
    part = p.child("4").child("0")
    assert (
        list(part) == ["W"]
        and np.shares_memory(part["W"], p.vector)
        and part["W"].ravel().tolist() == [21, 22, 23]
    )
    assert len(p) == 5 and list(p) == ["0.W", "0.b", "1.W", "1.b", "4.0.W"] and len(p.child("1")) == 2


def test_a_vector_of_another_size_is_refused():
    for size in (23, 25):
        with pytest.raises(ValueError, match=rf"Parameters: expected vector \(24,\), got \({size},\)"):
            Parameters(np.zeros(size), NET.layout)
    with pytest.raises(ValueError, match=r"expected vector \(24,\), got \(24, 1\)"):
        counted().like(np.zeros((24, 1)))


def test_a_part_has_no_vector_of_its_own():
    with pytest.raises(
        ValueError, match="expected the parameters of a whole network, got a sub-network's views"
    ):
        _ = counted().child("0").vector
    with pytest.raises(ValueError, match="expected one of the parts 0, 1, 2, 3, 4, got '5'"):
        counted().child("5")
    with pytest.raises(ValueError, match="expected one of the parts none, got 'W'"):
        counted().child("0").child("W")
    with pytest.raises(KeyError, match="no parameter '5.W'; there are 0.W, 0.b, 1.W, 1.b, 3.W, 3.b, 4.0.W"):
        _ = counted()["5.W"]


def test_masks_mark_the_entries_of_a_pattern():
    p = counted()
    for pattern, places in (
        ("*.b", {*range(6, 9), *range(18, 21)}),
        ("0.*", set(range(9))),
        ("3.W", set(range(9, 18))),
        ("*", set(range(24))),
    ):
        mask = p.mask(pattern)
        assert mask.dtype == bool and set(np.flatnonzero(mask)) == places
    with pytest.raises(ValueError, match=r"mask: no parameter matches '\*.V'; there are 0.W, 0.b, 1.W"):
        p.mask("*.V")


def test_sums_copies_and_types():
    p, double = counted(), counted().astype(np.float64)
    assert (p + p).vector.tolist() == (2 * np.arange(24)).tolist() and (p + p).dtype == np.float32
    assert (p + double).dtype == (double + p).dtype == double.dtype == np.float64
    assert not p.zeros().vector.any() and p.zeros().dtype == np.float32
    for again in (p.copy(), copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert again == p and not np.shares_memory(again.vector, p.vector)
    other = p.copy()
    other.vector[3] += 1
    assert other != p and p != p.vector.tolist() and p == double


def test_entries_are_copied_by_path():
    p, source = counted().zeros(), counted()
    assert p.copy_from(source, {"0.b": "1.b", "1.b": "0.b"}) is p
    assert p["0.b"].tolist() == [18, 19, 20] and p["1.b"].tolist() == [6, 7, 8] and not p["0.W"].any()
    small = Sequential(Dense(2, 3), ReLU()).init(1)
    assert np.array_equal(counted().copy_from(small)["0.W"], small["0.W"])
    assert np.array_equal(counted().copy_from(small)["1.W"], counted()["1.W"])
    with pytest.raises(
        ValueError, match=r"copy_from: 0.W has shape \(2, 3\), the source's 0.W has \(2, 4\); choose"
    ):
        counted().copy_from(Sequential(Dense(2, 4)).init(1))


def test_gradients_are_added_entry_by_entry():
    W, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([10, 20, 30], np.float32)
    p = Dense(2, 3).init(0)
    one, two = whole_gradient({"W": W, "b": None}, p), whole_gradient({"W": 2 * W, "b": b}, p)
    assert isinstance(one, Gradient) and whole_gradient(one, p) is one and one.dtype == p.dtype
    expected = np.concatenate([3 * W.ravel(), b])
    for added in (one + two, two + one, p.zeros() + one + two, one + (two + p.zeros())):
        assert np.array_equal(added.vector, expected)
    assert np.array_equal(one.vector, [*W.ravel(), 0, 0, 0]) and np.array_equal((one + two).vector, expected)
    assert np.array_equal(one.part("W"), W) and not one.part("b").any()
    again = pickle.loads(pickle.dumps(two))
    assert type(again) is Parameters and np.array_equal(again.vector, [*2 * W.ravel(), *b])
    wide = whole_gradient({"W": W.astype(np.float64), "b": None}, p.astype(np.float64))
    assert (one + wide).dtype == (wide + one).dtype == np.float64


def test_the_gradients_of_two_places_are_added():
    W = np.ones((3, 3), np.float32)
    parts = [("1", {"W": W, "b": None}), ("3", {"W": 2 * W, "b": W[0]}), ("0", None), ("2", {})]
    found = gather(NET.layout, parts, np.float32)
    assert np.array_equal(found["1.W"], 3 * W) and np.array_equal(found["3.b"], W[0])
    assert not found["0.W"].any() and not found["4.0.W"].any() and found.dtype == np.float32
    empty = gather(NET.layout, [], np.float64)
    assert not empty.vector.any() and empty.dtype == np.float64
    single = whole_gradient({"W": np.ones((3, 3)), "b": np.arange(3.0)}, SHARED.init(0, np.float64))
    found = gather(NET.layout, [("1", single), ("3", single)], np.float64)
    assert np.array_equal(found["1.b"], [0, 2, 4])
