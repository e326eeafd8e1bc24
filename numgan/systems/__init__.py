"""The systems: one file for each paper, with presets. `build("dcgan", "mnist")` makes a system.

A preset is a paper's system with all sizes and rates filled in.
"""

import ast
import inspect

from ..core.fields import Real
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


def presets(name):
    """{preset's name: function} of the system `name`; function(width) makes the system.

    Raises ValueError for an unknown `name`.
    """
    if name not in SYSTEMS:
        raise ValueError(f"system: expected one of {', '.join(SYSTEMS)}, got {name!r}")
    return SYSTEMS[name].PRESETS


def description(described):
    """The first line of the docstring of `described`, a module or the function of a preset.

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


def build(name, preset=None, width=1.0):
    """Make the system `name` with the sizes and rates of one of its presets. Returns a System.

    preset   the preset's name; None: the system's first preset
    width    factor of all hidden widths, from 0.0001 to 1000; checks use narrow networks

    Raises ValueError for an unknown system or preset, or a width out of this range.
    """
    WIDTHS.expect(width, "build: width")
    known = presets(name)
    preset = preset or next(iter(known))
    if preset not in known:
        raise ValueError(f"preset of {name}: expected one of {', '.join(known)}, got {preset!r}")
    return known[preset](width)


def preset_for(name, sample_shape):
    """The name of the first preset of the system `name` for samples of shape `sample_shape`.

    Raises ValueError if there is no such preset, or no such system.
    """
    shapes = {preset: make(0.05).sample_shape for preset, make in presets(name).items()}
    for preset, shape in shapes.items():
        if shape == tuple(sample_shape):
            return preset
    listing = ", ".join(f"{preset} {shape}" for preset, shape in shapes.items())
    raise ValueError(
        f"{name}: no preset takes samples of shape {tuple(sample_shape)}; there are {listing}. Resize the "
        "data, or name a preset"
    )
