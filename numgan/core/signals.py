"""Signals: Ctrl-C and SIGTERM ask a training loop to stop; the loop finishes its step and saves.

with stop_requests() as stop:
    while not stop.asked: ...
"""

import signal
import socket
import threading
from contextlib import contextmanager


class StopRequests:
    """The number `count` of signals that asked a loop to stop; `asked` is True after the first signal."""

    count = 0

    @property
    def asked(self):
        return self.count > 0


@contextmanager
def stop_requests():
    """A context that gives a StopRequests, which counts the signals SIGINT (Ctrl-C) and SIGTERM.

    The first signal only makes `asked` True, so that the loop can finish its step. The second raises
    KeyboardInterrupt. A signal that was ignored before the context stays ignored. In a thread other than the
    main thread `asked` stays False, and signals have their usual effect, because Python handles signals only
    in the main thread. After the context the handlers are the earlier ones.
    """
    stop, numbers = StopRequests(), (signal.SIGINT, signal.SIGTERM)
    watched = tuple(number for number in numbers if signal.getsignal(number) != signal.SIG_IGN)
    if threading.current_thread() is not threading.main_thread():  # only the main thread can handle signals
        yield stop
        return
    here, there = socket.socketpair()  # Python writes the number of each signal to `there`; read it at `here`
    here.setblocking(False)
    there.setblocking(False)

    def handle(number, frame):
        """Count the signals that came since the last call. Raises KeyboardInterrupt at the second signal.

        number is that of the signal; frame is not used.
        """
        try:
            arrived = sum(byte in watched for byte in here.recv(4096))  # at most 4096 of the bytes that wait
        except BlockingIOError:  # no byte waits
            arrived = 0
        stop.count += max(1, arrived)  # at least the signal of this call, if its byte was lost
        if stop.count > 1:
            raise KeyboardInterrupt

    # Python calls `handle` once for all signals that came during one long kernel; the wakeup descriptor gets
    # one byte for each signal
    wakeup = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
    before = {number: signal.signal(number, handle) for number in watched}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        here.close()
        there.close()


@contextmanager
def sigterm_as_interrupt():
    """A context in which SIGTERM raises KeyboardInterrupt, as Ctrl-C does.

    In threads other than the main thread it does nothing. After the context SIGTERM has its earlier effect.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
