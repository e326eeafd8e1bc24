"""Conversion between the arrays of PyTorch and numgan: the same numbers in another order.

    layer                           PyTorch              numgan
    Linear, Dense                   (O, I)               (I, O)
    ... after Flatten of (H, W, C)  (O, C H W)           (H W C, O)
    Conv2d                          (O, I, KH, KW)       (KH, KW, I, O)
    ConvTranspose2d                 (I, O, KH, KW)       (KH, KW, O, I)
    ... of one pixel, to (H, W, O)  (I, O, H, W)         Dense(I, H W O) and Reshape(H, W, O): (I, H W O)
    biases, gains                   (C,)                 (C,)

I and O are the numbers of inputs and outputs, or of their channels. Pictures are (N, C, H, W) in PyTorch and
(N, H, W, C) in numgan. A gradient has the order of its parameter.
"""

import numpy as np

from ..layers import BatchNorm, Conv2d, ConvTranspose2d, Dense, Flatten, LeakyReLU, Maxout, ReLU, Reshape

KINKS = LeakyReLU, ReLU, Maxout  # layers with a point where the derivative jumps


def projects(net, i):
    """Whether layer i of the Sequential `net` is a Dense and the next layer a Reshape to (H, W, C).

    Such a layer maps a latent to a picture. In PyTorch it is a ConvTranspose2d whose input is one pixel.
    """
    after = net[i + 1] if i + 1 < len(net) else None
    return isinstance(net[i], Dense) and isinstance(after, Reshape) and len(after.shape) == 3


def arrangements(net, shape):
    """How the array of each parameter is rearranged for PyTorch: {path: (view, axes)}, in PyTorch's order.

    path         the name of the parameter in the network, such as "0.W"
    view, axes   array.reshape(view).transpose(axes) has the entries of a numgan array in PyTorch's order

    The arguments: net is a Sequential, shape the shape of its input, without the batch axis. Raises TypeError
    if a layer with parameters is not in the table above.
    """
    found = {}
    picture = None  # the shape (H, W, C) that the last Flatten made flat, until a Dense follows
    for i, (name, layer, inner) in enumerate(net.parts(shape)):
        shapes = layer.parameter_shapes()
        if isinstance(layer, Flatten) and len(inner) == 3:
            picture = inner
        elif isinstance(layer, Dense):
            if projects(net, i):
                weight = (layer.inputs, *net[i + 1].shape), (0, 3, 1, 2)
            elif picture:
                weight = (*picture, layer.features), (3, 2, 0, 1)
            else:
                weight = layer.weight_shape, (1, 0)
            found[f"{name}.W"], picture = weight, None
        elif isinstance(layer, (Conv2d, ConvTranspose2d)):
            found[f"{name}.W"] = layer.weight_shape, (3, 2, 0, 1)
        elif shapes and not isinstance(layer, BatchNorm):
            raise TypeError(f"arrangements: {layer!r} has parameters that have no counterpart in the table")
        found |= {f"{name}.{word}": (size, (0,)) for word, size in shapes.items() if word != "W"}
    return found


def from_torch(array, view, axes):
    """Convert `array`, a parameter in PyTorch's order, to numgan's order. The result has the shape `view`.

    view, axes   the values of `arrangements` for this parameter: PyTorch's order of an array a of numgan is
                 a.reshape(view).transpose(axes)
    """
    # first give it PyTorch's axes, then transpose back
    return array.reshape([view[axis] for axis in axes]).transpose(np.argsort(axes))


def read(net, shape, p, arrays):
    """Write arrays from PyTorch into p, the Parameters of a network or their gradient. Returns p.

    net      the network, a Sequential
    shape    the shape of its input, without the batch axis
    arrays   one for each parameter, in the order of PyTorch's parameters()

    Raises ValueError if the number of arrays or a size does not fit, and TypeError for a layer that
    `arrangements` does not know.
    """
    for (path, (view, axes)), array in zip(arrangements(net, shape).items(), arrays, strict=True):
        p[path][...] = from_torch(np.asarray(array), view, axes).reshape(p[path].shape)
    return p


def pictures(x):
    """Convert pictures x (N, H, W, C) to (N, C, H, W) for PyTorch, as a view of x.

    An array without four axes is returned unchanged.
    """
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def above_kinks(net):
    """The set of the paths (names such as "4.W") of all parameters after the last layer with a kink.

    net is a Sequential. The layers with a kink are LeakyReLU, ReLU and Maxout; without such a layer, the
    result has all parameters. If the loss is smooth, the gradients of these parameters pass through no kink.
    """
    names = list(net.children)
    last = max((i for i, name in enumerate(names) if isinstance(net.children[name], KINKS)), default=-1)
    return {path for path in net.layout.names if names.index(path.split(".")[0]) > last}
