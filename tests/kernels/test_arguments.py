"""Tests of the table numgan/_kernels/arguments.py: Python, C and the checks use the same names."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from kernel_marks import needs_compiled

from numgan import _kernels as kernels
from numgan._kernels import compiled
from numgan._kernels.arguments import ARGUMENTS

HEADER = Path(kernels.__file__).parent / "c" / "arguments.h"


def enums():
    """{tag: its names} of every enum in arguments.h, without the prefix and in small letters."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    found = re.findall(r"enum (\w+) \{(.*?)\};", text, re.S)
    assert len(found) == text.count("enum ")
    return {tag: [name.strip().split("_", 1)[1].lower() for name in names.split(",")] for tag, names in found}


@pytest.mark.skipif(not HEADER.exists(), reason="the installed package has no C sources")
def test_c_has_the_same_names_in_the_same_order():
    forms = re.compile("^fast_|_thin$|^dense_")  # no enums of their own
    table = {kernel: arguments for kernel, arguments in ARGUMENTS.items() if not forms.search(kernel)}
    expected = {f"{kernel}_arrays": list(arguments.arrays) for kernel, arguments in table.items()}
    expected |= {f"{kernel}_scalars": list(a.scalars) for kernel, a in table.items() if a.scalars}
    assert enums() == expected
    sizes = re.findall(
        r"(?:ng_array array|double scalar)\[(\d)\];", HEADER.with_name("kernels.h").read_text()
    )
    assert len(sizes) == 2 and max(map(len, expected.values())) <= min(map(int, sizes))


@pytest.mark.skipif(not HEADER.exists(), reason="the installed package has no C sources")
def test_c_uses_only_names():
    """An enum has one prefix, which no other kernel has, and no number is a place of an argument."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    prefixes = {}
    for tag, names in re.findall(r"enum (\w+) \{(.*?)\};", text, re.S):
        (prefix,) = {name.strip().split("_")[0] for name in names.split(",")}
        prefixes.setdefault(prefix, set()).add(re.sub("_(arrays|scalars)$", "", tag))
    assert all(len(kernel) == 1 for kernel in prefixes.values()), prefixes
    for source in HEADER.parent.glob("*.h"):
        assert not re.search(r"call->(array|scalar)\[\d", source.read_text()), source.name


@pytest.mark.parametrize("kernel", kernels.KERNELS)
def test_the_table_has_the_names_of_the_functions(kernel):
    """Each array of the table that a function takes is one of its parameters, in the same order."""
    parameters = list(inspect.signature(getattr(kernels, kernel)).parameters)
    arrays = [name for name in ARGUMENTS[kernel].arrays if name in parameters]
    assert set(arrays) == {name for name in parameters if name in ARGUMENTS[kernel].arrays}
    results = {"c", "y", "dx", "dw", "index", "finite", "partial"}
    assert set(ARGUMENTS[kernel].arrays) - set(arrays) <= results


def calls():
    x, y = np.ones((2, 6), np.float32), np.empty((2, 6), np.float32)
    return {"x": x.reshape(-1), "y": y.reshape(-1), "slope": 0.5}


@needs_compiled
@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"z": 1.0}, TypeError, "run: leaky_relu: expected the arguments x, y, slope, got x, y, slope, z"),
        ({"x": None}, TypeError, "run: leaky_relu: expected x as an array, got None"),
        ({"y": None}, TypeError, "run: leaky_relu: expected y as an array, got None"),
    ],
)
def test_a_wrong_argument_never_reaches_c(change, error, message):
    with pytest.raises(error, match=message):
        compiled._core.run("leaky_relu", (1, 1), **calls() | change)


@needs_compiled
def test_a_wrong_name_never_reaches_c():
    given = calls()
    given["gate"] = given.pop("y")
    with pytest.raises(KeyError, match="y"):
        compiled._core.run("leaky_relu", (1, 1), **given)
    with pytest.raises(TypeError, match="expected the arguments x, y, slope, got x"):
        compiled._core.run("leaky_relu", (1, 1), x=given["x"])
