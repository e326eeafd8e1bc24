"""Files: numgan's only code that opens, writes and removes files by name.

    with replacing(path) as file: ...     write a file atomically: it is the old one or the new one
    save_picture(image, path)             write a picture
    with appending(path) as file: ...     add lines to a file
    make_folder(path); remove(path)       make a folder; remove a file
    sweep(folder)                         remove the temporary files that killed processes left in a folder
    opened(path); read(path, most)        open a file to read; read its bytes
    text_of(path); path_of(text)          a path as text for a JSON file, and back

A run's folder may come from an untrusted source. A file name in this folder may then belong to a symbolic
link, a pipe or a folder. numgan neither writes to such a file nor removes it, but raises a FileExistsError
with its name.
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
except ImportError:  # Windows has no flock: there the user must not run two processes in one folder
    fcntl = None

KINDS = {stat.S_IFREG: "a file", stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe"}
TEMPORARY = re.compile(r"\.numgan-[0-9a-f]{16}\.tmp")


# ---- names


def text_of(path):
    """The text of `path` (text, bytes or a Path) for a JSON file: the bytes of the path, decoded as UTF-8.

    The text is the same in every locale. A byte that is not UTF-8 becomes a lone surrogate, as Python's error
    handler "surrogateescape" does. `path_of` is the inverse.
    """
    return os.fsencode(path).decode("utf-8", "surrogateescape")


def shown(path):
    """A path as one line of text for a message: control characters, such as a newline, are escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text_of(path))


def path_of(text):
    """The path (a str) for this process and its locale, from `text`, a result of `text_of`."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def expect_path(path, what):
    """Raise ValueError for an empty path, which the system would take for the current folder.

    `path` is text or a Path, `what` is the name of the argument, for the message. Returns nothing.
    """
    if not os.fspath(path):
        raise ValueError(f"{what}: expected a path, got {path!r}; write '.' for the current folder")


# ---- kinds of files


def kind_at(path):
    """The kind of file that has the name `path`, in words such as "a file". None if there is no such file.

    The kinds are "a file", "a folder", "a link", "a pipe" and "a device". A link is not followed.
    """
    try:
        return _kind(os.lstat(path).st_mode)
    except FileNotFoundError:
        return None


def _kind(mode):
    """The kind of a file in words: "a file", "a folder", "a link", "a pipe" or "a device".

    `mode` is the st_mode that os.stat or os.lstat gives.
    """
    return KINDS.get(stat.S_IFMT(mode), "a device")


def expect_own(path, kind="a file"):
    """Raise FileExistsError if something of another kind than `kind` has the name `path`. Returns nothing.

    kind   "a file" (the default) or "a folder"

    A link to a file is of the kind "a link", so it raises. If nothing has the name, nothing is raised.
    """
    got = kind_at(path)
    if got not in (None, kind):
        raise FileExistsError(
            f"{path}: expected {kind} of numgan's own, got {got}, which numgan does not touch; move it away"
        )


def expect_writable(path):
    """Raise an error if a file `path` cannot be made or replaced because of its folder or its name.

    FileNotFoundError   the folder of `path` does not exist, or is not a folder
    FileExistsError     a link, a pipe, a folder or a device has the name

    Permissions and free space are not tested.
    """
    if not Path(path).parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {Path(path).parent}; make it first")
    expect_own(path)


def is_empty(folder, besides=()):
    """Whether `folder` is empty. numgan's temporary files, an empty .lock and `besides` do not count.

    besides   names of entries that do not count, by default none

    A process that was killed before its run began may leave an empty .lock and temporary files.
    """
    entries = [entry for entry in os.scandir(folder) if not _temporary(entry) and entry.name not in besides]
    return all(
        entry.name == ".lock" and entry.is_file(follow_symlinks=False) and not entry.stat().st_size
        for entry in entries
    )


def _temporary(entry):
    """Whether `entry`, an os.DirEntry, is a regular file with the name of a temporary file of `replacing`."""
    return TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)


# ---- writing


def _opener(path, flags):
    """An opener for `open`: it follows no symbolic link, and does not wait for the other end of a pipe.

    path and flags are those of os.open. Returns the file descriptor. Windows lacks these two flags: 0 in
    their place changes nothing.
    """
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)


@contextmanager
def replacing(path):
    """A context that gives an open binary file, which becomes the file `path` at the end of the block.

    Readers see the old or the new file, never a part. The bytes go to a temporary file in the same folder and
    are synchronised with the disk. Only then the file gets the name `path`. So a power cut also leaves the
    old file or the new one. Every temporary file has a random name, so two processes that write the same file
    do not disturb each other.

    If the block or a write fails, the old file stays, and the error is raised. An OSError then names `path`.
    Raises FileNotFoundError if the folder does not exist, and FileExistsError if a link, a pipe, a folder or
    a device has the name. Temporary files of killed processes in the same folder are removed, see `sweep`.
    """
    path = Path(path)
    expect_writable(path)
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
            os.replace(temporary, path)  # the file is still locked, so that no other process removes it
    except BaseException as error:
        if temporary:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno:  # name `path`, not the temporary file
            if not error.filename or TEMPORARY.fullmatch(Path(error.filename).name):
                error.filename = str(path)
                del error.filename2  # the message would show None as a second name
        raise
    if hasattr(os, "O_DIRECTORY"):  # the folder holds the new name, so synchronise it too
        with suppress(PermissionError):  # a folder may be writable but not readable
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def save_picture(image, path):
    """Write `image`, a Pillow image, to the PNG file `path`, in place of an older file.

    The file is written atomically: after a failure the older file stays. Raises FileNotFoundError if the
    folder does not exist, FileExistsError if a link, a pipe, a folder or a device has the name, and other
    OSErrors.
    """
    with replacing(path) as file:
        image.save(file, format="PNG")


def _create(folder):
    """Make a new temporary file in `folder`, a Path. Returns (its Path, the open binary file).

    The file is locked, so `sweep` in another process does not remove it while this process lives.
    """
    while True:
        path = folder / f".numgan-{secrets.token_hex(8)}.tmp"
        file = open(path, "xb", opener=_opener)
        with suppress(OSError):  # a file system may have no locks; then `sweep` cannot lock the file either
            lock(file, wait=True)
        if path.exists():  # otherwise another process removed the file before it was locked
            return path, file
        file.close()


def sweep(folder):
    """Remove the temporary files that killed processes left in `folder`. Returns nothing.

    These are the files that `replacing` made. The temporary files of living processes are locked and stay.
    Errors of the file system are ignored.
    """
    with suppress(OSError):  # a folder may be writeable but not readable
        for entry in list(os.scandir(folder)):
            if _temporary(entry):
                with suppress(OSError), open(entry.path, "r+b", opener=_opener) as file:
                    if lock(file):
                        os.unlink(entry.path)


def lock(file, wait=False):
    """Lock an open file until it is closed or this process ends. Returns True if the lock was obtained.

    wait   what to do if another process has the lock: False (the default) returns False at once, True waits
           until the lock is free

    On Windows nothing is locked, and the result is True. Raises OSError if the file system has no locks.
    """
    if fcntl:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
    return True


def appending(path):
    """Open the file `path` to append bytes, and return the open file. The file is made if it does not exist.

    Raises FileExistsError if a link, a pipe, a folder or a device has the name, and OSError if the file
    cannot be opened.
    """
    expect_own(path)
    return open(path, "ab", opener=_opener)


def make_folder(path):
    """Make the folder `path` if it does not exist, and return its Path.

    Raises FileExistsError if something else, such as a link or a file, has the name, and FileNotFoundError if
    the folder above it does not exist.
    """
    expect_own(path, "a folder")
    Path(path).mkdir(exist_ok=True)
    return Path(path)


def remove(path):
    """Remove the file `path` if it exists. Returns nothing.

    Raises FileExistsError if a link, a pipe, a folder or a device has the name.
    """
    expect_own(path)
    Path(path).unlink(missing_ok=True)


# ---- reading


def opened(path):
    """Open the file `path` to read bytes, and return the open binary file. A symbolic link is followed.

    Raises FileFormatError if the name is that of a folder, a pipe or a device. A read from a pipe could wait
    forever. Raises OSError if the file cannot be opened.
    """
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
    raise FileFormatError(f"{path}: expected a file, got {_kind(mode)}; move it away, and put the file there")


def read(path, most):
    """Read the file `path` and return its bytes.

    Raises FileFormatError if there are more than `most` bytes, or if `path` is a folder, a pipe or a device.
    Raises OSError if the file cannot be opened.
    """
    with opened(path) as file:
        # read(n) allocates n bytes, so n is the size of the file or `most`, and 1 byte more: if this byte is
        # read, the file has more bytes than it may have
        data = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
    if len(data) > most:
        raise FileFormatError(
            f"{path}: expected at most {most:,} bytes, got more; the file is damaged, or it is another file"
        )
    return data
