"""The glossary: every word's link leads to code that has it, and the words that it replaced are gone."""

import re
from pathlib import Path

import numgan

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \| \[`([^`]+)`\]\(([^)]+)\) \|$", GLOSSARY.read_text(), re.M)
OLD = (
    *("leaky unit", "`Run`", "ng.Run", "knowing(", "made=None", ".trail(", "renewed(", ".take(indices"),
    *("what it owes", "nobody asks"),
)


def test_every_word_is_linked_to_code_that_has_it():
    assert len(ROWS) > 40
    for word, meaning, name, link in ROWS:
        path = (GLOSSARY.parent / link).resolve()
        assert path.is_file() and len(meaning) > 10, word
        text = path.read_text()
        defined = re.search(rf"\b(class|def) {name.rpartition('.')[2]}\b", text)
        assert name.endswith(("/", ".py")) or defined, (word, name)


def test_the_words_are_in_order():
    words = [word.lower() for word, *_ in ROWS]
    assert words == sorted(words)


def test_the_old_words_are_gone():
    package = Path(numgan.__file__).parent
    for path in [*package.rglob("*.py"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        text = path.read_text()
        assert not [word for word in OLD if word in text], path
