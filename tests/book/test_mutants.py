"""benchmarks/mutants.py: each mistake is one change of the sources, and equal seeds give equal mistakes."""

import ast
import json
import sys
from pathlib import Path
from runpy import run_path

import pytest

ROOT = Path(__file__).parents[2]
pytest.importorskip("resource")  # forks and limits of POSIX
sys.path.insert(0, str(ROOT / "benchmarks"))
mistakes, mutants = (
    run_path(str(ROOT / "benchmarks" / f"{name}.py"), run_name=name) for name in ("mistakes", "mutants")
)
sys.path.pop(0)

SOURCE = '''
def f(x, y, *, axis=-1):
    """Words stay: 1 + 1."""
    if x < y or not axis:
        raise ValueError(f"expected {x + y}" + "no mutant here")
    z = max(x, y) - x[1:]
    z += g(x, y, keep=True)
    return z, 2.0
'''


def test_the_mistakes_of_a_small_function():
    found = {mistakes["_text"](new) for _, _, news in mistakes["sites"](ast.parse(SOURCE)) for new in news}
    assert {
        "(x <= y)",
        "(x > y)",
        "(x < y and (not axis))",
        "axis",
        "min",
        "(max(x, y) + x[1:])",
        "(x[1:] - max(x, y))",
        "1 + 1:",
        ":",
        "pass",
        "g(y, x, keep=True)",
        "g(x, y)",
        "False",
        "z -= g(x, y, keep=True)",
        "return (2.0, z)",
        "4.0",
        "0.0",
        "g(y, y, keep=True)",
    } <= found
    assert not any("expected" in text or "Words" in text or "max(y, x)" in text for text in found)


def test_every_mutant_is_one_change_of_a_chapters_sources():
    files = {
        "losses": [ROOT / "numgan/losses/adversarial.py"],
        "data": sorted((ROOT / "numgan/data").glob("*.py")),
    }
    chosen = list(mistakes["chosen"](60, 5, files, ROOT))
    assert len(chosen) > 50 and chosen == list(mistakes["chosen"](60, 5, files, ROOT))
    for mutant in chosen:
        source = (ROOT / mutant["file"]).read_bytes()
        new = mistakes["mutated"](source, mutant)
        ast.parse(new)
        assert (
            new != source
            and mutant["old"] != mutant["new"]
            and mutant["old"].encode() in source
            and mutant["new"].encode() in new
        )


def test_every_chapter_has_its_tests_and_every_judgement_its_reason():
    for sources, tests in mutants["CHAPTERS"].values():
        assert all(list((ROOT / "numgan").glob(pattern)) for pattern in sources.split())
        assert all(list((ROOT / "tests").glob(f"{pattern}.py")) for pattern in tests.split())
    judged = [json.loads(line) for line in mutants["JUDGED"].read_text().splitlines()]
    assert judged and all(mutant["old"] != mutant["new"] and len(mutant["why"]) > 10 for mutant in judged)
    assert all(mutant["old"] in (ROOT / mutant["file"]).read_text() for mutant in judged), "a stale judgement"
