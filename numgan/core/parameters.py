"""One vector per network: all parameters of a network lie in one contiguous array, and names are views into it.

Then an optimiser, a gradient norm, weight clipping, a moving average and a checkpoint are each one operation on one array.
A gradient has the same form as the parameters that it belongs to.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase

import numpy as np

from .. import _kernels as kernels


class Layout:
    """Where each named parameter of a network lives in its vector.

    slots     path -> (offset, shape), in order; a path may stand for a slice that an earlier path owns (a layer placed twice)
    children  name -> Layout of that sub-network, with offsets into the same vector
    size      number of entries of the vector
    held      paths whose entries are constants, not trained (see `numgan.layers.Layer`)
    """

    def __init__(self, slots, children, size, held=()):
        self.slots, self.children, self.size = slots, children, size
        owners = {}
        for path, (offset, shape) in slots.items():
            owners.setdefault((offset, shape), path)
        self.names = tuple(owners.values())
        self.held = tuple(path for path in self.names if path in held)

    @classmethod
    def of(cls, layer):
        """The layout of a layer and everything in it; a layer object placed twice owns one slice."""
        placed, size = {}, 0

        def visit(layer):
            nonlocal size
            slots, children, held = {}, {}, set(layer.held)
            for name, child in layer.children.items():
                children[name] = visit(child)
                slots |= {f"{name}.{path}": slot for path, slot in children[name].slots.items()}
                held |= {f"{name}.{path}" for path in children[name].held}
            for name, shape in layer.parameter_shapes().items():
                if (id(layer), name) not in placed:
                    placed[id(layer), name] = size, tuple(shape)
                    size += int(np.prod(shape, dtype=np.int64))
                slots[name] = placed[id(layer), name]
            return cls(slots, children, None, held)

        layout = visit(layer)
        layout._set_size(size)
        return layout

    def _set_size(self, size):
        self.size = size
        for child in self.children.values():
            child._set_size(size)

    def __eq__(self, other):
        return isinstance(other, Layout) and self.slots == other.slots and self.size == other.size

    __hash__ = None


class Parameters(Mapping):
    """Named views into one vector.

        p = net.init(rng)
        p.vector                 every entry, one contiguous array (P,)
        p["0.W"]                 a view, shaped as the layer wants it
        p.child("0")["W"]        the same view, as the sub-network "0" sees it
        p.mask("*.W")            (P,) bool, True where a weight lies

    Raises ValueError if the vector does not fit the layout.
    """

    __slots__ = ("_vector", "layout", "_whole")

    def __init__(self, vector, layout, _whole=True):
        if _whole:  # a child's has been looked at
            vector = np.asarray(vector)
            if vector.shape != (layout.size,):
                raise ValueError(f"Parameters: expected vector ({layout.size},), got {vector.shape}")
        self._vector, self.layout, self._whole = vector, layout, _whole

    @property
    def vector(self):
        """The whole vector (P,); a sub-network's parameters have none of their own, they are views into the network's."""
        if not self._whole:
            raise ValueError(
                "Parameters.vector: these are a sub-network's views; take .vector of the whole network's parameters"
            )
        return self._vector

    @property
    def dtype(self):
        return self._vector.dtype

    def __getitem__(self, path):
        try:
            offset, shape = self.layout.slots[path]
        except KeyError:
            raise KeyError(
                f"no parameter {path!r}; there are {', '.join(self.layout.slots) or 'none'}"
            ) from None
        size = 1
        for n in shape:
            size *= n
        return self._vector[offset : offset + size].reshape(shape)

    def __iter__(self):
        return iter(self.layout.names)

    def __len__(self):
        return len(self.layout.names)

    def child(self, name):
        """The parameters of the sub-network `name`, over the same vector."""
        try:
            return Parameters(self._vector, self.layout.children[name], _whole=False)
        except KeyError:
            raise ValueError(
                f"Parameters.child: expected one of the parts {', '.join(self.layout.children) or 'none'}, got {name!r}; "
                "if a network asked, these parameters belong to another one: give it what its own init made"
            ) from None

    def like(self, vector):
        """Parameters of the same layout over another vector (P,)."""
        return Parameters(vector, self.layout)

    def __eq__(self, other):
        """Same layout, same numbers."""
        return (
            isinstance(other, Parameters)
            and self.layout == other.layout
            and np.array_equal(self._vector, other._vector)
        )

    __hash__ = None

    def __add__(self, other):
        """The sum of two gradients of one network."""
        out = kernels.empty(self.vector.shape, np.result_type(self.vector, other.vector))
        return self.like(np.add(self.vector, other.vector, out=out))

    def zeros(self):
        return self.like(np.zeros_like(self.vector))

    def copy(self):
        return self.like(self.vector.copy())

    def astype(self, dtype):
        return self.like(self.vector.astype(dtype))

    def mask(self, pattern):
        """(P,) bool: True for the entries of every path that matches the shell pattern, such as "*.W".

        Raises ValueError if nothing matches.
        """
        mask = np.zeros(self.layout.size, bool)
        matched = [path for path in self.layout.slots if fnmatchcase(path, pattern)]
        if not matched:
            raise ValueError(f"mask: no parameter matches {pattern!r}; there are {', '.join(self) or 'none'}")
        for path in matched:
            self.like(mask)[path][...] = True
        return mask

    def copy_from(self, other, paths=None):
        """Copy entries by path from `other` (any Parameters) in place: all common paths, or {path here: path there}.

        Raises ValueError if a shape differs.
        """
        pairs = {path: path for path in self if path in other.layout.slots} if paths is None else paths
        for here, there in pairs.items():
            if self[here].shape != other[there].shape:
                raise ValueError(
                    f"copy_from: {here} has shape {self[here].shape}, the source's {there} has {other[there].shape}"
                )
            self[here][...] = other[there]
        return self

    def __repr__(self):
        rows = "".join(f"\n  {path:<16} {'x'.join(map(str, self[path].shape))}" for path in self)
        size = sum(self[path].size for path in self)
        return f"Parameters({size:,} entries, {self.dtype}{rows and ':' + rows})"


class Gradient(Parameters):
    """The gradient of a network, as the arrays that its layers gave; they are copied into one vector when somebody asks for it.

    Nobody asks for the vectors of two gradients that are only added: their sum is made from the arrays, in one pass over memory.
    """

    __slots__ = ("_arrays", "_dtype", "_made")

    def __init__(self, arrays, layout, dtype):
        self._arrays, self.layout, self._dtype, self._whole, self._made = (
            arrays,
            layout,
            np.dtype(dtype),
            True,
            None,
        )

    def __reduce__(self):
        return Parameters, (self.vector, self.layout)

    @property
    def _vector(self):
        if self._made is None:
            made = Parameters(kernels.empty((self.layout.size,), self._dtype), self.layout)
            for path in made:
                _sum(self.part(path), None, made[path])
            self._made, self._arrays = made.vector, None
        return self._made

    @property
    def dtype(self):
        return self._dtype

    def part(self, path):
        """The gradient at `path`, wherever it lies; None: zero."""
        return self._arrays.get(self.layout.slots[path]) if self._made is None else self[path]

    def __add__(self, other):
        if not isinstance(other, Gradient):
            return super().__add__(other)
        whole = self.like(kernels.empty((self.layout.size,), np.result_type(self.dtype, other.dtype)))
        for path in whole:
            _sum(self.part(path), other.part(path), whole[path])
        return whole


def whole_gradient(dp, p):
    """The gradient dp of parameters p as a network gives it; a single layer gives a dict {name: array or None}, which cannot be added."""
    return (
        dp
        if isinstance(dp, Parameters)
        else Gradient({p.layout.slots[name]: array for name, array in dp.items()}, p.layout, p.dtype)
    )


def _sum(one, two, out):
    """out = one + two; None is zero."""
    one, *more = [np.asarray(part, out.dtype) for part in (one, two) if part is not None] or [None]
    if one is None:
        out[...] = 0
    else:
        kernels.add(one, more[0] if more else None, out)


def gather(layout, parts, dtype, own=None):
    """One gradient from its parts; None is exactly zero.

    parts   [(child name, mapping of that child's gradients or None)]; a layer placed twice has two parts for one slice, and they add up
    own     {name: array} of the network's own parameters
    """
    arrays = {layout.slots[name]: array for name, array in (own or {}).items() if array is not None}
    for name, part in parts:
        given = part.part if isinstance(part, Gradient) else part.get if part else None
        for path in part or ():
            array = given(path)
            if array is not None:
                slot = layout.slots[f"{name}.{path}"]
                arrays[slot] = arrays[slot] + array if slot in arrays else array
    return Gradient(arrays, layout, dtype)
