r"""Safe versions of stdout and stderr, which work even if the real stream is missing or closed.

    print(line, file=STDERR, flush=True)        print a message; tqdm(..., file=STDERR) shows a progress bar
    with guarded(): ...                         replace sys.stdout and sys.stderr by safe streams in the block

A stream may be missing (sys.stderr is None after `2>&-`), closed, or a pipe whose reader has ended, as with
`| head`. Then the text is discarded. A character that the stream's encoding lacks is written as an escape
such as \\xfc. Other failures, such as a full disk, raise OutputError for stdout and are ignored for stderr.
"""

import errno
import os
import sys
from contextlib import contextmanager, suppress

# the errors of a write to a pipe or a socket whose reader has ended, or to a closed descriptor
READER_GONE = (errno.EPIPE, errno.EBADF, errno.ECONNRESET)


class OutputError(OSError):
    """The result could not be written to stdout, for example because the disk is full."""


class Stream:
    """A safe text stream: each call writes to the stream that find() returns, such as sys.stderr.

    find           a function without arguments that returns a stream; if it returns None, the text is
                   discarded
    must_arrive    True: a write that fails raises OutputError, and so does each later flush; False, the
                   default: a write that fails is ignored

    With both values, text for a closed stream or for a pipe whose reader has ended is discarded.
    """

    def __init__(self, find, must_arrive=False):
        self.find, self.must_arrive, self.failed = find, must_arrive, None

    @property
    def encoding(self):
        return getattr(self.find(), "encoding", None) or "utf-8"

    def isatty(self):
        """Whether the stream is a terminal, True or False; False for a missing or closed stream."""
        with suppress(AttributeError, OSError, ValueError):  # the stream is missing or closed
            return self.find().isatty()
        return False

    def fileno(self):
        """The stream's file descriptor, an int. Raises OSError if there is none."""
        with suppress(AttributeError, ValueError):
            return self.find().fileno()
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def write(self, text):
        """Write `text`, a str. Returns the number of its characters, also if the text was discarded.

        Raises OutputError if the write fails and the stream was made with must_arrive=True.
        """
        self._try(lambda stream: _write(stream, text))
        return len(text)

    def flush(self):
        self._try(lambda stream: stream.flush() if hasattr(stream, "flush") else None)
        if self.failed:
            raise self.failed

    def _try(self, act):
        """Call act(stream) with the stream that `find()` returns. Returns nothing.

        Nothing happens if the stream is missing or closed. If act raises another OSError, the text in the
        stream's buffer is discarded. Then OutputError is raised if `must_arrive` is True, except for a pipe
        whose reader has ended.
        """
        stream = self.find()
        if stream is None:
            return
        try:
            act(stream)
        except ValueError:  # the stream is closed
            return
        except OSError as error:
            _discard(stream)
            if self.must_arrive and error.errno not in READER_GONE:
                self.failed = OutputError(
                    error.errno, f"the result could not be written to stdout: {error.strerror or error}"
                )
                raise self.failed from None


def _write(stream, text):
    """Write `text` to `stream`. A character that the encoding lacks is written as an escape such as \\xfc."""
    try:
        stream.write(text)
    except UnicodeEncodeError:
        stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))


def _discard(stream):
    """Discard the text that waits in the buffer of `stream`. Errors are ignored. Returns nothing.

    Otherwise Python would try to write this text again at exit, fail, and end with exit code 120. For the
    flush the stream's descriptor leads to os.devnull, afterwards to its file again.
    """
    with suppress(OSError, ValueError, AttributeError):
        descriptor = stream.fileno()
        nowhere, kept = os.open(os.devnull, os.O_WRONLY), os.dup(descriptor)
        try:
            os.dup2(nowhere, descriptor)
            stream.flush()
        finally:
            os.dup2(kept, descriptor)
            os.close(nowhere)
            os.close(kept)


STDERR = Stream(lambda: sys.stderr)


@contextmanager
def guarded():
    """A context in which sys.stdout and sys.stderr are safe streams of the class `Stream`. It gives nothing.

    A safe stream discards text for a missing or closed stream, or for a pipe whose reader has ended. If
    stdout cannot be written, for example because the disk is full, OutputError is raised; for stderr nothing
    is raised. The file descriptors 0, 1 and 2 are open in the context: a closed one is opened to os.devnull
    and stays open. After the context the earlier streams are back.
    """
    for descriptor in range(3):  # else a file opened later could be number 2, stderr
        try:
            os.fstat(descriptor)
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
