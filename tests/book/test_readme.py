"""The README is run: its Python blocks as they stand, and its two commands are the first two shell blocks."""

import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).parents[2] / "README.md"
TEXT = README.read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("code", blocks("python"), ids=lambda code: code.splitlines()[0])
def test_python_block(code):
    space = {}
    exec(code, space)
    before, after = space["G"].init(0), space["theta"]  # the block trains G by one step through a frozen D
    assert np.isfinite(space["loss"]) and before != after and space["phi"] == space["D"].init(1)


def test_there_are_python_blocks():
    assert len(blocks("python")) >= 1


def test_the_first_two_shell_blocks_are_the_two_commands():
    first, second, *_ = blocks("sh")
    assert "pip install" in first and "numgan train conditional" in first
    assert "pip install" in second and "pytest" in second


def test_no_placeholder_is_left():
    words = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", TEXT))
    assert words <= {
        "NUMGAN_PURE",
        "NUMGAN_BACKEND",
        "NUMGAN_DATA",
        "NUMGAN_CACHE",
        "NUMGAN_ISA",
        "NUMGAN_NUM_THREADS",
    }


def test_pictures_exist():
    for picture in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", TEXT):
        assert (README.parent / picture).stat().st_size > 0, picture
