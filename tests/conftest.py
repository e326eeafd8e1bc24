"""`pytest --backend reference` runs the whole suite on the NumPy reference kernels of a build that has both; and the fixtures."""

import os

import pytest

pytest.register_assert_rewrite("bugzoo")                             # an assertion that fails there says what it compared, as in a test


def pytest_addoption(parser):
    parser.addoption("--backend", choices=["compiled", "reference"], help="the kernels to test with")


def pytest_configure(config):
    os.environ.pop("PYTEST_ADDOPTS", None)                           # meant for this run, not for those that tests start
    os.environ["PYTHONSAFEPATH"] = "1"                               # processes that tests start import the installed package, not this folder
    backend = config.getoption("--backend")
    if backend:
        import numgan

        numgan.use_backend(backend)
        if backend == "reference":
            os.environ["NUMGAN_PURE"] = "1"                          # for the processes that tests start
            os.environ.pop("NUMGAN_REQUIRE_KERNELS", None)


@pytest.fixture
def numgan(capsys, monkeypatch, tmp_path):
    """numgan("train", ...) -> code, stdout, stderr, in an empty working folder, with an empty cache."""
    from numgan import cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NUMGAN_CACHE", str(tmp_path / "numgan-cache"))

    def call(*words):
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as error:
            code = error.code
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def no_shared_folder(monkeypatch):
    """Tests say themselves what NUMGAN_DATA is."""
    monkeypatch.delenv("NUMGAN_DATA", raising=False)
