"""Signals: Ctrl-C and SIGTERM ask a training loop to stop; the loop finishes its step and saves.

with stop_requests() as stop:
    while not stop.asked: ...
"""

import signal
import socket
import threading
from contextlib import contextmanager


class StopRequests:
    """A counter of the signals that ask a loop to stop. `asked` is True after the first signal."""

    count = 0

    @property
    def asked(self):
        return self.count > 0


@contextmanager
def stop_requests():
    """A context manager that gives a StopRequests, which counts the signals SIGINT (Ctrl-C) and SIGTERM.

    The first signal only sets `asked`, so that the loop can finish its step. The second raises
    KeyboardInterrupt. A signal that was ignored before stays ignored. Only the main thread can handle
    signals: in another thread `asked` stays False, and signals have their usual effect.
    """
    stop, numbers = StopRequests(), (signal.SIGINT, signal.SIGTERM)
    watched = tuple(number for number in numbers if signal.getsignal(number) != signal.SIG_IGN)
    if threading.current_thread() is not threading.main_thread():  # only the main thread can handle signals
        yield stop
        return
    here, there = socket.socketpair()
    here.setblocking(False)
    there.setblocking(False)

    def handle(number, frame):
        try:
            arrived = sum(byte in watched for byte in here.recv(4096))
        except BlockingIOError:
            arrived = 0
        stop.count += max(1, arrived)
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
    """A context manager in which the signal SIGTERM raises KeyboardInterrupt, as Ctrl-C does.

    In threads other than the main thread it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
