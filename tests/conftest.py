"""Fixtures, and the option `pytest --backend NAME`: all tests with the kernels "reference" or "cython"."""

import os
import signal

import processes
import pytest

pytest.register_assert_rewrite("bugzoo")  # detailed messages, as in a test


def pytest_addoption(parser):
    parser.addoption(
        "--backend", choices=["compiled", "cython", "reference"], help="the kernels to test with"
    )


def pytest_configure(config):
    os.environ.pop("PYTEST_ADDOPTS", None)  # not for runs of pytest that tests start
    os.environ["PYTHONSAFEPATH"] = "1"  # children import the installed package, not this folder
    if "PYTEST_XDIST_WORKER" in os.environ:  # pytest -n: each process uses one core
        for variable in ("OPENBLAS_NUM_THREADS", "NUMGAN_NUM_THREADS"):
            os.environ.setdefault(variable, "1")
    backend = config.getoption("--backend")
    if backend:
        import numgan

        numgan.use_backend(backend)
        if backend == "reference":
            os.environ["NUMGAN_PURE"] = "1"  # for the processes that tests start
            os.environ.pop("NUMGAN_REQUIRE_KERNELS", None)
        else:
            os.environ["NUMGAN_BACKEND"] = backend


@pytest.fixture(scope="session", autouse=True)
def signals_are_not_ignored():
    """Restore SIGINT and SIGTERM, for children too: a shell starts background jobs with SIGINT ignored."""
    ignored = [
        number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) == signal.SIG_IGN
    ]
    for number in ignored:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left():
    """Fail at the end of the session if a process that a test has started, or a child of it, still runs."""
    os.environ[processes.MARK] = str(os.getpid())
    yield
    left = processes.left(os.getpid())
    assert not left, f"tests have left processes behind: {left}"


@pytest.fixture
def start():
    """start([command, ...], **options) -> Popen.

    At the end of the test the process and its children are killed.
    """
    begun = []

    def start(command, **options):
        begun.append(processes.popen(command, **options))
        return begun[-1]

    yield start
    for process in begun:
        processes.end(process)


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
def blank_curves(monkeypatch):
    """A blank picture in place of curves.png: to draw it takes longer than to train a toy."""
    from PIL import Image

    from numgan import plot

    monkeypatch.setattr(plot, "curves", lambda *arguments: Image.new("L", (2, 2)))


@pytest.fixture
def listed(monkeypatch):
    """entries(names) lists the entries of the catalogue and checks none: `numgan gradcheck --all` does."""
    from numgan.checking import catalogue

    monkeypatch.setattr(
        catalogue,
        "_entry",
        lambda item, part, order, check: catalogue.Entry(f"{item.title}.{part}", item.kind, order, 0.0, True),
    )
    return catalogue.entries


@pytest.fixture
def no_shared_folder(monkeypatch):
    """Unset NUMGAN_DATA: the test sets it itself."""
    monkeypatch.delenv("NUMGAN_DATA", raising=False)
