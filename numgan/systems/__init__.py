"""The systems: one file for each paper, with presets. `build("dcgan", "mnist")` makes a system.

A preset is a paper's system with all sizes and rates filled in.
"""

import ast
import inspect

from ..core.arguments import is_integer
from ..core.fields import Real
from ..networks.sizes import LARGEST, advice
from .likelihood import classifier
from .games import (
    conditional,
    consensus,
    dcgan,
    dragan,
    gan,
    hacks,
    hinge,
    lsgan,
    pacgan,
    r1,
    r3gan,
    roth,
    unrolled,
    wgan,
    wgan_gp,
)
from .doubts import doubts
from .games.presets import FOLDER
from .settings import NUMBERS
from .roles import expect_roles
from .system import Batch, Fakes, Latent, Result, System, checked, remember

SYSTEMS = {
    "gan": gan,
    "lsgan": lsgan,
    "wgan": wgan,
    "wgan_gp": wgan_gp,
    "hinge": hinge,
    "dragan": dragan,
    "r1": r1,
    "roth": roth,
    "consensus": consensus,
    "unrolled": unrolled,
    "pacgan": pacgan,
    "r3gan": r3gan,
    "hacks": hacks,
    "dcgan": dcgan,
    "conditional": conditional,
    "classifier": classifier,
}
WIDTHS = Real(0.0001, 1000)
NARROW = 0.05  # a width of systems that are made only for their shapes and defaults, and not trained


def presets(name):
    """{preset's name: function} of the system `name`, such as "gan"; function(width) makes the system.

    Some functions also have the arguments `shape`, the shape of one sample, and `classes`, the number of
    classes.

    Raises ValueError for an unknown `name`.
    """
    if name not in SYSTEMS:
        raise ValueError(f"system: expected one of {', '.join(SYSTEMS)}, got {name!r}")
    return SYSTEMS[name].PRESETS


def description(described):
    """The first line of the docstring of `described`, a module or the function of a preset, as a text.

    Under `python -OO` there are no docstrings; then the line is read from the source file. If there is no
    source file, as in a frozen program, the result is the name of the module or function, without the names
    of packages.
    """
    text = described.__doc__
    if text is None:
        try:
            tree = ast.parse(inspect.getsource(described))
        except OSError:  # a frozen program without sources
            *_, name = described.__name__.split(".")
            return name
        # the source of a function is parsed as a module with one statement, the definition of the function
        text = ast.get_docstring(tree if inspect.ismodule(described) else tree.body[0])
    line, *_ = text.split("\n")
    return line


def build(name, preset=None, width=1.0, sample_shape=None, classes=None):
    """Make the system `name` with the sizes and rates of one of its presets. Returns a System.

    name           the system's name, such as "gan"
    preset         the preset's name; None: the system's first preset
    width          factor of the numbers of units and channels of all hidden layers, from 0.0001 to 1000;
                   checks use narrow networks
    sample_shape   the shape of one sample, (height, width, channels) or (numbers in a row,). The networks
                   get as many levels and inputs as it needs. None: that of the preset
    classes        the number of classes, for a preset with labels; None: that of the preset

    Raises ValueError for an unknown system or preset, a width out of this range, or a shape or a number of
    classes that the preset cannot take. The message about a picture's size names the nearest possible sizes.
    """
    WIDTHS.expect(width, "build: width")
    known = presets(name)
    first = next(iter(known))
    preset = preset or first
    if preset not in known:
        raise ValueError(f"preset of {name}: expected one of {', '.join(known)}, got {preset!r}")
    make, asked = known[preset], {}
    if sample_shape is not None or classes is not None:
        own, adapts = make(NARROW), adapts_to(name, preset)
        if sample_shape is not None and tuple(sample_shape) != own.sample_shape:
            asked["shape"] = _fitting_shape(f"{name} {preset}", own, "shape" in adapts, sample_shape)
        if classes not in (None, own.classes):
            asked["classes"] = _fitting_classes(f"{name} {preset}", own, "classes" in adapts, classes)
    try:
        return make(width, **asked)
    except ValueError as error:  # such as the sizes that convolutions can have
        raise ValueError(f"{name} {preset}: {error}") from error


def adapts_to(name, preset):
    """The set of the data's properties that the networks of a preset follow: "shape", "classes", or both.

    name is the name of the system, preset that of its preset. The set is empty for a preset with the sizes of
    a paper: its function has only the argument `width`.
    """
    return inspect.signature(presets(name)[preset]).parameters.keys() & {"shape", "classes"}


def follows_data(name, preset):
    """Whether a preset takes the shape of the data, also if the user names the preset: True or False.

    It is True if the networks of the preset adapt to the shape, and the preset is made for a folder of
    pictures or for rows of numbers. Another preset has the shape of its own data set: pictures are cropped
    and resized to it. name is the name of the system, preset that of its preset.
    """
    own = build(name, preset, NARROW)
    return "shape" in adapts_to(name, preset) and (own.data == FOLDER or len(own.sample_shape) == 1)


def _fitting_shape(where, own, adapts, shape):
    """Check that a preset can take samples of another shape than its own. Returns the shape as a tuple.

    where    the names of system and preset, for the message
    own      the preset's system with its own shape
    adapts   whether the networks of the preset adapt to the shape
    shape    the shape of one sample

    Raises ValueError for an entry that is not an integer of at least 1, for another number of axes than the
    preset has, for a preset of fixed sizes, and for pictures of more than LARGEST pixels a side.
    """
    shape = tuple(shape)
    if not all(is_integer(n, 1) for n in shape):
        raise ValueError(f"{where}: expected a sample_shape of integers of at least 1, got {shape}")
    shape = tuple(map(int, shape))
    if len(shape) != len(own.sample_shape):
        kind = "pictures (height, width, channels)" if len(own.sample_shape) == 3 else "rows (numbers,)"
        raise ValueError(f"{where} takes {kind}, got samples of shape {shape}; choose another preset or data")
    if not adapts:
        size = "x".join(map(str, own.sample_shape[:2]))
        raise ValueError(
            f"{where} has fixed sizes: expected samples of shape {own.sample_shape}, got {shape}; "
            f"resize the pictures to {size}, or choose another preset"
        )
    if len(shape) == 3 and max(shape[:2]) > LARGEST:
        height, width, _ = shape
        raise ValueError(
            f"{where}: expected pictures of at most {LARGEST} pixels a side, got {height} x {width}; "
            + advice((height, width))
        )
    return shape


def _fitting_classes(where, own, adapts, classes):
    """Check that a preset can have another number of classes than its own. Returns the number, an int.

    where    the names of system and preset, for the message
    own      the preset's system with its own number of classes
    adapts   whether the networks of the preset adapt to the number of classes
    classes  the number of classes

    Raises ValueError unless `classes` is an integer of at least 0 and the preset adapts.
    """
    if not is_integer(classes):
        raise ValueError(f"{where}: expected classes as an integer of at least 0, got {classes!r}")
    if not adapts:
        has = f"has the {own.classes} classes of its paper" if own.classes else "uses no labels"
        raise ValueError(f"{where} {has}, got classes={classes}; leave it out, or choose another preset")
    return int(classes)


def preset_for(name, sample_shape, labelled=True):
    """The name of the preset of the system `name` for data with samples of shape `sample_shape`.

    labelled   whether the data have labels. If they have none, only presets without classes are considered;
               if the system has no such preset, all its presets are

    The result is the first preset that has a data set of its own with samples of this shape, such as mnist
    for (28, 28, 1). If there is none, it is the preset for a folder of pictures, and otherwise the first
    preset whose networks adapt to this shape.

    Raises ValueError if there is no such preset, if its networks cannot have this shape, or if there is no
    system `name`.
    """
    shape = tuple(sample_shape)
    own = {preset: make(NARROW) for preset, make in presets(name).items()}
    usable = {preset: system for preset, system in own.items() if labelled or not system.classes} or own
    for preset, system in usable.items():
        if system.sample_shape == shape and system.data != FOLDER:
            return preset
    adapting = [
        preset
        for preset, system in usable.items()
        if len(system.sample_shape) == len(shape) and "shape" in adapts_to(name, preset)
    ]
    if not adapting:
        listing = ", ".join(f"{preset} {system.sample_shape}" for preset, system in own.items())
        raise ValueError(
            f"{name}: no preset takes samples of shape {shape}; there are {listing}. Take other data, or "
            "another system"
        )
    first, *_ = adapting
    best = next((preset for preset in adapting if own[preset].data == FOLDER), first)
    try:
        build(name, best, NARROW, shape)
    except ValueError as error:
        raise ValueError(
            f"{name}: no preset takes samples of shape {shape} as they are ({error}). Or name a preset with "
            "a data set of its own, such as " + f"{next(iter(own))}: pictures are then resized to its shape"
        ) from None
    return best
