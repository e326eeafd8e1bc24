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
    """The place of each named parameter of a network in the network's vector.

    A path is the name of a parameter, such as "0.W". A slot is a place in the vector: the pair (offset,
    shape).

    slots     {path: slot}, in order. A layer object that is used twice in a network has two paths with one
              slot
    names     the first path of each slot, a tuple
    children  {name: Layout of that sub-network}, with offsets into the same vector
    size      number of entries of the vector
    held      paths of the held entries, which are stored with the weights and not trained; () by default.
              Of them only those in `names` are kept, as a tuple
    """

    def __init__(self, slots, children, size, held=()):
        self.slots, self.children, self.size = slots, children, size
        owners = {}  # {slot: the first path with this slot}
        for path, slot in slots.items():
            owners.setdefault(slot, path)
        self.names = tuple(owners.values())
        self.held = tuple(path for path in self.names if path in held)

    @classmethod
    def of(cls, layer):
        """Make the Layout of `layer` and of all layers in it.

        The layers in it come first in the vector, then the layer's own parameters. A layer object that is
        used twice has one place in the vector, so both uses share its parameters.
        """
        placed = {}  # {(id of the layer object, name of the parameter): slot}
        size = 0  # entries of the vector that are placed so far

        def visit(layer):
            """The Layout of this layer, whose size is not known yet. Gives each new parameter its slot."""
            nonlocal size
            slots, children, held = {}, {}, set(layer.held)
            for name, child in layer.children.items():
                children[name] = visit(child)
                slots |= {f"{name}.{path}": slot for path, slot in children[name].slots.items()}
                held |= {f"{name}.{path}" for path in children[name].held}
            for name, shape in layer.parameter_shapes().items():
                if (id(layer), name) not in placed:  # a layer object that is used twice gets one slot
                    placed[id(layer), name] = size, tuple(shape)
                    size += int(math.prod(shape))
                slots[name] = placed[id(layer), name]
            # size: _set_size sets it when all layers are placed, because it is that of the whole vector
            return cls(slots, children, size=None, held=held)

        layout = visit(layer)
        layout._set_size(size)
        return layout

    def _set_size(self, size):
        """Set the size of this Layout and of those of all its sub-networks to `size`, that of the vector."""
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

    Parameters(vector, layout) makes them from an array (P,), which is not copied, and a Layout. It raises
    ValueError if the vector does not have the shape (P,).
    """

    __slots__ = ("_vector", "layout", "_whole")

    def __init__(self, vector, layout, _whole=True):
        """Parameters of a `layout` from a vector (P,), see the class.

        _whole   False for a sub-network: its vector is that of the whole network, which was checked before
        """
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
        """The view of the parameter `path`, with its shape. Raises KeyError if there is no such path."""
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
        """The Parameters of the sub-network `name`, such as "0". They are views into the same vector.

        Their `.vector` raises ValueError. Raises ValueError if there is no such sub-network.
        """
        try:
            return Parameters(self._vector, self.layout.children[name], _whole=False)
        except KeyError:
            raise ValueError(
                f"Parameters.child: expected one of the parts {', '.join(self.layout.children) or 'none'}, "
                f"got {name!r}; parameters for a pass of a network must come from this network's own init"
            ) from None

    def like(self, vector):
        """New Parameters with this layout and another vector (P,), which is not copied.

        Raises ValueError if the vector does not have the shape (P,).
        """
        return Parameters(vector, self.layout)

    def __eq__(self, other):
        """Whether `other` is a Parameters too, with an equal layout and equal numbers."""
        return (
            isinstance(other, Parameters)
            and self.layout == other.layout
            and np.array_equal(self._vector, other._vector)
        )

    def __add__(self, other):
        """The sum of these Parameters and `other`, entry by entry, as new Parameters of the same network.

        Raises ValueError for the Parameters of a sub-network.
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
        """A bool array (P,), True for the entries of every path that matches the shell pattern, as "*.W".

        A path is the name of a parameter, such as "0.W"; upper and lower case differ. Raises ValueError if no
        path matches.
        """
        mask = np.zeros(self.layout.size, bool)
        matched = [path for path in self.layout.slots if fnmatchcase(path, pattern)]
        if not matched:
            raise ValueError(f"mask: no parameter matches {pattern!r}; there are {', '.join(self) or 'none'}")
        for path in matched:
            self.like(mask)[path][...] = True  # [path] is a view into mask
        return mask

    def copy_from(self, other, paths=None):
        """Copy numbers from `other`, any Parameters, into the arrays of this object. Returns this object.

        paths    {path here: path in other}; None, the default: every path that is in both, to itself

        Raises ValueError if the shapes of two such arrays differ, and KeyError for a path that does not
        exist. The arrays before this one are then copied already.
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
    """The gradient of a network, stored as the arrays that its layers returned. It is a Parameters too.

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

    def __reduce__(self):  # for pickle and copy: the copy is a Parameters
        return Parameters, (self.vector, self.layout)

    @property
    def _vector(self):
        """The gradient as one vector (P,), made at the first call. The arrays are not needed then."""
        if self._made is None:
            self._made, self._arrays = self._plus(None, self._dtype).vector, None
        return self._made

    @property
    def dtype(self):
        return self._dtype

    def part(self, path):
        """The gradient with respect to the parameter `path`, as an array, or None, which means zero.

        After `.vector` was read, the result is an array for every path.
        """
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
    """The gradient `dp` of a backward pass as Parameters.

    dp   what the backward pass returned: the Parameters of a network are returned unchanged; the dict
         {name: array or None} of a single layer becomes a Gradient, where None means zero
    p    the Parameters with respect to which dp is the derivative
    """
    return (
        dp
        if isinstance(dp, Parameters)
        else Gradient({p.layout.slots[name]: array for name, array in dp.items()}, p.layout, p.dtype)
    )


def _sum(one, two, out):
    """Write the sum of the arrays `one` and `two` into the array `out`, in out's dtype. Returns nothing.

    `one` and `two` have the shape of `out`, or are None, which means zero.
    """
    terms = [np.asarray(part, out.dtype) for part in (one, two) if part is not None]
    if terms:
        first, *rest = terms
        kernels.add(first, rest[0] if rest else None, out)  # None: the sum is `first`
    else:
        out[...] = 0


def gather(layout, parts, dtype):
    """Make the Gradient of a network from the gradients of its children.

    layout   the Layout of the network
    parts    a list of pairs (name of the child, its gradient). This gradient is a mapping {path: array or
             None} such as a Gradient, or None. None always means zero
    dtype    the dtype of the gradient

    A child is a layer in the network. If a layer object is used twice, its two gradients are added.
    """
    arrays = {}
    for name, part in parts:
        for path in part or ():
            array = part.part(path) if isinstance(part, Gradient) else part[path]
            if array is not None:
                slot = layout.slots[f"{name}.{path}"]
                arrays[slot] = arrays[slot] + array if slot in arrays else array
    return Gradient(arrays, layout, dtype)
