"""Files: how numgan writes without harm to anybody's, and reads without harm to itself.

    with replacing(path) as file: ...     the file is whole or as it was, whenever the power goes
    with appending(path) as file: ...     lines are added to a file
    make_folder(path); remove(path)       a folder of numgan's own inside another; a file of numgan's own
    sweep(folder)                         remove what a killed process left in a folder
    opened(path); read(path, most)        a file to read, its bytes

A run's folder may come from anybody. So under a name that numgan writes there may lie a link, a pipe or a folder.
Nothing is written through it, and it is not removed: FileExistsError names it.
"""

import os
import re
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import FileFormatError

try:
    import fcntl
except ImportError:  # Windows has no flock; two processes in one folder are then the user's to avoid
    fcntl = None

WORDS = {stat.S_IFREG: "a file", stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe"}
TEMPORARY = re.compile(r"\.numgan-[0-9a-f]{16}\.tmp")
FREE = {".lock"}  # besides temporary files: what a process leaves in a folder before there is a run


# ---- what lies under a name


def thing_at(path):
    """What lies under a name, as words, no link followed; None: nothing."""
    try:
        return _word(os.lstat(path).st_mode)
    except FileNotFoundError:
        return None


def _word(mode):
    return WORDS.get(stat.S_IFMT(mode), "a device")


def expect_own(path, kind="a file"):
    """FileExistsError unless the name is free, or that of a thing of this kind."""
    got = thing_at(path)
    if got not in (None, kind):
        raise FileExistsError(
            f"{path}: expected {kind} of numgan's own, got {got}, which numgan does not touch; move it away"
        )


def is_empty(folder, besides=()):
    """Whether a folder holds nothing but files of these names and what numgan itself leaves: an empty lock and temporary files."""
    entries = [entry for entry in os.scandir(folder) if not _temporary(entry) and entry.name not in besides]
    return all(
        entry.name in FREE and entry.is_file(follow_symlinks=False) and not entry.stat().st_size
        for entry in entries
    )


def _temporary(entry):
    return TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)


# ---- writing


def _opener(path, flags):
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)


@contextmanager
def replacing(path):
    """A binary file that becomes `path` when the block ends. Others see the old or the new one, even after a power cut.

    The bytes go to a temporary file in the same folder, to the disk, and only then under the name. Every temporary
    file has a name of its own, so two writers of one file do not meet. OSError if that fails; the old file stays.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}; make it first")
    expect_own(path)
    sweep(path.parent)
    temporary = None
    try:
        temporary, file = _create(path.parent)
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if not fcntl:
                file.close()  # Windows renames no open file
            os.replace(temporary, path)  # while it is locked: else another process would sweep it
    except BaseException as error:
        if temporary:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno:  # "no space left" names no file, or one that nobody knows
            if not error.filename or TEMPORARY.fullmatch(Path(error.filename).name):
                error.filename = str(path)
                del error.filename2  # None would be told as a second name
        raise
    if hasattr(os, "O_DIRECTORY"):  # the new name is in the folder, so the folder must reach the disk too
        with suppress(PermissionError):  # written to and not listed: then as soon as the system likes
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _create(folder):
    """A new temporary file, and locked: `sweep` leaves it alone as long as its process lives."""
    while True:
        path = folder / f".numgan-{secrets.token_hex(8)}.tmp"
        file = open(path, "xb", opener=_opener)
        with suppress(OSError):  # a file system without locks has none that `sweep` could take either
            lock(file, wait=True)
        if path.exists():  # else it was swept before it was locked
            return path, file
        file.close()


def sweep(folder):
    """Remove the temporary files that killed processes left in a folder. Those of living processes stay."""
    with suppress(OSError):  # a folder that can be written to, and not be listed
        for entry in list(os.scandir(folder)):
            if _temporary(entry):
                with suppress(OSError), open(entry.path, "r+b", opener=_opener) as file:
                    if lock(file):
                        os.unlink(entry.path)


def lock(file, wait=False):
    """Lock an open file until it is closed or its process ends; False if another has it and we do not wait."""
    if fcntl:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
    return True


def appending(path):
    """A binary file to add to; made if it is not there, and never emptied."""
    expect_own(path)
    return open(path, "ab", opener=_opener)


def make_folder(path):
    """Make a folder of numgan's own, if it is not there."""
    expect_own(path, "a folder")
    Path(path).mkdir(exist_ok=True)
    return Path(path)


def remove(path):
    """Remove a file of numgan's own, if it is there."""
    expect_own(path)
    Path(path).unlink(missing_ok=True)


# ---- reading


def opened(path):
    """A binary file to read; a link is followed. FileFormatError for what is none (a pipe would block); OSError."""
    try:
        file = open(
            path, "rb", opener=lambda path, flags: os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
        )
        mode = os.fstat(file.fileno()).st_mode
    except IsADirectoryError:
        mode = stat.S_IFDIR
    if stat.S_ISREG(mode):
        return file
    if not stat.S_ISDIR(mode):
        file.close()
    raise FileFormatError(f"{path}: expected a file, got {_word(mode)}; move it away, and put the file there")


def read(path, most):
    """The bytes of a file, at most so many. FileFormatError for a larger file or what is none; OSError."""
    with opened(path) as file:
        data = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)  # a buffer of that size is made
    if len(data) > most:
        raise FileFormatError(
            f"{path}: expected at most {most:,} bytes, got more; the file is damaged or is another one"
        )
    return data
