"""Draw docs/house.png: the parts of numgan on their floors, and their imports as arrows.

    python docs/draw_house.py

An arrow that follows from other arrows is left out. The floors are those of tests/book/test_floors.py,
which fails if an import goes up. The arrows come from the sources.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "book"))

from test_floors import FLOORS, HEIGHT, MODULES, imported, part  # noqa: E402

from numgan.plot.figure import drawn, figure_of, render  # noqa: E402


def imports():
    """{part: the parts that it imports}"""
    found = {name: set() for name in HEIGHT}
    for path in MODULES:
        if part(path) in found:
            names = {name.split(".")[1] for name in imported(path) if name.startswith("numgan.")}
            found[part(path)] |= names & set(HEIGHT) - {part(path)}
    return found


def reduced(found):
    """The same without the arrows that follow from other arrows."""

    def reach(name):
        return set().union(*({below} | reach(below) for below in found[name]))

    return {
        name: below - set().union(*map(reach, below)) if below else set() for name, below in found.items()
    }


@drawn
def draw():
    figure, (axes,) = figure_of(1, (8, 9))
    place = {
        name: (i - (len(names) - 1) / 2, HEIGHT[name]) for names in FLOORS for i, name in enumerate(names)
    }
    for name, others in reduced(imports()).items():
        for other in others:
            (x, y), (u, v) = place[name], place[other]
            axes.annotate(
                "",
                (u, v + 0.22),
                (x, y - 0.22),
                arrowprops={"arrowstyle": "->", "color": "0.6", "linewidth": 1},
            )
    for name, (x, y) in place.items():
        axes.text(
            x,
            y,
            name,
            ha="center",
            va="center",
            fontsize=11,
            bbox={"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": "0.3"},
        )
    axes.set_xlim(-2.3, 2.3)
    axes.set_ylim(-0.6, len(FLOORS) - 0.4)
    axes.axis("off")
    return render(figure)


if __name__ == "__main__":
    draw().save(ROOT / "docs" / "house.png")
