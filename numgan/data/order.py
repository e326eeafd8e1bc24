"""The natural order of names: numbers in names count as numbers, so "2" is before "10"."""

import re


def natural(word):
    """The key by which names are sorted in natural order: sorted(words, key=natural)."""
    parts = re.findall(r"[0-9]+|[^0-9]+", word)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], word
