"""Arrays inside objects, such as a cache or the attributes of a layer."""

from collections.abc import Mapping
from types import ModuleType

import numpy as np

DEPTH = 5  # containers within containers, and objects within objects, are searched up to this depth


def arrays_inside(thing, name="", depth=DEPTH, visited=None):
    """Yield (path, array) for every array of floats inside `thing`, each array object once.

    thing     an array, a list, tuple or mapping, or an object with attributes of these types
    name      the path of `thing` itself, such as "self". A path is a text such as "self.W" or "cache[0]"
    depth     how many containers or objects within each other are searched
    visited   a set of ids of objects that are not searched again; ids are added to it

    Functions, classes and modules are not searched.
    """
    visited = set() if visited is None else visited
    plain = (str, bytes, int, float, type, ModuleType)
    if thing is None or isinstance(thing, plain) or id(thing) in visited:
        return
    visited.add(id(thing))
    if isinstance(thing, np.ndarray):
        if thing.dtype.kind == "f":
            yield name, thing
    elif depth:
        for path, part in _parts(thing, name):
            yield from arrays_inside(part, path, depth - 1, visited)


def _parts(thing, name):
    """The list of (path, part) for the parts of a container or the attributes of an object; [] for others.

    name is the path of `thing` itself, such as "self"; then the path of a part is "self.W" or "self[0]".
    """
    if isinstance(thing, Mapping):
        return [(f"{name}[{key!r}]", thing[key]) for key in thing]
    if isinstance(thing, (tuple, list)):
        return [(f"{name}[{i}]", part) for i, part in enumerate(thing)]
    if callable(thing) and not hasattr(thing, "forward"):
        return []
    return [(f"{name}.{key}", part) for key, part in getattr(thing, "__dict__", {}).items()]
