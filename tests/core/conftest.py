"""Fixtures of the tests of files."""

import shutil
from pathlib import Path

import pytest
from file_cases import DIGITS, RECIPE, SYSTEM

from numgan.training import loop as training


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("files") / "run"
    training.train(
        SYSTEM,
        DIGITS,
        out,
        steps=4,
        batch_size=8,
        recipe=RECIPE,
        log_every=1,
        picture_every=2,
        progress=False,
    )
    return out


@pytest.fixture
def run(trained, tmp_path):
    """A run of four steps, to be spoilt."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "victim"
    path.write_text("precious")
    return path
