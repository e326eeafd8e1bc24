"""The classes that a user asks for: a name first, a number where no name is a number."""

import numpy as np
import pytest
from training_cases import DIGITS

from numgan import systems
from numgan.data import Dataset
from numgan.training import sampling
from numgan.training.classes import numbers_of, parsed

ANIMALS = ("cat", "dog", "big, owl", "a\nb", "café", "owl")
MONTHS = tuple(map(str, range(1, 13)))


@pytest.mark.parametrize(
    "classes, values, numbers",
    [
        (ANIMALS, ["cat,dog"], [0, 1]),
        (ANIMALS, ["dog", "cat", "dog"], [1, 0, 1]),
        (ANIMALS, ["cat, dog"], [0, 1]),
        (ANIMALS, ["big, owl"], [2]),
        (ANIMALS, ["dog,big, owl,cat"], [1, 2, 0]),
        (ANIMALS, ["owl"], [5]),
        (ANIMALS, [r"a\nb"], [3]),
        (ANIMALS, ["a\nb"], [3]),
        (ANIMALS, ["cafe\u0301"], [4]),
        (ANIMALS, ["0,5"], [0, 5]),
        (MONTHS, ["1,12"], [0, 11]),
        (MONTHS, ["10"], [9]),
        (tuple("0123456789"), ["3,7"], [3, 7]),
        (("mode 0", "mode 1"), ["1", "mode 0"], [1, 0]),
        (("a", "b", "a,b"), ["a,b"], [2]),
        (("a", "b", "a,b"), ["a", "b"], [0, 1]),
        (("\udcff",), ["\udcff"], [0]),
        ((" cat ", "cat"), [" cat "], [0]),
    ],
)
def test_values_of_the_option(classes, values, numbers):
    assert parsed(values, classes) == numbers


@pytest.mark.parametrize(
    "classes, values, match",
    [
        (MONTHS, ["0"], r"from 1 to 12, got '0'; .*the 12 classes are: 1, 2, .*, 12$"),
        (MONTHS, ["13"], "got '13'"),
        (("1", "2", "paper"), ["0"], "got '0'"),
        (ANIMALS, ["6"], r"got '6'; the 6 classes are: .*a\\nb.* \(or a class number from 0 to 5\)"),
        (ANIMALS, ["-1"], "got '-1'"),
        (ANIMALS, ["Cat"], "got 'Cat'; did you mean 'cat'"),
        (ANIMALS, ["cat,dgo"], "got 'dgo'; did you mean 'dog'"),
        (ANIMALS, ["cat,"], "got ''"),
        (("a", "a"), ["a"], "got 'a', the name of the classes 0, 1"),
        ((), ["a"], "the system has no labels to ask for"),
        (tuple(f"class of number {k}" for k in range(1000)), ["x"], r", \.\.\. \(or a class number"),
    ],
)
def test_unknown_names_are_refused_with_the_names_that_there_are(classes, values, match):
    with pytest.raises(ValueError, match=match):
        parsed(values, classes)


def test_in_python_a_text_is_a_name_and_an_integer_a_number():
    assert numbers_of("cat", ANIMALS) == numbers_of(["cat"], ANIMALS) == numbers_of(0, ANIMALS) == [0]
    assert numbers_of([1, "1", np.int64(2)], MONTHS) == [1, 0, 2]
    assert numbers_of(np.array([3, 1]), ANIMALS) == [3, 1]
    for wrong in ([-1], [6], [1.5], [True], [None], 7):
        with pytest.raises(ValueError, match="labels: expected numbers from 0 to 5, got"):
            numbers_of(wrong, ANIMALS)
    with pytest.raises(ValueError, match="got none; None asks for all classes"):
        numbers_of([], ANIMALS)


def test_a_sampler_takes_names():
    system = systems.build("conditional", "digits", 0.02)
    months = Dataset("m", DIGITS.x[:90], DIGITS.labels[:90], MONTHS[:10])
    sampler = sampling.Sampler(system, system.init(0), 0, 4, months)
    x, labels = sampler(4, 3, ["10", "1"])
    again, _ = sampler(4, 3, [9, 0])
    assert labels.tolist() == [9, 0, 9, 0] and np.array_equal(x, again)
    assert sampler.batch(2, 3, "2")["labels"].tolist() == [1, 1]
    with pytest.raises(ValueError, match="got '0'"):
        sampler(4, 3, ["0"])


def test_classes_without_names_have_numbers():
    system = systems.build("conditional", "digits", 0.02)
    sampler = sampling.Sampler(system, system.init(0), 0, 4, Dataset("d", DIGITS.x[:50], DIGITS.labels[:50]))
    assert sampler.classes == 10 and sampler(3, 0, ["7", 2])[1].tolist() == [7, 2, 7]
    assert sampling.picture(sampler, 0, labels=[7, "7"]).size == sampling.picture(sampler, 0, labels=7).size
