"""The pages of docs/: their Python blocks run, and every file, picture, test and check they name exists."""

import re
from pathlib import Path
from runpy import run_path

import pytest

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
