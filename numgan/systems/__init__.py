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
NARROW = 0.05  # the width of networks whose shapes alone are asked for


def presets(name):
    """The presets of the system `name`: {preset's name: function}. function(width) makes the system.

    A preset is a choice of all sizes and rates. A function may also have the arguments shape and classes, see
    `build`. Raises ValueError for an unknown `name`.
    """
    if name not in SYSTEMS:
        raise ValueError(f"system: expected one of {', '.join(SYSTEMS)}, got {name!r}")
    return SYSTEMS[name].PRESETS


def description(described):
    """The first line of the docstring of `described`, which is a module or the function of a preset.

    Under `python -OO` there are no docstrings; then the line is read from the source file. If there is no
    source file, as in a frozen program, the result is the name of the module or function.
    """
    text = described.__doc__
    if text is None:
        try:
            tree = ast.parse(inspect.getsource(described))
        except OSError:  # a frozen program without sources
            return described.__name__.rpartition(".")[2]
        text = ast.get_docstring(tree if inspect.ismodule(described) else tree.body[0])
    return text.split("\n")[0]


def build(name, preset=None, width=1.0, sample_shape=None, classes=None):
    """Make the system `name` with the sizes and rates of one of its presets. Returns a System.

    preset         the preset's name; None: the system's first preset
    width          factor of all hidden widths, from 0.0001 to 1000; checks use narrow networks
    sample_shape   the shape of one sample, (height, width, channels) or (numbers in a row,). The networks
                   get as many levels and inputs as it needs. None: that of the preset
    classes        the number of classes, for a preset with labels; None: that of the preset

    Raises ValueError for an unknown system or preset, a width out of this range, or a shape or a number of
    classes that the preset cannot take. The message about a picture's size names the nearest possible sizes.
    """
    WIDTHS.expect(width, "build: width")
    known = presets(name)
    preset = preset or next(iter(known))
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
    """What the networks of a preset can adapt to: a set with "shape", "classes", both or none.

    name     the name of the system
    preset   the name of the preset

    A preset with the sizes of a paper adapts to nothing: its function has only the argument `width`.
    """
    return inspect.signature(presets(name)[preset]).parameters.keys() & {"shape", "classes"}


def follows_data(name, preset):
    """Whether the networks of a preset take the shape of the data, even if the user names the preset.

    name     the name of the system
    preset   the name of the preset

    True for the presets for a folder of pictures, and for those for rows of numbers. Any other preset has the
    shape of its own data set: pictures are cropped and resized to it.
    """
    own = build(name, preset, NARROW)
    return "shape" in adapts_to(name, preset) and (own.data == FOLDER or len(own.sample_shape) == 1)


def _fitting_shape(where, own, adapts, shape):
    """Check that a preset can take samples of the shape `shape`, and return the shape as a tuple of int.

    where    the names of system and preset, for the message
    own      the preset's system with its own shape
    adapts   whether the networks of the preset adapt to the shape

    Raises ValueError if it cannot.
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
        raise ValueError(
            f"{where}: expected pictures of at most {LARGEST} pixels a side, got {shape[0]} x {shape[1]}; "
            + advice(shape[:2])
        )
    return shape


def _fitting_classes(where, own, adapts, classes):
    """Check that a preset can have `classes` classes, and return this number as an int.

    where    the names of system and preset, for the message
    own      the preset's system with its own number of classes
    adapts   whether the networks of the preset adapt to the number of classes

    Raises ValueError if it cannot.
    """
    if not is_integer(classes):
        raise ValueError(f"{where}: expected classes as an integer of at least 0, got {classes!r}")
    if not adapts:
        has = f"has the {own.classes} classes of its paper" if own.classes else "uses no labels"
        raise ValueError(f"{where} {has}, got classes={classes}; leave it out, or choose another preset")
    return int(classes)


def preset_for(name, sample_shape, labelled=True):
    """Choose the preset of a system for data with samples of a certain shape. Returns the preset's name.

    name           the name of the system
    sample_shape   the shape of one sample
    labelled       whether the data have labels; without them, presets that need labels are avoided if
                   possible

    It is the first preset that was made for a data set of this shape, such as mnist for (28, 28, 1). If there
    is none, it is the preset for a folder of pictures, and otherwise the first one whose networks adapt to
    this shape. A preset with the sizes of a paper is not chosen. Raises ValueError if there is no such
    preset, or no such system.
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
    best = next((preset for preset in adapting if own[preset].data == FOLDER), adapting[0])
    try:
        build(name, best, NARROW, shape)
    except ValueError as error:
        raise ValueError(
            f"{name}: no preset takes samples of shape {shape} as they are ({error}). Or name a preset with "
            "a data set of its own, such as " + f"{next(iter(own))}: pictures are then resized to its shape"
        ) from None
    return best
