"""Names of classes in pictures: legible in any script, or the number of the class."""

import numpy as np
import pytest
from PIL import features

from numgan import plot
from numgan.plot import labels

BLACK = np.zeros((1, 8, 8, 1), np.uint8)


def grid(*names):
    return np.asarray(plot.grid(np.repeat(BLACK, len(names), axis=0), 1, names))


@pytest.mark.parametrize(
    "name, text",
    [
        ("cat", "cat"),
        ("", ""),
        ("3", "3"),
        ("naïve", "naïve"),
        ("кот Ω", "кот Ω"),
        ("cafe\u0301", "café"),
        ("日本", r"class 0 (\u65e5\u672c)"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\u202eb\u200b", r"a\u202eb\u200b"),
        ("a\u3000b\u00a0c", "a b c"),
        ("  ", "class 0 (  )"),
        ("\u2800", r"class 0 (\u2800)"),
        ("a$b_c$^{2}", "a$b_c$^{2}"),
        ("\udcc3\udc84", "Ä"),
        ("\ud800", "?"),
        ("x" * 40 + "y", "x" * 19 + "..." + "x" * 9 + "y"),
        ("x" * 32, "x" * 32),
    ],
)
def test_a_name_is_legible(name, text):
    (found,) = plot.legible([name])
    assert text is None or found == text
    assert len(found) <= labels.LONGEST and found.isprintable() and labels.font_of(found) is not None
    assert plot.legible([found]) == [found]
    assert grid(name).shape[0] == grid("cat").shape[0]  # one line


def test_two_names_never_look_alike():
    names = ["日本", "中国", "a" * 30 + "1" + "b" * 20, "a" * 30 + "2" + "b" * 20, "a b", "a\u00a0b", "cat"]
    found = plot.legible(names)
    assert len(set(found)) == len(names) and found[-1] == "cat"
    assert [text.startswith(f"class {k}") for k, text in enumerate(found)] == [True] * 6 + [False]
    assert not np.array_equal(grid("日本"), grid("中国"))
    rows = grid("cat", "日本", "中国")
    one, two = rows[6 + 54 : 6 + 108], rows[6 + 108 : 6 + 162]
    assert not np.array_equal(one[:, :100], two[:, :100])
    assert plot.legible(["same", "same"]) == ["same", "same"]


def test_what_stands_for_a_name_is_told():
    assert plot.replaced(["cat", "日本", "кот", "a\nb"]) == {r"class 1 (\u65e5\u672c)": "日本"}
    assert plot.replaced(["n" * 33]) == {"n" * 19 + "..." + "n" * 10: "n" * 33}


def test_letters_from_right_to_left_need_raqm(monkeypatch):
    names = ["שלום", "قطة"]
    shaped = features.check("raqm") and features.check("fribidi")
    assert (plot.legible(names) == names) == bool(shaped)
    monkeypatch.setattr(labels.features, "check", lambda name: False)
    labels.font_of.cache_clear()
    assert [text[:7] for text in plot.legible(names)] == ["class 0", "class 1"]
    labels.font_of.cache_clear()


def test_without_matplotlib_only_the_letters_of_pillows_font_are_drawn(monkeypatch):
    def missing():
        raise ImportError("no matplotlib")

    for cached in (labels.font_of, labels._wide_font):
        cached.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(labels, "font_path", missing)
        assert plot.legible(["cat", "кот"]) == ["cat", r"class 1 (\u043a\u043e\u0442)"]
    for cached in (labels.font_of, labels._wide_font):
        cached.cache_clear()
    assert plot.legible(["кот"]) == ["кот"]


def test_letters_that_matplotlib_lacks_are_escaped():
    from numgan.plot.figure import plainly

    assert plainly("é日") == r"é\u65e5" and plainly("кот\n$x$") == r"кот\n\$x\$"
