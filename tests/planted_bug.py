"""A bug that a test plants, and the check that must find it."""

from dataclasses import dataclass


@dataclass
class Bug:
    """planted and healthy are the same thing with the bug and without.

    `by` must raise for the first and not for the second.
    """

    text: str
    planted: object
    healthy: object
    by: object
