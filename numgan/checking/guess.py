"""The guess of an input that a layer accepts, for `check_layer` without x."""

from .methods import missing_parameter


def guess(point):
    """A random input that the layer of a Point accepts: the first of several shapes that raises no error.

    The layer is followed inwards to its first inner layer, and so on, until one has an attribute `inputs`,
    `channels` or `classes`, or no inner layer. That layer decides. If its `classes` is a number, the input
    is random labels. Otherwise the size of the last axis is its `inputs` or `channels`, or a size in the
    shapes of its parameters, or 12 if there is none. `point` is the Point of `check_layer`, before it has an
    input. Raises ValueError if no shape is accepted.
    """
    first = point.layer
    while first.children and not any(hasattr(first, name) for name in ("inputs", "channels", "classes")):
        first = next(iter(first.children.values()))
    if isinstance(getattr(first, "classes", None), int):
        return point.rng("x").integers(0, first.classes, point.batch)
    sizes = [getattr(first, name, None) for name in ("inputs", "channels")]
    sizes = [size for size in sizes if isinstance(size, int)] or _sizes(first) or [12]
    refused = {}
    for shape in [(n,) for n in sizes] + [(side, side + 2, n) for side in (5, 11, 29) for n in sizes]:
        try:
            x = point.draw(shape)
            point.layer.output_shape(shape)
            point.layer.forward(point.p, x, point.context)
            return x
        except (ValueError, IndexError, TypeError) as error:
            refused.setdefault(str(error), (x.shape, error))
        except KeyError as error:
            if str(error.args[0]).startswith("no parameter"):
                raise missing_parameter(point.subject, point.layer, error) from error
            raise
    shape, last = list(refused.values())[-1]
    shown = [f"x {shape}: {type(error).__name__}: {error}" for shape, error in list(refused.values())[:3]]
    raise ValueError(
        f"check_layer: cannot guess an input of {point.subject}; give x, an array or a shape such as (8, "
        "8, 3) without the batch. The errors of its passes:\n  " + "\n  ".join(shown)
    ) from last


def _sizes(layer):
    """A list of possible sizes of the last axis of x, read from the shapes of the layer's parameters.

    First come the numbers of rows I of the matrices (I, O), then their numbers of columns O, and then the
    lengths of vectors.
    """
    shapes = [tuple(shape) for shape in layer.parameter_shapes().values()]
    sizes = [shape[axis] for axis in (-2, -1) for shape in shapes if len(shape) > 1]
    return list(dict.fromkeys(sizes + [shape[0] for shape in shapes if len(shape) == 1]))
