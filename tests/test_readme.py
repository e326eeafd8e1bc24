"""The README is run: its Python blocks as they stand, and its two commands are the first two shell blocks."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("code", blocks("python"), ids=lambda code: code.splitlines()[0])
def test_python_block(code):
    space = {}
    exec(code, space)                                                # asserts inside the block speak for themselves
    assert not [name for name, value in space.items() if value is None and name != "_"]


def test_there_are_python_blocks():
    assert len(blocks("python")) >= 1


def test_the_first_two_shell_blocks_are_the_two_commands():
    first, second, *_ = blocks("sh")
    assert "pip install" in first and "numgan train conditional" in first
    assert "pip install" in second and "pytest" in second


def test_pictures_exist():
    for picture in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", TEXT):
        assert (README.parent / picture).stat().st_size > 0, picture
