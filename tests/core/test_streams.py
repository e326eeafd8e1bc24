"""stdout and stderr that are missing, closed, full, or without a reader: the program continues.

The exit code is checked too. Most tests start processes, because each process has its own file descriptors.
"""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import numgan as ng
from numgan import cli
from numgan.core.streams import STDERR, OutputError, Stream, guarded
from numgan.training import runs

posix = pytest.mark.skipif(
    os.name != "posix" or not Path("/dev/full").exists(), reason="a shell and /dev/full are needed"
)
TRAIN = "train gan --preset points --width 0.1 --batch-size 8 --steps 3 --out run"
GONE = {"2>gone": "2> >(exec true)", ">gone": "> >(exec true)"}


def numgan(words, streams="", **environment):
    """(exit code, stdout, stderr) of `numgan words` under a shell's redirections, in the current folder."""
    command = f"{sys.executable} -m numgan {words} {GONE.get(streams, streams)}"
    script = f"{command}; code=$?; exec 1>&- 2>&-; exit $code"
    run = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        encoding="utf-8",
        errors="surrogateescape",
        stdin=subprocess.DEVNULL,
    )
    return run.returncode, run.stdout, run.stderr


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# ---- the work is done, and the code says so


@posix
@pytest.mark.parametrize("streams", ["2>&-", "<&- >&- 2>&-", "2>gone", ">gone", "2>/dev/full"])
def test_training_goes_on_under_any_stream(streams):
    code, _, err = numgan(TRAIN, streams)
    assert code == 0 and runs.open_run("run").state.step == 3 and Path("run", "curves.png").exists()
    assert "Traceback" not in err and "ignored" not in err


@posix
@pytest.mark.parametrize(
    "words, streams",
    [("systems", "2>gone"), ("gradcheck Flatten", "2>&-"), ("data --json", ">gone"), ("--help", ">&- 2>&-")],
)
def test_every_command_ends_with_0(words, streams):
    code, out, err = numgan(words, streams)
    assert (
        code == 0
        and "Traceback" not in err
        and (bool(out) == (">&-" not in streams.split(" ") and streams != ">gone"))
    )


@posix
def test_what_was_found_wrong_stays_wrong_when_nobody_reads():
    assert numgan("health nosuch", ">gone")[0] == 2 and numgan("nosuch", "2>&-")[0] == 2


# ---- a result that cannot be written, and errors


@posix
@pytest.mark.parametrize("words", ["systems --json", "--help"])
def test_a_result_that_cannot_be_written_is_an_error(words):
    code, _, err = numgan(words, ">/dev/full")
    assert code == 1 and len(err.splitlines()) == 1 and "could not be written to stdout: No space left" in err
    assert numgan(words, ">/dev/full 2>/dev/full")[0] == 1


@posix
@pytest.mark.parametrize(
    "words, streams",
    [
        ("health nosuch --json", "2>&-"),
        ("sample nosuch", "2>gone"),
        ("systems --nosuch", "2>/dev/full"),
        ("train gan --preset nosuch --json", ""),
    ],
)
def test_errors_never_go_to_stdout(words, streams):
    code, out, err = numgan(words, streams)
    assert code == 2 and out == "" and bool(err) == (streams == "")


@posix
def test_the_next_open_file_does_not_become_stderr():
    """With descriptor 2 free, the log of a run would get it, and the warnings of libraries with it."""
    script = (
        "import os, sys; from numgan.core.streams import guarded\n"
        "with guarded(): print(os.open(sys.argv[1], os.O_RDONLY) > 2)"
    )
    command = ["bash", "-c", f'{sys.executable} -c "{script}" . 0<&- 2>&-']
    assert subprocess.run(command, capture_output=True, text=True).stdout == "True\n"


# ---- what the terminal cannot encode

IN_TURN = "import sys; from numgan import cli; sys.exit(any(cli.main(it.split()) for it in sys.argv[1:]))"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


@posix
@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "ascii"}, ASCII | {"PYTHONWARNINGS": "error"}], ids=["ascii", "C"]
)
def test_names_with_umlauts_in_an_ascii_locale(environment):
    from PIL import Image

    for name in ("Äpfel", "日本", "a$b$\\frac"):
        os.makedirs(f"Bäume/{name}")
        for i in range(6):
            Image.new("L", (8, 8), 30 * i).save(f"Bäume/{name}/{i}.png")
    words = "train conditional --preset digits --data Bäume --width 0.1 --batch-size 6 --steps 2 --out Lauf-ä"
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            IN_TURN,
            words,
            "sample Lauf-ä --out ö.png",
            "train --resume Lauf-ä --steps 3",
        ],
        env=os.environ | environment,
        capture_output=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )
    assert run.returncode == 0, run.stderr
    code, out, err = numgan("sample nö", **environment)
    assert code == 2 and out == "" and "is not a run" in err and "\\" in err
    assert Path("ö.png").exists() and runs.open_run("Lauf-ä").dataset.classes == (
        "a$b$\\frac",
        "Äpfel",
        "日本",
    )


def test_a_letter_that_is_missing_is_written_by_its_number():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    stream = Stream(lambda: file, must_arrive=True)
    print("größe", "\ud800", file=stream, flush=True)
    assert file.buffer.getvalue().decode() == "gr\\xf6\\xdfe \\ud800\n" and stream.encoding == "ascii"


# ---- the stream itself


class Broken(io.StringIO):
    """Every write fails as the system would say it."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def write(self, text):
        raise OSError(self.number, os.strerror(self.number))


def test_only_a_result_that_somebody_waits_for_is_an_error():
    for number, fatal in (
        (errno.EPIPE, False),
        (errno.EBADF, False),
        (errno.ENOSPC, True),
        (errno.EIO, True),
        (errno.EFBIG, True),
    ):
        broken = Broken(number)
        Stream(lambda: broken).write("progress")
        stream = Stream(lambda: broken, must_arrive=True)
        if fatal:
            for act in (lambda: stream.write("result"), stream.flush):  # argparse catches the first
                with pytest.raises(OutputError, match=os.strerror(number)):
                    act()
        else:
            assert stream.write("result") == 6
            stream.flush()


@pytest.mark.parametrize("missing", ["none", "closed", "detached", "bare"])
def test_the_library_trains_without_stderr(monkeypatch, capsys, missing):
    class Bare:
        said = ""

        def write(self, text):
            self.said += text

    stream = {"none": None, "bare": Bare()}.get(missing, io.TextIOWrapper(io.BytesIO()))
    if missing == "closed":
        stream.close()
    if missing == "detached":
        stream.detach()
    monkeypatch.setattr(sys, "stderr", stream)
    trained = ng.train(ng.build("gan", "points", 0.1), ng.data.load("ring"), "run", steps=2, batch_size=8)
    assert not STDERR.isatty() and trained.steps == 2 and capsys.readouterr().out == ""
    assert missing != "bare" or "2 steps in" in stream.said
    with pytest.raises(OSError):
        STDERR.fileno()


def test_the_door_leaves_the_streams_as_they_were(capsys, monkeypatch):
    out, err = sys.stdout, sys.stderr
    with pytest.raises(ZeroDivisionError), guarded():
        assert sys.stdout is not out
        raise ZeroDivisionError
    assert cli.main(["nosuch"]) == 2 and cli.main(["--help"]) == 0
    assert (sys.stdout, sys.stderr) == (out, err) and "usage" in capsys.readouterr().err
