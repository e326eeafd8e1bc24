"""The arguments `frozen` and `need_dx` of the backward passes, and what a frozen pass computes.

A frozen pass must not compute a weight gradient, also not one that it then throws away. Kernels of the
library are counted by name. Plain NumPy is watched by a trace of Python: in every line of a frozen pass, the
values of all variables are compared with the weight gradients that the pass gives if it is not frozen. A
variable that holds the numbers of a weight gradient is suspect. It is innocent if dx is computed from it, as
in BatchNorm, where dx needs the sums that are also the gradients of gain and bias. So the pass runs once
more, and the suspect variable gets other numbers as soon as it exists. If dx keeps its bits, dx does not need
the variable: it is a weight gradient that was computed for nothing.
"""

import functools
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from .. import _kernels as kernels
from ..core import errors
from ..core.parameters import Parameters
from ..layers import Layer
from .arrays import copied, leaves, moved, normal, same
from .inspection import arrays_inside
from .report import failure

# Variables of these modules are not looked at: NumPy, Python's own, the checks, kernels, and the wrappers of
# a pass.
MODULES = (np, errors, kernels, functools)
SKIPPED = tuple(str(Path(file).parent) for file in (__file__, *(module.__file__ for module in MODULES)))
LINES = 100_000  # a pass with more lines than this is not watched to its end
SUSPECTS = 30  # variables of one pass that are tried


def backward_of(point, name):
    """(run, prefix): a function that runs a backward pass of the layer, and the prefix of its results' names.

    run       takes only frozen= and need_dx=; the arrays are those of the Point
    prefix    "" for the pass "backward", "t" for the pass "tangent_backward"
    """
    if name == "backward":
        return partial(point.run, "backward", point.dy, point.cache), ""
    _, tcache = point.run("tangent_forward", point.tx, point.cache, point.tp)
    return partial(point.run, "tangent_backward", point.dy, point.tdy, point.cache, tcache), "t"


def frozen_same_dx(point, name="backward"):
    """Check that a backward pass with frozen=True returns dp = None, and the same dx as with frozen=False.

    The bits of dx must be equal. name is "backward", or "tangent_backward", whose results are called tdx and
    tdp.
    """
    backward, t = backward_of(point, name)
    dx, dp = backward(frozen=True)
    if dp is not None:
        raise failure(
            f"{point.subject}: {name}(frozen=True) must return {t}dp = None, got {type(dp).__name__}"
        )
    if not same(copied(dx), backward()[0]):
        raise failure(
            f"{point.subject}: {name}(frozen=True) must return the same {t}dx; it must not depend on `frozen`"
        )


def need_dx(point, name="backward"):
    """Check that a backward pass with need_dx=False returns dx = None, and the same dp as with need_dx=True.

    The bits of dp must be equal. name is "backward", or "tangent_backward", whose results are called tdx and
    tdp.
    """
    backward, t = backward_of(point, name)
    dx, dp = backward(need_dx=False)
    if any(d is not None for _, d in leaves(dx)):
        raise failure(f"{point.subject}: {name}(need_dx=False) must return {t}dx = None")
    if not same(point.vector(dp).vector, point.vector(backward()[1]).vector):
        raise failure(f"{point.subject}: {name}(need_dx=False) gives another {t}dp")


def frozen_no_weight_gradient(point, name="backward"):
    """Check that a backward pass with frozen=True computes no weight gradient, with a kernel or without.

    name is the pass, "backward" or "tangent_backward". Returns None, or (None, a note that begins with "not
    seen") if the pass cannot be watched.
    """
    backward, t = backward_of(point, name)
    with kernels.kernel_calls() as calls:
        backward(frozen=True)
    ran = [kernel for kernel in calls if kernel.endswith("weight_gradient")]
    if ran:
        raise failure(
            f"{point.subject}: {name}(frozen=True) runs {', '.join(ran)}; compute dp only if not frozen"
        )
    if not len(point.p):
        return None
    run, targets, given = _fresh(point, name)
    watch = Watch(run, targets, given, point.batch)
    note = watch.note
    if watch.met and all(d is None for _, d in leaves(watch.dx)):
        note = "x has no gradient, so nothing shows what the pass needs"
    if note:
        return None, f"not seen: {note}"
    if watch.met:
        _search(f"{point.subject}: {name}(frozen=True)", f"{t}dx", run, targets, given, point.batch)
    return None


def _fresh(point, name):
    """(run, targets, given): a frozen pass for a new dy, what it must not compute, and its arguments.

    run       the pass, a function that returns dx
    targets   {path of a parameter: weight gradient}. They are linear in dy, and are computed as a sum for two
              other dy. So an array that an earlier pass left on the layer, or in freed memory, does not have
              these numbers
    given     all arguments of the pass, and all other arrays of the Point
    """
    rng, tcache = point.rng("frozen"), None
    names = ("y",) if name == "backward" else ("y", "y")  # dy, or dy and tdy
    one, two = ([normal(rng, point.y) for _ in names] for _ in range(2))
    if name == "backward":
        rest = (point.cache,)
    else:
        tcache = point.run("tangent_forward", point.tx, point.cache, point.tp)[1]
        rest = (point.cache, tcache)
    parts = [point.vector(point.run(name, *dys, *rest)[1], name) for dys in (one, two)]
    both = [moved(a, b, 1.0) for a, b in zip(one, two)]
    targets = {path: parts[0][path] + parts[1][path] for path in parts[0]}

    def run():
        return point.run(name, *both, *rest, frozen=True)[0]

    given = (point.p, point.x, point.dy, point.tdy, point.tx, point.tp, point.y, *both, *rest)
    return run, {path: target for path, target in targets.items() if target.any()}, given


def _search(subject, dx, run, targets, given, batch):
    """Raise GradientError if a frozen pass computes one of `targets` and does not need it for dx.

    subject   the beginning of the message;  dx: the name of the result
    """
    expected, innocent = copied(run()), set()
    for _ in range(SUSPECTS):
        watch = Watch(run, targets, given, batch, innocent, changes=True)
        if watch.found is None:
            return
        variable, path, line = watch.found
        if watch.kept and same(expected, copied(watch.dx)):
            raise failure(
                f"{subject} computes the gradient of {path} and throws it away (the variable {variable} in "
                f"line {line}; {dx} does not depend on it); compute dp only if not frozen"
            )
        innocent.add(watch.key)


class Watch:
    """The trace of one frozen backward pass. It looks for weight gradients in all variables.

    run        the frozen pass, a function; its result is kept as `dx`
    targets    {path of a parameter: its gradient}
    given      the arguments of the pass; their arrays are never suspect
    batch      the number of samples
    innocent   keys of variables that dx depends on
    changes    True: the first suspect variable gets other numbers. The trace then looks after every operation
               and not only after every line

    met     whether there was a suspect
    note    why the pass cannot be watched, or ""
    found   (variable, path of the parameter, line) of the changed variable, or None; `key` is its key
    kept    whether the changed variable still had the new numbers at the end, or was filled with one number.
            If not, it was a new array that had old numbers by chance
    """

    def __init__(self, run, targets, given, batch, innocent=(), changes=False):
        self.targets = {path: _profile(target) for path, target in targets.items()}
        self.sizes = {target.size for target in targets.values()}
        self.given = [array for _, array in arrays_inside(given, depth=9)]
        self.ids = {id(thing) for thing in (*given, *self.given)}
        self.innocent, self.changes, self.batch = innocent, changes, batch
        self.cleared, self.inside, self.met, self.found, self.key = [], {}, False, None, None
        self.lines, self.note, self.array, self.numbers = 0, "", None, None
        for size in self.sizes:  # new arrays then do not get memory in which a gradient was
            makers = (np.empty, kernels.empty)
            junk = [make((size * n,), np.float64) for make in makers for n in (1, self.batch) * 8]
            for array in junk:
                array[...] = np.arange(array.size)
        before = sys.gettrace()
        sys.settrace(self)
        try:
            self.dx = run()
        finally:
            sys.settrace(before)
        if not self.lines:
            self.note = "no line of Python runs in the pass"

    @property
    def kept(self):
        if self.array is None:
            return True
        return np.array_equal(self.array, self.numbers) or bool((self.array == self.array.flat[0]).all())

    def __call__(self, frame, event, argument):
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

    def _look(self, frame, name, value):
        """Look at one variable of the frame, and at all arrays inside it."""
        if value is None or id(value) in self.ids:
            return
        if isinstance(value, (np.ndarray, np.floating)):
            things = [(name, value)]
        elif isinstance(value, (bool, int, float, str)):
            return
        else:
            known = (id(value), name, _inner(value))  # searched again if it holds other objects than before
            if known not in self.inside:
                self.inside[known] = value, self._within(name, value)
            things = self.inside[known][1]
        for path, array in things:
            target = None if self.found else self._target(array)
            if target:
                self.met = True
                self._suspect(frame, name, path, array, target)

    def _within(self, name, value):
        """[(path, array)] of the arrays inside a container or on a layer that may be weight gradients."""
        if isinstance(value, Layer):
            parts = [(f"self.{key}", part) for key, part in vars(value).items() if key != "layout"]
        else:
            parts = [(name, value)]
        found = [thing for path, part in parts for thing in arrays_inside(part, path, 3)]
        return [(path, array) for path, array in found if self._fits(array)]

    def _fits(self, array):
        """Whether an array has the size of a gradient, or of one gradient for each sample."""
        size, each = np.size(array), self._each(array)
        return (size in self.sizes or each in self.sizes) and id(array) not in self.ids

    def _each(self, array):
        return np.size(array) // self.batch if np.ndim(array) > 1 and len(array) == self.batch > 1 else 0

    def _target(self, array):
        """The path of the parameter whose gradient has the numbers of this array; None if there is none.

        A factor, a sign and the order of the entries do not matter. An array with one gradient for each
        sample counts too. An array that is an argument of the pass, or has the numbers of one, never counts.
        """
        if not self._fits(array):
            return None
        forms = [np.array(array)] if np.size(array) in self.sizes else []
        if self._each(array) > 1 and self._each(array) in self.sizes:
            forms.append(array.sum(axis=0))
        own = [_profile(form) for form in forms]
        paths = [path for path, target in self.targets.items() if any(_alike(one, target) for one in own)]
        if paths and any(np.may_share_memory(array, given) for given in self.given):
            paths = []
        if paths:
            known = [given for given in self.given if given.size == np.size(array)] + self.cleared
            profile, others = _profile(array), [_profile(other) for other in known]
            if any(_alike(profile, other) for other in others):
                paths = []
            own += [profile, *others]
        for numbers in forms + own:
            numbers[...] = 0  # the memory may become an array of the pass, and must not look like a gradient
        return paths[0] if paths else None

    def _suspect(self, frame, name, path, array, target):
        """Give the variable other numbers, if this Watch changes one and the variable is not innocent."""
        key = (frame.f_code, path, target)
        if key in self.innocent:
            self.cleared.append(np.array(array))
        elif self.changes and isinstance(array, np.ndarray) and array.flags.writeable:
            waves = np.cos(np.arange(array.size)).reshape(array.shape)
            array[...] = 1.7 * array + np.abs(array).max() * waves
            self.array, self.numbers = array, array.copy()
            self.found, self.key = (path, target, frame.f_lineno), key
        elif self.changes and path == name and name in frame.f_locals:
            frame.f_locals[name] = type(array)(1.7 * array + 0.3)
            self.found, self.key = (path, target, frame.f_lineno), key


def _inner(value):
    """The ids of the objects in a container, or of the attributes of an object."""
    if isinstance(value, Parameters):
        return ()  # an entry is a new view at each access
    if isinstance(value, Mapping):
        return tuple(map(id, value.values()))
    if isinstance(value, (tuple, list)):
        return tuple(map(id, value))
    return tuple(map(id, getattr(value, "__dict__", {}).values()))


def _profile(array):
    """The sizes of the numbers of an array in order: relative to the largest, if there are several."""
    numbers = np.array(array, np.float64).ravel()
    np.abs(numbers, out=numbers)
    numbers.sort()
    if numbers.size > 1 and numbers[-1] > 0:
        numbers /= numbers[-1]
    return numbers


def _alike(one, two):
    return one.size == two.size and bool((np.abs(one - two) <= 1e-9 * two + 1e-12).all())
