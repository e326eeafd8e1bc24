"""A run does not depend on its environment: notebook settings, matplotlib settings, Python's options."""

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import numgan as ng
from numgan import cli, plot, systems
from numgan.plot import balance, dynamics, samples, speed, studies

ROOT = Path(ng.__file__).parent
X, Y = np.random.default_rng(0).standard_normal((2, 30, 2))
RECORDS = [
    {"step": i, "losses": {"D": 1 / (i + 1), "G": 0.1 * i}, "metrics": {"D(x)": 0.5}} for i in range(1, 6)
]


def draw():
    """Axes, a legend, a formula, curves and dots."""
    return plot.points(X, Y, "title").tobytes() + plot.curves(RECORDS, "title").tobytes()


def python(script, *switches, cwd, **environment):
    """What a fresh Python prints."""
    run = subprocess.run(
        [sys.executable, *switches, "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


# ---- matplotlib: numgan opens no window, and draws under matplotlib's own settings

DRAW = """
import hashlib, os, sys
import numpy as np
from numgan import plot
x, y = np.random.default_rng(0).standard_normal((2, 30, 2))
picture = plot.points(x, y, "title")
import matplotlib
variables = [os.environ.get(name) for name in ("MPLBACKEND", "MATPLOTLIBRC")]
print(hashlib.sha256(picture.tobytes()).hexdigest(), *variables, "matplotlib.pyplot" in sys.modules)
"""


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """What DRAW prints in an empty folder: the hash of the picture and the environment."""
    return python(DRAW, cwd=tmp_path_factory.mktemp("usual")).split()


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "no-such-window"])
def test_a_notebooks_backend_does_not_matter(tmp_path, backend, usual):
    assert python(DRAW, cwd=tmp_path, MPLBACKEND=backend).split() == [usual[0], backend, "None", "False"]


def test_a_users_file_of_settings_changes_no_pixel(tmp_path, usual):
    (tmp_path / "matplotlibrc").write_text(
        "text.usetex: True\nfont.size: 23\nfigure.dpi: 31\naxes.facecolor: red\n"
        "font.family: nothing\nbackend: TkAgg\n"
    )
    assert python(DRAW, cwd=tmp_path).split() == usual
    (tmp_path / "sub").mkdir()
    (tmp_path / "no text").write_bytes(b"\xff\xfe")
    assert python(DRAW, cwd=tmp_path / "sub", MATPLOTLIBRC=str(tmp_path / "no text")).split()[0] == usual[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("what", ["no text", "pipe", "not to be read"])
def test_a_file_of_settings_that_cannot_be_read_stops_nothing(what, tmp_path, usual):
    """matplotlib first takes one from the current folder, and waits for the other end of a pipe."""
    path = tmp_path / "matplotlibrc"
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(b"\xff\xfe" if what == "no text" else b"font.size: 23\n")
        path.chmod(0o600 if what == "no text" else 0)
    assert python(DRAW, cwd=tmp_path).split() == usual
    if what == "pipe":
        assert python(DRAW, cwd=tmp_path.parent, MATPLOTLIBRC=str(path)).split()[0] == usual[0]


HOSTILE = {
    "text.usetex": True,
    "font.size": 23.0,
    "figure.dpi": 31.0,
    "axes.facecolor": "red",
    "lines.linewidth": 7.0,
    "font.family": ["nothing"],
    "savefig.dpi": 9.0,
    "axes.grid": True,
    "axes.prop_cycle": "cycler('color', ['y'])",
    "text.antialiased": False,
    "path.simplify": False,
}


def test_a_users_own_settings_change_no_pixel_and_stay(monkeypatch):
    import matplotlib

    usual = draw()
    with matplotlib.rc_context(HOSTILE):
        asked = {name: matplotlib.rcParams[name] for name in HOSTILE}
        assert draw() == usual
        assert {name: matplotlib.rcParams[name] for name in HOSTILE} == asked
        with pytest.raises(ValueError, match="rows of one length"):
            plot.points(X, np.zeros((1, 3)))
        with pytest.raises(KeyError):
            plot.curves([{"step": 1}])
        assert {name: matplotlib.rcParams[name] for name in HOSTILE} == asked, "after an error too"
    assert "matplotlib.pyplot" not in sys.modules


def test_every_function_that_draws_axes_is_drawn_so():
    found = [
        function
        for module in (balance, dynamics, samples, speed, studies)
        for _, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and "figure_of(" in inspect.getsource(function)
    ]
    assert len(found) >= 12 and all(hasattr(function, "__wrapped__") for function in found)


def test_names_of_files_are_shown_as_letters():
    from numgan.plot.figure import plainly, readable

    assert readable("a\nb\udcc3\udc84\ud800\x07\u3000") == r"a\nbÄ?\x07 " and plainly("a$b$") == r"a\$b\$"
    black = np.zeros((1, 8, 8, 1), np.uint8)
    assert plot.grid(black, 1, ["\udcc3\udc84"]).tobytes() == plot.grid(black, 1, ["Ä"]).tobytes()
    assert plot.curves(RECORDS, r"photos $a$ \frac").tobytes() != plot.curves(RECORDS, "photos").tobytes()


# ---- Python's switches


def test_python_OO_still_describes_the_systems(tmp_path, capsys):
    assert cli.main(["systems"]) == 0
    usual = capsys.readouterr().out.strip()
    assert python("from numgan import cli; cli.main(['systems'])", "-OO", cwd=tmp_path) == usual


def test_a_description_without_its_source(monkeypatch):
    preset = systems.presets("gan")["digits"]
    assert (
        systems.description(preset)
        == "8x8 pictures: G and D with two hidden dense layers of 256 units, Adam(2e-4)."
    )
    assert systems.description(systems.SYSTEMS["gan"]).startswith("Generative adversarial nets")
    monkeypatch.setattr(preset, "__doc__", None)
    assert (
        systems.description(preset)
        == "8x8 pictures: G and D with two hidden dense layers of 256 units, Adam(2e-4)."
    )
    monkeypatch.setattr(inspect, "getsource", lambda described: (_ for _ in ()).throw(OSError("no source")))
    assert systems.description(preset) == "digits"


def test_no_assert_carries_meaning():
    """python -O leaves assertions out."""
    for path in ROOT.rglob("*.py"):
        assert not [
            node.lineno
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Assert)
        ], path


TRAIN = "import sys; from numgan import cli; sys.exit(cli.main(sys.argv[1:]))"


def trained(folder, *switches, **environment):
    """{name: bytes} of the files of a short run in a process of its own."""
    words = ["train", "gan", "--preset", "points", "--width", "0.1", "--batch-size", "8", "--steps", "3"]
    run = subprocess.run(
        [sys.executable, *switches, "-c", TRAIN, *words, "--out", str(folder / "run")],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    names = ("checkpoint.npz", "samples.png", "curves.png", "training.gif")
    return {name: (folder / "run" / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def usual_run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("usual"))


@pytest.mark.parametrize(
    "switches, environment",
    [
        (
            ("-OO", "-W", "error"),
            {
                "HOME": "/nonexistent",
                "TMPDIR": "/nonexistent",
                "COLUMNS": "1",
                "LINES": "0",
                "NO_COLOR": "1",
                "TZ": "Nowhere/No",
            },
        ),
        (
            ("-O",),
            {
                "COLUMNS": "0",
                "LANG": "tr_TR.UTF-8",
                "LC_ALL": "de_DE.UTF-8",
                "PYTHONHASHSEED": "7",
                "PYTHONDEVMODE": "1",
                "TERM": "nothing",
                "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            },
        ),
    ],
)
def test_a_run_is_the_same_bytes_in_any_environment(tmp_path, switches, environment, usual_run):
    other = trained(tmp_path, *switches, **environment)
    assert [name for name in usual_run if usual_run[name] != other[name]] == []
