"""The pages of docs/: their Python blocks run, and every file, picture, test and check they name exists."""

import re
import shlex
from pathlib import Path
from runpy import run_path

import numpy as np
import pytest
from data_cases import idx_file
from PIL import Image

from numgan import data
from numgan.checking.catalogue import _selected

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT / "docs").as_posix())


def blocks(page, language="python"):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem)
def test_python_blocks(page):
    """One after the other in one namespace; the blocks assert what the text says."""
    for code in blocks(page):
        assert "assert" in code or "def " in code, code
    exec(compile("\n".join(blocks(page)), page.name, "exec"), {})


def test_there_are_python_blocks():
    assert sum(len(blocks(page)) for page in PAGES) >= 10


@pages
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pages
def test_what_holds_it_exists(page):
    text = page.read_text(encoding="utf-8")
    for file, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text):
        assert f"\ndef {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{name}"
    for names in re.findall(r"`numgan gradcheck ([\w ]+)`", text):
        _selected(names.split())  # ValueError for a name that selects nothing


def test_pictures_are_those_of_the_script_and_small(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    drawn = run_path(ROOT / "docs" / "draw_stability.py")["PICTURES"]
    pictures = list((ROOT / "docs").glob("stability-*.png"))
    assert {picture.name for picture in pictures} == {f"stability-{name}.png" for name in drawn}
    assert max(picture.stat().st_size for picture in pictures) <= 60_000
    exact, noise = drawn["second"]().axes  # one is drawn: the script still runs
    assert len(exact.lines) == len(noise.lines) == 3


@pytest.mark.filterwarnings("always")
def test_the_commands_of_own_data(numgan):
    """They run one after the other, with narrow networks and one step, on small data of these kinds."""
    digits, words = data.load("digits"), ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    for k in range(20):
        place = Path("photos", str(k % 2))
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.x[k, :, :, 0]).save(place / f"{k}.png")
    Path("photos", "0", "broken.png").touch()
    Path("downloads").mkdir()
    for word, array in zip(words, (np.zeros((30, 28, 28), np.uint8), np.arange(30) % 26 + 1), strict=True):
        Path("downloads", f"emnist-letters-{word}").write_bytes(idx_file(array.astype(np.uint8)))
    for name in ("own.npz", "more.npz"):
        np.savez(name, x=digits.x[:40], y=digits.labels[:40])
    np.savetxt("table.csv", np.random.default_rng(0).standard_normal((60, 2)), delimiter=",")
    commands = blocks(ROOT / "docs" / "own-data.md", "sh")[0].splitlines()
    assert len(commands) == 7
    for command in commands:
        program, *rest = shlex.split(command, comments=True)
        if program == "mv":
            Path(rest[0]).rename(rest[1])
            continue
        small = {"evaluate": ["--count", 12], "train": ["--steps", 1, "--width", 0.1, "--batch-size", 4]}[
            rest[0]
        ]
        small = small[:2] if "--resume" in rest else small
        code, _, err = numgan(*rest, *small)
        assert program == "numgan" and code == 0, f"{command}: {err}"
