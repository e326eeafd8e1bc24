"""One vector for each network: one array holds all parameters, and each parameter is a view into this array.

An optimiser step, a gradient norm, weight clipping, a moving average and a checkpoint are then each one
operation on one array. The gradient of a network has the same form as its parameters.
"""

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase

import numpy as np

from .. import _kernels as kernels


class Layout:
    """Where each named parameter of a network lies in the network's vector.

    slots     {path: (offset, shape)}, in order; a path is a name such as "0.W". A layer object that is used
              twice in a network has two paths with one slot
    names     one path for each slot, the first
    children  {name: Layout of that sub-network}, with offsets into the same vector
    size      number of entries of the vector
    held      paths of the held entries, which are not trained (see `numgan.layers.Layer`)
    """

    def __init__(self, slots, children, size, held=()):
        self.slots, self.children, self.size = slots, children, size
        owners = {}
        for path, slot in slots.items():
            owners.setdefault(slot, path)
        self.names = tuple(owners.values())
        self.held = tuple(path for path in self.names if path in held)

    @classmethod
    def of(cls, layer):
        """The Layout of a layer and all its children. A layer object that is used twice gets one slot."""
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
                    size += int(math.prod(shape))
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


class Parameters(Mapping):
    """Named views into one vector.

        p = net.init(rng)
        p.vector                 every entry, one contiguous array (P,)
        p["0.W"]                 a view with the shape of that parameter
        p.child("0")["W"]        the same view, by its name in the sub-network "0"
        p.mask("*.W")            (P,) bool, True for the entries of every W

    Raises ValueError if the vector does not fit the layout.
    """

    __slots__ = ("_vector", "layout", "_whole")

    def __init__(self, vector, layout, _whole=True):
        if _whole:  # the vector of a child has been checked already
            vector = np.asarray(vector)
            if vector.shape != (layout.size,):
                raise ValueError(f"Parameters: expected vector ({layout.size},), got {vector.shape}")
        self._vector, self.layout, self._whole = vector, layout, _whole

    @property
    def vector(self):
        """The whole vector (P,), not a copy.

        Raises ValueError for the parameters of a sub-network, which are views into the vector of the network.
        """
        if not self._whole:
            raise ValueError(
                "Parameters.vector: expected the parameters of a whole network, got a sub-network's views; "
                "take .vector of the whole network's parameters"
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
        return self._vector[offset : offset + math.prod(shape)].reshape(shape)

    def __iter__(self):
        return iter(self.layout.names)

    def __len__(self):
        return len(self.layout.names)

    def child(self, name):
        """The parameters of the sub-network `name`, as views into the same vector.

        Raises ValueError if there is no such sub-network.
        """
        try:
            return Parameters(self._vector, self.layout.children[name], _whole=False)
        except KeyError:
            raise ValueError(
                f"Parameters.child: expected one of the parts {', '.join(self.layout.children) or 'none'}, "
                f"got {name!r}; parameters for a pass of a network must come from this network's own init"
            ) from None

    def like(self, vector):
        """Parameters of the same layout with another vector (P,), which is not copied."""
        return Parameters(vector, self.layout)

    def __eq__(self, other):
        """Whether both are Parameters with equal layouts and equal numbers."""
        return (
            isinstance(other, Parameters)
            and self.layout == other.layout
            and np.array_equal(self._vector, other._vector)
        )

    def __add__(self, other):
        """The sum of two gradients of one network, as new Parameters."""
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

        Raises ValueError if no path matches.
        """
        mask = np.zeros(self.layout.size, bool)
        matched = [path for path in self.layout.slots if fnmatchcase(path, pattern)]
        if not matched:
            raise ValueError(f"mask: no parameter matches {pattern!r}; there are {', '.join(self) or 'none'}")
        for path in matched:
            self.like(mask)[path][...] = True
        return mask

    def copy_from(self, other, paths=None):
        """Copy entries from `other` (any Parameters) into these, in place. Returns self.

        paths    {path here: path in other}; None: all paths that both have
        Raises ValueError if a shape differs.
        """
        pairs = {path: path for path in self if path in other.layout.slots} if paths is None else paths
        for here, there in pairs.items():
            if self[here].shape != other[there].shape:
                raise ValueError(
                    f"copy_from: {here} has shape {self[here].shape}, "
                    f"the source's {there} has {other[there].shape}; choose entries of one shape"
                )
            self[here][...] = other[there]
        return self

    def __repr__(self):
        rows = "".join(f"\n  {path:<16} {'x'.join(map(str, self[path].shape))}" for path in self)
        size = sum(self[path].size for path in self)
        return f"Parameters({size:,} entries, {self.dtype}{rows and ':' + rows})"


class Gradient(Parameters):
    """The gradient of a network, kept as the arrays that its layers returned.

    arrays is {slot: array} (see `Layout`); a slot that it does not have has a gradient of zero. The arrays
    are copied into one vector only when `.vector` is read. The sum of two Gradients is computed directly from
    the arrays, in one pass over memory.
    """

    __slots__ = ("_arrays", "_dtype", "_made")

    def __init__(self, arrays, layout, dtype):
        self._arrays, self.layout, self._dtype = arrays, layout, np.dtype(dtype)
        self._whole, self._made = True, None

    def __reduce__(self):
        return Parameters, (self.vector, self.layout)

    @property
    def _vector(self):
        if self._made is None:
            self._made, self._arrays = self._plus(None, self._dtype).vector, None
        return self._made

    @property
    def dtype(self):
        return self._dtype

    def part(self, path):
        """The gradient with respect to the parameter at `path`, an array. None means zero."""
        return self._arrays.get(self.layout.slots[path]) if self._made is None else self[path]

    def __add__(self, other):
        if not isinstance(other, Gradient):
            return super().__add__(other)
        return self._plus(other, np.result_type(self.dtype, other.dtype))

    def _plus(self, other, dtype):
        """The sum of this Gradient and `other`, as new Parameters of type dtype.

        other is a Gradient, or None, which means zero.
        """
        whole = self.like(kernels.empty((self.layout.size,), dtype))
        for path in whole:
            _sum(self.part(path), None if other is None else other.part(path), whole[path])
        return whole


def whole_gradient(dp, p):
    """The gradient dp of the parameters p, as Parameters.

    dp is what a backward pass returns: Parameters stay as they are; a single layer's dict {name: array or
    None} becomes a Gradient.
    """
    return (
        dp
        if isinstance(dp, Parameters)
        else Gradient({p.layout.slots[name]: array for name, array in dp.items()}, p.layout, p.dtype)
    )


def _sum(one, two, out):
    """Write one + two into the array `out`. One or both may be None, which means zero."""
    terms = [np.asarray(part, out.dtype) for part in (one, two) if part is not None]
    if terms:
        kernels.add(terms[0], terms[1] if len(terms) > 1 else None, out)
    else:
        out[...] = 0


def gather(layout, parts, dtype):
    """One Gradient of a network from the gradients of its children. None is exactly zero.

    parts   [(child name, mapping of the child's gradients or None)]. If a layer object is used twice, its
            gradients are added
    """
    arrays = {}
    for name, part in parts:
        for path in part or ():
            array = part.part(path) if isinstance(part, Gradient) else part[path]
            if array is not None:
                slot = layout.slots[f"{name}.{path}"]
                arrays[slot] = arrays[slot] + array if slot in arrays else array
    return Gradient(arrays, layout, dtype)
