"""Files: numgan keeps files of others, writes atomically, and allows two writers."""

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from file_cases import DIGITS, RECIPE, SYSTEM, plant, resume, seen
from PIL import Image

from numgan import studies
from numgan.core import files
from numgan.core.errors import FileFormatError
from numgan.studies import STUDIES
from numgan.training import loop as training
from numgan.training import runs

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and pipes")


@pytest.mark.parametrize("what", ["link", "dangling", "pipe", "folder", "to a folder"])
@pytest.mark.parametrize(
    "name",
    [
        ".lock",
        "config.json",
        "metrics.jsonl",
        "checkpoint.npz",
        "samples.png",
        "training.gif",
        "curves.png",
        "samples/step-000002.png",
        "samples/step-000006.png",
    ],
)
def test_nothing_is_written_through_what_numgan_did_not_make(name, what, run, victim):
    plant(run / name, what, victim)
    before = seen(run)
    with pytest.raises((OSError, FileFormatError), match=name.rpartition("/")[2]):
        resume(run)
    assert (
        seen(run) == before and victim.read_text() == "precious" and not victim.with_name("nowhere").exists()
    )


@pytest.mark.parametrize("what", ["link", "pipe", "file", "to a folder"])
def test_a_folder_of_samples_that_is_none(what, run, victim):
    plant(run / "samples", what, victim)
    other = victim.with_name("step-000099.png")
    other.write_text("somebody's picture")
    before = seen(run)
    with pytest.raises(OSError, match="samples: expected a folder of numgan's own"):
        resume(run)
    assert seen(run) == before and other.exists()


@pytest.mark.parametrize(
    "name",
    [".lock", "config.json", "metrics.jsonl", "checkpoint.npz", "samples.png", "samples/step-000002.png"],
)
def test_a_file_of_two_names_keeps_its_bytes_under_the_other(name, run, tmp_path):
    (run / ".lock").write_text("locked")
    os.link(run / name, tmp_path / "other")
    before = (tmp_path / "other").read_bytes()
    assert resume(run).steps == 6
    assert (tmp_path / "other").read_bytes() == before and before


def test_pictures_of_other_names_are_not_removed(run):
    kept = [
        run / "samples" / name
        for name in (
            "step-9.png",
            "step-000009.PNG",
            "step-²²²²²².png",
            "step-0000009.png",
            "my-step-000009.png",
        )
    ]
    for path in kept:
        path.write_text("mine")
    (run / "samples" / "step-000009.png").write_text("of a step that was cut")
    runs.rewind(run, 4)
    assert (
        all(path.read_text() == "mine" for path in kept)
        and not (run / "samples" / "step-000009.png").exists()
    )


def test_pictures_of_more_than_a_million_steps_are_in_order(tmp_path):
    (tmp_path / "samples").mkdir()
    for step in (1_234_567, 999_999, 0):
        (tmp_path / "samples" / f"step-{step:06d}.png").touch()
    assert [path.stem for path in runs.pictures(tmp_path)] == ["step-000000", "step-999999", "step-1234567"]


def test_a_sample_goes_through_no_link(numgan, run, victim):
    (run / "drawn.png").symlink_to(victim)
    code, _, err = numgan("sample", run)
    assert (
        code == 2
        and "drawn.png" in err
        and "a link" in err
        and victim.read_text() == "precious"
        and (run / "drawn.png").is_symlink()
    )


def test_runs_in_a_folder_that_is_not_there_are_no_endless_search(tmp_path):
    (tmp_path / "runs").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        runs.choose(RECIPE, tmp_path / "runs")


@pytest.mark.parametrize(
    "name", [".bashrc", ".config/app", ".journal.tmp", ".numgan-0123456789abcdef.tmp/x", "letter.txt"]
)
def test_a_folder_of_dot_files_is_not_empty(name, tmp_path):
    path = tmp_path / "home" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    before = seen(tmp_path)
    with pytest.raises(FileExistsError, match="is not empty"):
        training.train(SYSTEM, DIGITS, tmp_path / "home", steps=1, progress=False)
    with pytest.raises(ValueError, match="is not empty"):
        studies.run("dirac", STUDIES["dirac"], tmp_path / "home", quick=True, progress=False)
    assert seen(tmp_path) == before


@pytest.mark.parametrize("kind", ["dangling", "pipe", "file"])
def test_a_folder_for_a_run_or_study_is_no_link_and_no_file(kind, tmp_path, victim):
    out = tmp_path / "out"
    plant(out, kind, victim)
    words = {"dangling": "a link", "pipe": "a pipe", "file": "a file"}[kind]
    with pytest.raises(FileExistsError, match=f"out is {words}, and a run is a folder"):
        training.train(SYSTEM, DIGITS, out, steps=1, progress=False)
    with pytest.raises(ValueError, match=f"--out: expected a folder, got {words}"):
        studies.run("dirac", STUDIES["dirac"], out, quick=True, progress=False)


def test_a_lock_with_words_in_it_or_a_link_is_not_empty(tmp_path, victim):
    for what in ("file", "link", "pipe"):
        (tmp_path / what).mkdir()
        plant(tmp_path / what / ".lock", what, victim)
        assert not files.is_empty(tmp_path / what)


def test_what_numgan_left_is_nothing(tmp_path):
    """A process that was killed before it had a run leaves a lock and a temporary file."""
    out = runs.choose(RECIPE, tmp_path / "runs")
    (out / ".lock").touch()
    left = out / ".numgan-0123456789abcdef.tmp"
    left.write_bytes(b"torn")
    training.train(SYSTEM, DIGITS, out, steps=1, progress=False)
    assert runs.read_config(out)["steps"] == 1 and not left.exists()


def test_only_numgans_own_temporary_files_are_swept(tmp_path, victim):
    name = ".numgan-{:016x}.tmp"
    stale, link, folder, deep = (
        tmp_path / name.format(1),
        tmp_path / name.format(2),
        tmp_path / name.format(3),
        tmp_path / "sub" / name.format(4),
    )
    kept = [
        tmp_path / ".a.npz.tmp",
        tmp_path / "a.tmp",
        tmp_path / ".numgan-1.tmp",
        tmp_path / "x.numgan-0123456789abcdef.tmp",
        deep,
    ]
    deep.parent.mkdir()
    folder.mkdir()
    link.symlink_to(victim)
    for path in (stale, *kept):
        path.write_text("x")
    files.sweep(tmp_path)
    assert (
        not stale.exists()
        and all(path.read_text() == "x" for path in kept)
        and folder.is_dir()
        and link.is_symlink()
    )
    assert victim.read_text() == "precious"


CORE = f"""
import sys, types
package = types.ModuleType("numgan")  # without its __init__, which takes a second to import
package.__path__ = [{str(Path(files.__file__).parents[1])!r}]
sys.modules["numgan"] = package
from numgan.core.files import replacing
"""
KILLED = """
import time
with replacing(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("here", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(files.fcntl is None, reason="no flock here")
def test_a_temporary_file_lives_as_long_as_its_process(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    process = subprocess.Popen([sys.executable, "-c", CORE + KILLED, path], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"here\n"
        files.sweep(tmp_path)
        assert len(os.listdir(tmp_path)) == 2 and path.read_bytes() == b"old"
    finally:
        process.kill()
        process.communicate()
    with files.replacing(path) as file:  # the next writer sweeps
        file.write(b"new")
    assert os.listdir(tmp_path) == ["x"] and path.read_bytes() == b"new"


WRITER = """
for _ in range(25):
    with replacing(sys.argv[1]) as file:
        for _ in range(20):
            file.write(sys.argv[2].encode() * 5000)
"""


def test_writers_of_one_file_do_not_meet(tmp_path):
    path, looked = tmp_path / "x", []
    path.write_bytes(b"e" * 100_000)
    writers = [
        subprocess.Popen([sys.executable, "-c", CORE + WRITER, path, letter], stderr=subprocess.PIPE)
        for letter in "abcd"
    ]
    while any(process.poll() is None for process in writers):
        looked.append(path.read_bytes())
        time.sleep(0.001)
    assert [process.communicate()[1] for process in writers] == [b""] * 4 and all(
        process.returncode == 0 for process in writers
    )
    assert len(looked) > 3 and all(len(bytes_) == 100_000 and len(set(bytes_)) == 1 for bytes_ in looked)
    assert os.listdir(tmp_path) == ["x"]


def test_samples_drawn_at_once(run):
    """Four commands write one drawn.png, while a fifth one trains in the folder: none disturbs another."""
    sample = [
        subprocess.Popen(
            [sys.executable, "-m", "numgan", "sample", run], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    resume(run)
    assert [process.communicate()[1] for process in sample] == [b""] * 4 and all(
        process.returncode == 0 for process in sample
    )
    with Image.open(run / "drawn.png") as picture:
        picture.load()
    assert not list(run.rglob("*.tmp"))


@pytest.mark.parametrize("name", ["open", "replace"])
def test_an_error_names_the_file_and_not_the_temporary_one(name, tmp_path, monkeypatch):
    def full(*args, **words):
        raise OSError(28, "No space left on device", str(args[0]))

    monkeypatch.setattr(os, name, full)
    with (
        pytest.raises(OSError, match="No space left.*wanted") as caught,
        files.replacing(tmp_path / "wanted"),
    ):
        pass
    monkeypatch.undo()
    assert str(caught.value).endswith(f"{str(tmp_path / 'wanted')!r}") and not os.listdir(tmp_path)


def test_a_file_of_lines_without_end_is_not_read_to_its_end(run):
    """A file with a hole takes no room in an archive, and says that it is a terabyte of zeros."""
    with open(run / "metrics.jsonl", "r+b") as file:
        file.truncate(1 << 40)
    before = seen(run)
    with pytest.raises(FileFormatError, match="metrics.jsonl, line 5: .* more than 4,194,304 bytes"):
        runs.read_metrics(run, 4)
    assert seen(run) == before


def test_a_folder_that_cannot_be_listed_takes_a_file(tmp_path, monkeypatch):
    """Its new name cannot be brought to the disk by itself. The file is there, so nothing has failed."""
    real = os.open

    def refusing(path, flags, *rest):
        if flags & os.O_DIRECTORY:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", refusing)
    with files.replacing(tmp_path / "wanted") as file:
        file.write(b"whole")
    assert (tmp_path / "wanted").read_bytes() == b"whole"


def _touching(path):
    """(line, call) of every call in a source file that opens, writes, renames or removes a file by its name.

    Calls on files of the operating system (/proc, /sys) do not count.
    """
    methods = {
        "read_text",
        "read_bytes",
        "write_text",
        "write_bytes",
        "unlink",
        "rmdir",
        "rename",
        "touch",
        "rmtree",
        "remove",
        "copyfile",
        "move",
    }
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            words = {name, name.rpartition(".")[2]} if "." in name else {name}
            of_system = any(
                isinstance(part, ast.Constant) and str(part.value).startswith(("/proc", "/sys"))
                for part in ast.walk(node)
            )
            by_name = (
                name in ("np.save", "np.savez", "np.load", "os.replace", "os.rename")
                and ast.unparse(node.args[0]) != "file"
            )
            if not of_system and (
                by_name or name == "open" or methods & words and not name.startswith(("files.", "members."))
            ):
                yield node.lineno, name


def test_one_chapter_opens_and_removes_files():
    """All files are opened and removed by numgan/core/files.py, so that one place decides what is safe."""
    root = Path(files.__file__).parents[1]
    found = {
        str(path.relative_to(root)): calls for path in root.rglob("*.py") if (calls := list(_touching(path)))
    }
    assert (
        set(found.pop("core/files.py"))
        and {name: calls for name, calls in found.items() if name != "studies/protocol.py"} == {}
    )
    assert [name for _, name in found["studies/protocol.py"]] == ["remove"]  # that of files.py
