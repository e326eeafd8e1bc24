"""stdout and stderr, made safe: what cannot be shown never stops the work.

    print(line, file=STDERR, flush=True)        a line for people; tqdm(..., file=STDERR) is a bar for them
    with guarded(): ...                         a program's door: in the block sys.stdout and sys.stderr are safe too

A stream may be missing (Python's is None after `2>&-`), closed, or a pipe whose reader has gone (`| head`): nobody reads, so nothing is said.
A letter that the stream's encoding lacks is written as \\xfc. Only a result that somebody waits for and cannot get is an error: OutputError,
of stdout on a full disk.
"""

import errno
import os
import sys
from contextlib import contextmanager, suppress

NOBODY_READS = (errno.EPIPE, errno.EBADF, errno.ECONNRESET)


class OutputError(OSError):
    """The result could not be written to stdout, though somebody may wait for it."""


class Stream:
    """A safe stream over the one that `find()` returns at the moment, or None.

    must_arrive   whether a write that fails is an OutputError, of this call and of every later flush; else it is passed over
    """

    def __init__(self, find, must_arrive=False):
        self.find, self.must_arrive, self.failed = find, must_arrive, None

    @property
    def encoding(self):
        return getattr(self.find(), "encoding", None) or "utf-8"

    def isatty(self):
        """Whether a person looks at it."""
        with suppress(AttributeError, OSError, ValueError):          # missing, or closed
            return self.find().isatty()
        return False

    def fileno(self):
        """The descriptor; OSError if there is none."""
        with suppress(AttributeError, ValueError):
            return self.find().fileno()
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def write(self, text):
        """Write all of the text, as far as anybody reads it; its length."""
        self._try(lambda stream: _write(stream, text))
        return len(text)

    def flush(self):
        self._try(lambda stream: stream.flush() if hasattr(stream, "flush") else None)
        if self.failed:
            raise self.failed

    def _try(self, act):
        stream = self.find()
        if stream is None:
            return
        try:
            act(stream)
        except ValueError:                               # it is closed
            return
        except OSError as error:
            _let_go(stream)
            if self.must_arrive and error.errno not in NOBODY_READS:
                self.failed = OutputError(error.errno, f"the result could not be written to stdout: {error.strerror or error}")
                raise self.failed from None


def _write(stream, text):
    try:
        stream.write(text)
    except UnicodeEncodeError:
        stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))


def _let_go(stream):
    """Drop what waits in the stream, or Python would try once more at its end, and exit with 120."""
    with suppress(OSError, ValueError, AttributeError):
        place = stream.fileno()
        nowhere, kept = os.open(os.devnull, os.O_WRONLY), os.dup(place)
        try:
            os.dup2(nowhere, place)
            stream.flush()
        finally:
            os.dup2(kept, place)
            os.close(nowhere)
            os.close(kept)


STDERR = Stream(lambda: sys.stderr)


@contextmanager
def guarded():
    """In this block sys.stdout and sys.stderr are safe streams over those of before, and the descriptors 0, 1 and 2 are open."""
    for place in range(3):                               # or the next file that is opened has this number, and takes what is meant for stderr
        try:
            os.fstat(place)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Stream(lambda: out, must_arrive=True), Stream(lambda: err)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OutputError):
                stream.flush()
        sys.stdout, sys.stderr = out, err
