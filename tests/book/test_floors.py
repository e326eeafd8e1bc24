"""The architecture: imports go down the floors only, systems never import each other, the core is light."""

import ast
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(find_spec("numgan").origin).parent

FLOORS = [  # from the ground up; a part imports from lower floors only
    ("_kernels",),  # NumPy only
    ("core",),
    ("layers",),
    ("losses", "optimizers"),
    ("networks", "remedies"),
    ("data", "metrics", "plot", "systems"),
    ("training", "checking"),
    ("evaluation",),
    ("studies",),
    ("bench",),
    ("cli",),
    ("__main__",),
]
HEIGHT = {name: height for height, names in enumerate(FLOORS) for name in names}
MODULES = sorted(ROOT.rglob("*.py"))


def part(path):
    """The top-level part of the package that a file belongs to."""
    top = path.relative_to(ROOT).parts[0]
    return top.removesuffix(".py")


def imported(path):
    """Dotted names inside the package that a file imports, wherever in the file."""
    package = ("numgan", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_every_part_has_a_floor():
    assert {part(path) for path in MODULES} - {"__init__"} == set(HEIGHT)


@pytest.mark.parametrize(
    "path", [p for p in MODULES if part(p) != "__init__"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_imports_go_down(path):
    for name in imported(path):
        words = name.split(".")
        if words[0] == "numgan" and len(words) > 1 and words[1] in HEIGHT and words[1] != part(path):
            assert HEIGHT[words[1]] < HEIGHT[part(path)], f"{path.name} imports {name}, which is not below it"


def test_the_floor_test_sees_imports():
    assert "numgan.layers.Pass" in set(imported(ROOT / "systems" / "games" / "gan.py"))


SHARED = {
    "numgan.systems.system",
    "numgan.systems.staged",
    "numgan.systems.games.two_player",
    "numgan.systems.games.presets",
}


def test_systems_do_not_import_each_other():
    files = {
        f"numgan.systems.{path.parent.name}.{path.stem}": path
        for path in (ROOT / "systems").glob("*/*.py")
        if path.stem != "__init__"
    }
    assert len(files) > 16
    for name, path in files.items():
        others = (
            set(files)
            - SHARED
            - {name}
            - ({"numgan.systems.games.switched"} if path.stem == "hacks" else set())
        )
        assert not [
            module for module in imported(path) for other in others if f"{module}.".startswith(f"{other}.")
        ], name


def test_the_root_has_no_loose_files():
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_the_ground_floor_needs_numpy_only():
    for path in MODULES:
        if part(path) in ("_kernels", "core"):
            tops = {module.split(".")[0] for module in imported(path)}
            assert tops <= sys.stdlib_module_names | {"numpy", "numgan"}, path


def test_matplotlib_is_imported_only_when_a_plot_is_drawn():
    code = "import sys, numgan, numgan.plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_files_are_chapters():
    for path in MODULES:
        assert len(path.read_text().splitlines()) <= 455, f"{path.name} is too long for one chapter"


def test_only_systems_and_what_compares_them_name_networks():
    """Training, checks, evaluation and the rest ask the system for its networks' roles; docs too."""
    for path in MODULES:
        if part(path) not in ("systems", "bench", "studies"):
            assert not re.search("[\"'][GD][\"']", path.read_text()), path
