"""Options are declared once; wrong values of options and of environment variables are refused in one line."""

import ast
import json
import os
import runpy
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli_cases import NARROW, refused

from numgan import cli, data
from numgan._kernels import compiled
from numgan.core.fields import Maybe, Real, Record, option
from numgan.training import loop, recipes, runs

ROOT = Path(__file__).parents[2]


# ---- an option is declared once


@dataclass(frozen=True)
class Longer(recipes.Recipe):
    """A Recipe with one more option: one field, and its use in `build`."""

    clip_norm: float | None = option(Maybe(Real(0, 9)), "the norm to clip at", "NORM")

    def build(self):
        return super().build().with_average(0.5 if self.clip_norm is None else self.clip_norm / 10)


@pytest.fixture
def longer(monkeypatch):
    """numgan with the option --clip-norm."""
    record = Record.of(Longer)
    config = replace(runs.CONFIG, fields=runs.CONFIG.fields | {"recipe": Maybe(record)})
    monkeypatch.setattr(recipes, "Recipe", Longer)
    monkeypatch.setattr(runs, "CONFIG", config)


def test_a_new_option_is_one_field_and_its_use(numgan, longer):
    """The parser, config.json and its check, --resume and the Recipe of a run follow from the field."""
    words = " ".join(numgan("train", "--help")[1].split())
    assert "--clip-norm NORM the norm to clip at" in words
    assert numgan("train", "gan", *NARROW, "--steps", 1, "--clip-norm", 3, "--out", "run")[0] == 0
    path = Path("run", "config.json")
    config = json.loads(path.read_text())
    assert config["recipe"]["clip_norm"] == 3 and runs.open_run("run").system.average == 0.3
    refused(numgan("train", "--resume", "run", "--clip-norm", 3), "--clip-norm comes from the run")
    path.write_text(json.dumps(config | {"recipe": config["recipe"] | {"clip_norm": 10}}))
    refused(numgan("sample", "run"), "config.json: recipe.clip_norm: expected a finite number from 0 to 9")


def named(tree):
    """All names, attributes, keywords and texts of one word in a piece of Python."""
    for node in ast.walk(tree):
        for word in ("id", "attr", "arg", "value"):
            if isinstance(getattr(node, word, None), str):
                yield getattr(node, word)


@pytest.mark.parametrize(
    "module", [cli.train, cli.common, runs, loop, recipes], ids=lambda module: module.__name__
)
def test_no_option_of_a_recipe_is_named_a_second_time(module):
    """Of those whose names have no other meaning in the module, such as the folder of a run."""
    tree = ast.parse(Path(module.__file__).read_text())
    tree.body = [node for node in tree.body if getattr(node, "name", "") != "Recipe"]
    options = {field.name for field in fields(recipes.Recipe)}
    common = {"system", "preset", "data", "folder", "loss", "settings", "size", "shape", "classes"}
    assert options >= common | {"weight_decay"} and not (options - common) & set(named(tree))


def test_the_numbers_of_a_plan_are_those_of_config_json():
    assert recipes.PLAN.fields.items() <= runs.CONFIG.fields.items()
    assert [field.name for field in fields(recipes.Plan)] == list(recipes.PLAN.fields)


# ---- empty names and paths


@pytest.mark.parametrize(
    "words",
    [
        ["train", "gan", "--out", ""],
        ["train", "gan", "--data", ""],
        ["train", "gan", "--preset", ""],
        ["train", "gan", "--data", "mnist", "--folder", ""],
        ["train", "--resume", ""],
        ["train", ""],
        ["sample", ""],
        ["sample", "run", "--out", ""],
        ["sample", "run", "--judge", ""],
        ["evaluate", ""],
        ["evaluate", "run", "--judge", ""],
        ["judge", "--folder", ""],
        ["health", ""],
        ["study", "ring", "--out", ""],
        ["bench", "kernels", "--plot", ""],
        ["bench", "ladder", "--kernel", ""],
    ],
    ids=" ".join,
)
def test_an_empty_name_is_refused(numgan, words):
    refused(numgan(*words), "expected a name or a path, got ''")
    assert not os.listdir(".")


def test_an_empty_path_is_not_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = recipes.Recipe("gan", "digits", "digits", width=0.05)
    for call in (
        lambda: loop.train(recipe.build(), recipe.load(), "", steps=1, progress=False),
        lambda: runs.open_run(""),
        lambda: data.load("mnist", folder=""),
    ):
        with pytest.raises(ValueError, match="expected a path, got ''; write '.' for the current folder"):
            call()
    assert not os.listdir(".")


# ---- the environment


needs_kernels = pytest.mark.skipif(compiled is None, reason="this is the NumPy-only version")
THREADS = "NUMGAN_NUM_THREADS: expected a number of threads, 1 to 256, got"
VARIABLES = [
    (
        "NUMGAN_PURE",
        "yes",
        "NUMGAN_PURE: expected 1 (NumPy alone) or 0 (the compiled kernels), got 'yes'; set it to one or "
        "unset it",
    ),
    (
        "NUMGAN_BACKEND",
        "foo",
        "NUMGAN_BACKEND: expected one of reference, cython, compiled, got 'foo'; set it to one or unset it",
    ),
    pytest.param("NUMGAN_NUM_THREADS", "abc", f"{THREADS} 'abc'; set it to one or", marks=needs_kernels),
    pytest.param("NUMGAN_NUM_THREADS", "0", f"{THREADS} '0'; set it to one or unset it", marks=needs_kernels),
    pytest.param(
        "NUMGAN_ISA", "foo", "NUMGAN_ISA='foo', but this processor offers baseline", marks=needs_kernels
    ),
]
SCRIPT = "import sys\nfrom numgan.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n"


def run(words, **environment):
    return subprocess.run(
        [sys.executable, *words], env=os.environ | environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("variable, value, message", VARIABLES)
def test_an_environment_that_cannot_be_had(variable, value, message, tmp_path):
    """One line and exit code 2 of the command, in both its forms; in Python an error that can be caught."""
    script = tmp_path / "numgan"
    script.write_text(SCRIPT)  # as pip writes it
    for words in (["-m", "numgan", "systems"], [script, "systems"]):
        done = run(words, **{variable: value})
        refused((done.returncode, done.stdout, done.stderr), f"numgan: {message}")
    caught = "try:\n    import numgan\nexcept (ValueError, ImportError) as error:\n    print(error)"
    assert message in run(["-c", caught], **{variable: value}).stdout


def test_the_build_asks_the_same(monkeypatch):
    script = ROOT / "setup.py"
    if not script.exists():
        pytest.skip("the sources are not beside the tests")
    made = []
    for name, words in (
        ("setuptools", {"Extension": None, "setup": lambda **given: made.append(given["ext_modules"])}),
        ("setuptools.command", {}),
        ("setuptools.command.build_ext", {"build_ext": object}),
    ):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(**words))
    monkeypatch.setenv("NUMGAN_PURE", "1")
    runpy.run_path(str(script))
    monkeypatch.setenv("NUMGAN_PURE", "yes")
    with pytest.raises(SystemExit, match="NUMGAN_PURE: expected 1 .* got 'yes'; set it to one or unset it"):
        runpy.run_path(str(script))
    assert made == [[]]
