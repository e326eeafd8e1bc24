"""A Watch of one backward pass in plain NumPy: which arrays does it compute?

Two ways of seeing are combined. A trace of Python looks at the values of all variables, after each line. And
dy is an array of a class of its own, which records the results that NumPy computes from it, also results
without a name. A pass that calls the library's kernels takes plain arrays only, and is then seen by its
trace.
"""

import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np

from .. import _kernels as kernels
from ..core import errors
from ..core.parameters import Parameters
from ..layers import Layer
from .inspection import arrays_inside

# Variables of these modules are not looked at: NumPy, Python's own, the checks, kernels, and the wrappers of
# a pass.
MODULES = (np, errors, kernels, functools)
SKIPPED = tuple(str(Path(file).parent) for file in (__file__, *(module.__file__ for module in MODULES)))
LINES = 100_000  # a pass with more lines than this is not watched to its end


class Watch:
    """A Watch runs one frozen backward pass and looks for weight gradients in all variables and all results.

    Arguments:

    run        the frozen pass, a function; its result is stored as `dx`
    targets    {path of a parameter: its weight gradient}
    given      the arguments of the pass; their arrays are never suspect
    batch      the number of samples
    records    whether the pass accepts a dy that records what NumPy computes from it
    innocent   keys of variables that dx depends on
    changes    True: the first suspect array (with the numbers of a weight gradient) gets other numbers. The
               trace then looks after every operation and not only after every line

    Attributes, after the pass:

    met     whether there was a suspect array
    note    why the pass cannot be watched, or ""
    found   (what was changed, path of the parameter, line), or None; `key` is its key
    kept    True if the changed array still had the new numbers at the end, or was filled with one number. If
            False, it was a new array that had old numbers by chance
    """

    def __init__(self, run, targets, given, batch, records, innocent=(), changes=False):
        self.targets = {path: _profile(target) for path, target in targets.items()}
        self.ratios = {path: _ratio(target) for path, target in targets.items()}
        self.sizes = {target.size for target in targets.values()}
        self.given = [array for _, array in arrays_inside(given, depth=9)]
        self.ids = {id(thing) for thing in (*given, *self.given)}
        self.innocent, self.changes, self.batch = innocent, changes, batch
        self.met, self.found, self.key = False, None, None
        self.cleared = []  # copies of the suspect arrays whose key is in `innocent`
        self.inside = {}  # {(id, name, contents) of a container or layer: (value, its arrays to look at)}
        self.lines, self.note = 0, ""
        self.array, self.numbers = None, None  # the array that was changed, and a copy of its new numbers
        for size in self.sizes:  # new arrays then do not get memory in which a gradient was
            makers = (np.empty, kernels.empty)
            junk = [make((size * n,), np.float64) for make in makers for n in (1, self.batch) * 8]
            for array in junk:
                array[...] = np.arange(array.size)
        before = sys.gettrace()
        sys.settrace(self)
        try:
            self.dx = run(recording(self._see)) if records else run()
        finally:
            sys.settrace(before)
        if not self.lines:
            self.note = "no line of Python runs in the pass"

    @property
    def kept(self):
        """Whether the changed array still has the new numbers, or one number everywhere; True without one."""
        if self.array is None:
            return True
        return np.array_equal(self.array, self.numbers) or bool((self.array == self.array.flat[0]).all())

    def __call__(self, frame, event, argument):
        """The trace function of Python: look at all variables of a frame after each line, and at its result.

        frame, event, argument   as for sys.settrace. Returns self to trace on, None to leave the frame out
        """
        if self.found or self.note or frame.f_code.co_filename.startswith(SKIPPED):
            return None
        if event == "call":
            frame.f_trace_opcodes = self.changes
            return self
        self.lines += event == "line"
        if self.lines > LINES:
            self.note = f"the pass runs more than {LINES} lines"
            return None
        for name, value in list(frame.f_locals.items()):
            self._look(frame, name, value)
        if event == "return":
            self._look(frame, "returned", argument)
        return self

    def _see(self, array, operation):
        """Look at `array`, a result that NumPy computed by `operation`, and return the array.

        If the array has the numbers of a weight gradient, it may get other numbers.
        """
        frame = sys._getframe(1)
        while frame.f_code.co_filename.startswith(SKIPPED):
            frame = frame.f_back
        target = None if self.found else self._target(array)
        if target:
            self.met = True
            self._suspect(frame, f"the result of {operation}", array, target, frame.f_lasti)
        return array

    def _look(self, frame, name, value):
        """Look for weight gradients in one variable of a stack frame, and in all arrays inside it.

        frame   the frame of the function that runs
        name    the name of the variable
        value   its value
        """
        if value is None or id(value) in self.ids:
            return
        if isinstance(value, (np.ndarray, np.floating)):
            things = [(name, value)]
        elif isinstance(value, (bool, int, float, str, type, ModuleType)):
            return
        else:
            known = (id(value), name, _inner(value))  # searched again if it holds other objects than before
            if known not in self.inside:
                self.inside[known] = value, self._within(name, value)
            things = self.inside[known][1]
        for path, array in things:
            array = _plain(array)
            target = None if self.found else self._target(array)
            if target:
                self.met = True
                self._suspect(frame, f"the variable {path}", array, target, path)
                if self.changes and not self.found and path == name and name in frame.f_locals:
                    self._replace(frame, name, array, target)

    def _within(self, name, value):
        """The list of (path, array) of those arrays in a container or layer that may be weight gradients.

        name is the name of the variable and `value` the container or layer. An array may be a weight gradient
        if it has the size of one, see `_fits`.
        """
        if isinstance(value, Layer):
            parts = [(f"self.{key}", part) for key, part in vars(value).items() if key != "layout"]
        else:
            parts = [(name, value)]
        found = [thing for path, part in parts for thing in arrays_inside(part, path, 3)]
        return [(path, array) for path, array in found if self._fits(array)]

    def _fits(self, array):
        """Whether an array has the size of a weight gradient, or of one weight gradient for each sample.

        False for an array that is an argument of the pass.
        """
        size, each = np.size(array), self._each(array)
        return (size in self.sizes or each in self.sizes) and id(array) not in self.ids

    def _each(self, array):
        """The number of entries per sample of an array with one row for each sample; 0 for other arrays."""
        return np.size(array) // self.batch if np.ndim(array) > 1 and len(array) == self.batch > 1 else 0

    def _target(self, array):
        """The path of the parameter whose weight gradient has the numbers of this array, or None.

        A factor, a sign and the order of the entries do not matter. An array with one gradient for each
        sample counts too. An array that is an argument of the pass, or has the numbers of one, never counts.
        """
        if not self._fits(array) or any(np.may_share_memory(array, given) for given in self.given):
            return None
        forms = [np.array(array)] if np.size(array) in self.sizes else []
        if self._each(array) > 1 and self._each(array) in self.sizes:
            forms.append(array.sum(axis=0))
        ratios = [_ratio(form) for form in forms]
        near = [  # a quick comparison first
            (path, form)
            for form, ratio in zip(forms, ratios)
            for path, known in self.ratios.items()
            if self.targets[path].size == form.size and abs(ratio - known) <= 1e-6 * known
        ]
        own, paths = [], []
        for path, form in near:
            own.append(_profile(form))
            if _alike(own[-1], self.targets[path]):
                paths.append(path)
        if paths:
            known = [given for given in self.given if given.size == np.size(array)] + self.cleared
            profile, others = _profile(array), [_profile(other) for other in known]
            if any(_alike(profile, other) for other in others):
                paths = []
            own += [profile, *others]
        for numbers in forms + own:
            numbers[...] = 0  # the memory may become an array of the pass, and must not look like a gradient
        return paths[0] if paths else None

    def _suspect(self, frame, what, array, target, place):
        """Give a suspect array other numbers, if this Watch makes changes and dx may not need the array.

        frame    the stack frame of the function that runs
        what     the words for the array
        array    the array, with the numbers of a weight gradient
        target   the path of the parameter with this weight gradient
        place    a name or number that identifies the array in its function. If dx needs the array, its key
                 (code of the function, place, target) is in `innocent`
        """
        key = (frame.f_code, place, target)
        if key in self.innocent:
            self.cleared.append(np.array(array))
        elif self.changes and isinstance(array, np.ndarray) and array.flags.writeable:
            # new numbers that are no multiple of the old ones, and of their size
            waves = np.cos(np.arange(array.size)).reshape(array.shape)
            array[...] = 1.7 * array + np.abs(array).max() * waves
            self.array, self.numbers = array, np.array(array)
            self.found, self.key = (what, target, frame.f_lineno), key

    def _replace(self, frame, name, number, target):
        """Give a variable that holds a NumPy number another number. Such a number cannot be changed in place.

        frame    the stack frame that has the variable
        name     the name of the variable;  number: its value
        target   the path of the parameter whose weight gradient is this number
        """
        key = (frame.f_code, name, target)
        if key not in self.innocent:
            frame.f_locals[name] = type(number)(1.7 * number + 0.3)
            self.found, self.key = (f"the variable {name}", target, frame.f_lineno), key


def recording(see):
    """Make a class of arrays that call see(result, operation) for each result that NumPy computes from them.

    see gets the result, a plain array, and the name of the operation, and returns this array.
    """

    class Recording(np.ndarray):
        def __array_ufunc__(self, ufunc, method, *inputs, out=None, **words):
            """Called by NumPy for an elementwise function: compute it with plain arrays, and call `see`."""
            if out is not None:
                words["out"] = _plain(out)
            result = getattr(ufunc, method)(*_plain(inputs), **words)
            if isinstance(result, np.ndarray):
                result = see(result, ufunc.__name__)
            return out[0] if out is not None and len(out) == 1 else _as(Recording, result)

        def __array_function__(self, function, types, arguments, words):
            """Called by NumPy for its other functions: compute with plain arrays, and call `see`."""
            result = function(*_plain(arguments), **_plain(words))
            if isinstance(result, np.ndarray):
                result = see(result, function.__name__)
            return _as(Recording, result)

    return Recording


def _plain(tree):
    """A copy of an array, or of a tuple, list or dict of arrays, with plain NumPy arrays.

    Each array of a class that records operations becomes a view of the class np.ndarray. tree is the array,
    tuple, list or dict. Other values are returned unchanged.
    """
    if isinstance(tree, np.ndarray):
        return tree.view(np.ndarray)
    if isinstance(tree, (tuple, list)):
        return type(tree)(map(_plain, tree))
    return {word: _plain(value) for word, value in tree.items()} if type(tree) is dict else tree


def _as(kind, result):
    """The result as an array of the class `kind` if it is an array of floats; other results unchanged."""
    return result.view(kind) if isinstance(result, np.ndarray) and result.dtype.kind == "f" else result


def _inner(value):
    """A tuple of the ids of the objects in a container, or of the attributes of an object.

    It is () for Parameters, whose entries are new views at each access. value is the container or the object.
    """
    if isinstance(value, Parameters):
        return ()  # an entry is a new view at each access
    if isinstance(value, Mapping):
        return tuple(map(id, value.values()))
    if isinstance(value, (tuple, list)):
        return tuple(map(id, value))
    return tuple(map(id, getattr(value, "__dict__", {}).values()))


def _profile(array):
    """The sorted absolute values of all numbers of an array, a vector divided by its largest value.

    A vector of one number, or of zeros, is not divided. Two arrays that differ by a factor, signs and order
    have equal profiles.
    """
    numbers = np.array(array, np.float64).ravel()
    np.abs(numbers, out=numbers)
    numbers.sort()
    if numbers.size > 1 and numbers[-1] > 0:
        numbers /= numbers[-1]
    return numbers


def _ratio(array):
    """The sum of the absolute values of an array, divided by the largest one, a float.

    Two arrays that differ by a factor have equal ratios.
    """
    sizes = np.atleast_1d(np.abs(array))
    ratio = sizes.sum() / (sizes.max() or 1.0)
    sizes[...] = 0
    return float(ratio)


def _alike(one, two):
    """Whether two profiles (see `_profile`) have one size and equal numbers, to within 1e-9 of themselves."""
    return one.size == two.size and bool((np.abs(one - two) <= 1e-9 * two + 1e-12).all())
