"""One vector for each network: one array holds all its parameters, and each parameter is a view into it.

An optimiser step, a gradient norm, weight clipping, a moving average and a checkpoint are then each one
operation on one array. The gradient of a network has the same form as its parameters.
"""

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase

import numpy as np

from .. import _kernels as kernels


class Layout:
    """The place of each parameter of a network in the one vector that holds all its parameters.

    slots      {path: slot}, in order. A path is the name of a parameter, such as "0.W". A slot is a place in
               the vector: the pair (offset, shape). A layer object that is used twice in a network has two
               paths with one slot
    names      the first path of each slot
    children   {name: Layout of that sub-network}, with offsets into the same vector
    size       number of entries of the vector
    held       paths of the held entries, which are stored with the weights and not trained
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
        """Make the Layout of a layer and all its children: the place of each parameter in one vector.

        A layer object that is used twice has one place in the vector, so both uses share its parameters.
        """
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
    """The parameters of a network: named views into one vector of P entries. A mapping {path: array}.

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
        """The whole vector (P,), not a copy. P is the number of entries of the network.

        Raises ValueError for the parameters of a sub-network, which are only a part of the network's vector.
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
        """The Parameters of the sub-network `name` of this network, as views into the same vector.

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
        """Make Parameters with the layout of this object and another vector (P,), which is not copied."""
        return Parameters(vector, self.layout)

    def __eq__(self, other):
        """Whether `other` is a Parameters too, with an equal layout and equal numbers."""
        return (
            isinstance(other, Parameters)
            and self.layout == other.layout
            and np.array_equal(self._vector, other._vector)
        )

    def __add__(self, other):
        """The sum of two gradients of one network, as new Parameters: this object + `other`.

        other is a Parameters or a Gradient with the same layout. Raises ValueError for gradients of a
        sub-network.
        """
        out = kernels.empty(self.vector.shape, np.result_type(self.vector, other.vector))
        return self.like(np.add(self.vector, other.vector, out=out))

    def zeros(self):
        return self.like(np.zeros_like(self.vector))

    def copy(self):
        return self.like(self.vector.copy())

    def astype(self, dtype):
        return self.like(self.vector.astype(dtype))

    def mask(self, pattern):
        """A vector (P,) of bools: True for the entries of every parameter whose name matches `pattern`.

        pattern is a shell pattern, such as "*.W", and a name is a path such as "0.W". Raises ValueError if no
        name matches.
        """
        mask = np.zeros(self.layout.size, bool)
        matched = [path for path in self.layout.slots if fnmatchcase(path, pattern)]
        if not matched:
            raise ValueError(f"mask: no parameter matches {pattern!r}; there are {', '.join(self) or 'none'}")
        for path in matched:
            self.like(mask)[path][...] = True
        return mask

    def copy_from(self, other, paths=None):
        """Copy numbers from `other`, any Parameters, into the arrays of this object. Returns this object.

        paths    {path here: path in other}; None: every path that is in both, to itself
        Raises ValueError if two shapes differ, and KeyError for a path that does not exist.
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
    """The gradient of a network, stored as the arrays that its layers returned.

    arrays   {slot: array}; a slot is a pair (offset, shape) of `Layout`. A missing slot means a gradient of
             zero
    layout   the Layout of the network
    dtype    the dtype of the gradient

    The arrays are copied into one vector only when `.vector` or an entry is read. The sum of two Gradients is
    computed directly from the arrays, in one pass over memory.
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
        """The gradient with respect to the parameter called `path`, as an array, or as None if it is zero."""
        return self._arrays.get(self.layout.slots[path]) if self._made is None else self[path]

    def __add__(self, other):
        if not isinstance(other, Gradient):
            return super().__add__(other)
        return self._plus(other, np.result_type(self.dtype, other.dtype))

    def _plus(self, other, dtype):
        """The sum of this Gradient and `other`, as new Parameters of the type `dtype`.

        other is a Gradient, or None, which means zero.
        """
        whole = self.like(kernels.empty((self.layout.size,), dtype))
        for path in whole:
            _sum(self.part(path), None if other is None else other.part(path), whole[path])
        return whole


def whole_gradient(dp, p):
    """Convert dp, the gradient with respect to the Parameters p that a backward pass returned, to Parameters.

    dp of a network is a Parameters already and is returned unchanged. dp of a single layer is a dict {name:
    array or None} and becomes a Gradient; None means zero.
    """
    return (
        dp
        if isinstance(dp, Parameters)
        else Gradient({p.layout.slots[name]: array for name, array in dp.items()}, p.layout, p.dtype)
    )


def _sum(one, two, out):
    """Write the sum of the arrays `one` and `two` into the array `out`. None instead of one means zero."""
    terms = [np.asarray(part, out.dtype) for part in (one, two) if part is not None]
    if terms:
        kernels.add(terms[0], terms[1] if len(terms) > 1 else None, out)
    else:
        out[...] = 0


def gather(layout, parts, dtype):
    """Make the Gradient of a network from the gradients of its children.

    layout   the Layout of the network
    parts    a list of pairs (name of the child, its gradient). This gradient is a mapping {path: array or
             None} such as a Gradient, or None. None always means zero

    If a layer object is used twice, its two gradients are added. dtype is the dtype of the gradient.
    """
    arrays = {}
    for name, part in parts:
        for path in part or ():
            array = part.part(path) if isinstance(part, Gradient) else part[path]
            if array is not None:
                slot = layout.slots[f"{name}.{path}"]
                arrays[slot] = arrays[slot] + array if slot in arrays else array
    return Gradient(arrays, layout, dtype)
