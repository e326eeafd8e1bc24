"""What the rules of purity and precision are made of: rough functions, changed places, arrays in objects."""

import types

import numpy as np
import pytest

from numgan.checking.arrays import copied
from numgan.checking.inspection import arrays_inside
from numgan.checking.methods import kind
from numgan.checking.purity import changed_place, rough
from numgan.layers import Dense

near = 1e-7


@pytest.mark.parametrize(
    "f",
    [
        lambda k: [np.exp(100 * near * k)],
        lambda k: [np.sin(near * k) / 3, 1.0],
        lambda k: [abs(near * (k - 4.3)) + 1],
        lambda k: [float(k > 3)],
        lambda k: [0.0, 0.0],
        lambda k: [np.inf],
        lambda k: [],
    ],
    ids=["steep", "smooth", "one kink", "one step", "zero", "inf", "nothing"],
)
def test_a_smooth_function_is_not_rough(f):
    assert rough(f) == 0.0


@pytest.mark.parametrize("slope", [0.3, 0.5, 1, 1.19, 2, 3, 7])
def test_a_rounded_function_is_rough(slope):
    assert rough(lambda k: [float(np.float32(1 + slope * near * k)), 0.1]) > 1e-8


def test_a_rounded_term_of_a_sum_is_rough():
    assert rough(lambda k: [5 + 0.01 * float(np.float32(1 + near * k))]) > 1e-11


def test_the_place_of_a_change_is_named():
    p, array = Dense(2, 3).init(0), np.arange(3.0)
    tree = {"p": p, "cache": (array, [array.copy(), None])}
    before = copied(tree)
    assert changed_place(before, tree, "all") is None
    p["b"][1] = 7
    assert (
        changed_place(before["p"], p, "p") == "p['b']" and changed_place(before, tree, "x") == "x['p']['b']"
    )
    tree["cache"][1][0][0] = 7
    assert changed_place(before["cache"], tree["cache"], "cache") == "cache[1][0]"
    assert changed_place(copied((1, 2)), (1, 2, 3), "cache") == "cache"


def test_arrays_inside_objects_are_found_once():
    array = np.zeros(2)
    thing = types.SimpleNamespace(a=array, b={"W": np.ones(3), "again": array}, n=np.arange(3), f=len, m=np)
    thing.itself = thing
    assert [path for path, _ in arrays_inside(thing, "self")] == ["self.a", "self.b['W']"]
    assert list(arrays_inside((((array,),),), "x", depth=2)) == []


@pytest.mark.parametrize(
    "value, words",
    [
        (np.zeros((3, 4)), "an array of shape (3, 4)"),
        ((1, 2), "a tuple of 2"),
        ([1], "a list of 1"),
        ({"W": 1}, "a dict with W"),
        ({}, "a dict with nothing"),
        (None, "None"),
        (1.0, "a value of the type float"),
    ],
)
def test_a_value_in_words(value, words):
    assert kind(value) == words
