"""Fixtures of the tests of the command line."""

import pytest

from numgan import cli


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with three runs: a conditional one, one without labels, and a classifier."""
    folder = tmp_path_factory.mktemp("runs")
    rate = ("--lr", "0.001")  # constant: the preset's rate would fall to 0 within these few steps
    for system, steps, *more in (("conditional", "3"), ("gan", "3"), ("classifier", "60", *rate)):
        assert (
            cli.main(
                [
                    "train",
                    system,
                    "--width",
                    "0.25",
                    "--batch-size",
                    "32",
                    "--steps",
                    steps,
                    "--out",
                    str(folder / system),
                    "--json",
                    *more,
                ]
            )
            == 0
        )
    return folder
