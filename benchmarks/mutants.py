"""Make random small mistakes in the sources, and check whether the tests of the same chapter fail.

    python benchmarks/mutants.py --number 300 --seed 1 --processes 2     in a checkout, with -e ".[test]"
    python benchmarks/mutants.py --chapter losses --number 50              one chapter
    python benchmarks/mutants.py --number 300 --seed 1 --again           try its survivors again

A mutant is the package with one changed expression or statement: an operator, a constant, an argument, a
bound (`mistakes.py`). It is killed when a test of its chapter (`CHAPTERS`) fails. Of these tests, only those
run that execute the changed line, the fastest first. They stop after the first failure, or when the tests
that have run would take SECONDS on the unchanged code. A mutant that takes several times longer is killed by
the clock.

Prints one JSON line for each survivor, and at the end one for each chapter. All results are written to the
file --out, by default mutants-SEED.jsonl. An interrupted run is resumed from this file.
`mutants_equivalent.jsonl` beside this script lists the mutants that a person has judged to compute the same
as the original, with the reasons. They are counted separately.

Not changed: messages, reprs and summaries, decorators, annotations, strings, and the presets of systems (129
units in place of 128 are no mistake). The mutants are made in a copy of the checkout in a temporary folder.
Each runs in a fork of this process, which has imported the other packages but not numgan.
"""

import argparse
import hashlib
import importlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from functools import partial
from pathlib import Path

from mistakes import chosen, mutated

ROOT = Path(__file__).resolve().parents[1]
JUDGED = Path(__file__).with_name("mutants_equivalent.jsonl")
SECONDS = 20  # most seconds of tests for one mutant, measured on the unchanged code

CHAPTERS = {  # chapter: (its sources in numgan/, its tests in tests/)
    "layers": (
        "layers/[!s]*.py layers/s[!u]*.py networks/*.py core/parameters.py",
        "layers/* networks/* checking/test_[!m]* checking/test_messages kernels/test_memory "
        "remedies/test_regularizer* systems/*",
    ),
    "losses": (
        "losses/*.py remedies/[!cpu_]*.py",
        "losses/* networks/* remedies/test_[lnr]* checking/test_bugzoo systems/*",
    ),
    "penalties": (
        "remedies/penalties.py",
        "remedies/* checking/test_bugzoo networks/* systems/test_objectives*",
    ),
    "unrolling": (
        "remedies/unrolling.py",
        "remedies/test_unrolling* checking/test_bugzoo systems/test_objectives*",
    ),
    "consensus": (
        "remedies/consensus.py",
        "remedies/test_consensus* checking/test_bugzoo networks/* systems/test_objectives*",
    ),
    "optimisers": (
        "optimizers/*.py",
        "optimizers/* checking/test_bugzoo networks/* remedies/test_regularizer*",
    ),
    "data": ("data/*.py", "data/* systems/test_family networks/*"),
    "checkpoint": ("training/checkpoint.py training/state.py", "training/* systems/test_family"),
    "metrics": ("metrics/*.py", "metrics/* studies/test_parzen networks/*"),
    "systems": (
        "systems/*.py systems/*/*.py",
        "systems/* networks/* remedies/test_regularizer* remedies/test_consensus* remedies/test_unrolling* "
        "checking/test_bugzoo evaluation/test_judging*",
    ),
    "training": (
        "training/step.py training/blame.py training/loop.py training/sampling.py core/randomness.py",
        "training/* systems/* checking/test_bugzoo",
    ),
}


def tests_of(chapter):
    """The paths of the chapter's test files, in the order of its patterns."""
    paths = (
        path for word in CHAPTERS[chapter][1].split() for path in sorted((ROOT / "tests").glob(f"{word}.py"))
    )
    return list(dict.fromkeys(str(path.relative_to(ROOT)) for path in paths if path.name.startswith("test_")))


# ---- tests in forks


IMPORTED = (
    "coverage hypothesis.extra.numpy matplotlib.figure numpy.testing "
    "PIL.Image pooch pytest threadpoolctl tqdm"
).split()


def import_all_but_numgan():
    """Import in the parent what every fork needs, and nothing of numgan."""
    for name in IMPORTED:
        importlib.import_module(name)


class Slot:
    """A copy of the checkout. At most one fork at a time runs tests in it."""

    def __init__(self, folder):
        self.root = folder / "numgan"
        names = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("\0")
        names += [str(path.relative_to(ROOT)) for path in (ROOT / "numgan").rglob("*.so")]
        for name in filter(None, names):
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.root / name)
        self.made, self.child = 0, None

    def start(self, job, mutant=None, cpu=None):
        """Write the mutant, if any, into the copy, and run job(report) in a fork.

        report   report(value): `finished` will return this value
        cpu      the limit of the fork's processor time in seconds, or None
        """
        self.mutant, self.cpu = mutant, cpu
        if mutant:
            self.made += 1  # a new modification time, else Python uses old bytecode
            self.write(mutated((ROOT / mutant["file"]).read_bytes(), mutant), 1_000_000_000 + self.made)
        self.began = time.monotonic()
        self.child = os.fork()
        if self.child == 0:
            try:
                self._in_child(job, cpu)
            finally:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)

    def write(self, source, when):
        """Write the mutant's file into the copy, with the modification time `when`."""
        path = self.root / self.mutant["file"]
        path.write_bytes(source)
        os.utime(path, (when, when))

    def _in_child(self, job, cpu):
        """Set up the forked child process, run the job, and exit."""
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background job
        os.chdir(self.root)
        if cpu:
            resource.setrlimit(resource.RLIMIT_CPU, (int(cpu), int(cpu) + 5))
        resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
        for number in (1, 2):
            os.dup2(os.open(self.root.parent / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ |= {
            "PYTHONPATH": str(self.root),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self.root.parent / "hypothesis"),
        }
        sys.path.insert(0, str(self.root))
        with open(self.root.parent / "report.json", "w") as file:
            job(lambda value: (file.seek(0), file.truncate(), json.dump(value, file), file.flush()))
        os._exit(0)

    def finished(self):
        """None while the fork runs. Then the reported value or {"killed by": "clock", a signal or "exit"}."""
        pid, status = os.waitpid(self.child, os.WNOHANG)
        late = self.cpu and time.monotonic() - self.began > 10 * self.cpu
        if not pid and not late:
            return None
        if not pid:
            os.killpg(self.child, signal.SIGKILL)
            _, status = os.waitpid(self.child, 0)
        else:
            try:
                os.killpg(self.child, signal.SIGKILL)  # processes that a failed test left
            except ProcessLookupError:
                pass
        self.child = None
        if self.mutant:
            self.write((ROOT / self.mutant["file"]).read_bytes(), 1_000_000_000)
        shutil.rmtree(self.root.parent / "hypothesis", ignore_errors=True)
        text = (self.root.parent / "report.json").read_text()
        if late or os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL):
            return {"killed by": "clock"}
        if os.WIFSIGNALED(status):
            return {"killed by": f"signal {os.WTERMSIG(status)}"}
        return json.loads(text) if text else {"killed by": "exit"}


def run_jobs(slots, jobs, done):
    """Run every (job, mutant, cpu, key) in one of the slots, and call done(key, report) after each."""
    jobs, running = list(jobs)[::-1], {}
    while jobs or running:
        for slot in slots:
            if slot not in running and jobs:
                job, mutant, cpu, key = jobs.pop()
                slot.start(job, mutant, cpu)
                running[slot] = key
        for slot in list(running):
            report = slot.finished()
            if report is not None:
                done(running.pop(slot), report)
        time.sleep(0.01)


OPTIONS = [
    "-q",
    "--assert=plain",
    "-p",
    "no:cacheprovider",
    "--no-header",
    "--tb=line",
    "-p",
    "no:randomly",
    "--hypothesis-seed=0",
]


def survey(name, report):
    """Run one test file, and report {"tests": {test: seconds}, "lines": {file: {line: [tests]}}}.

    "tests" are those that pass. "lines" says which tests execute each line of the package.
    """
    import coverage
    import pytest

    cover = coverage.Coverage(data_file=None, source_pkgs=["numgan"], config_file=False)
    seconds = {}

    class Watch:
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(self, item):
            cover.switch_context(item.nodeid)
            self.began = time.process_time()
            result = yield
            seconds.setdefault(item.nodeid, time.process_time() - self.began)
            cover.switch_context("")
            return result

        def pytest_runtest_logreport(self, report):
            if not report.passed and (report.failed or report.when == "setup"):
                seconds[report.nodeid] = None  # fails or is skipped on unchanged code

    cover.start()
    pytest.main([*OPTIONS, name], plugins=[Watch()])
    cover.stop()
    data, lines = cover.get_data(), {}
    for file in data.measured_files():
        lines[os.path.relpath(file, os.getcwd())] = dict(data.contexts_by_lineno(file))
    report({"tests": {test: took for test, took in seconds.items() if took is not None}, "lines": lines})


def trial(chapter, tests, report):
    """Run these tests in their order until one fails, and report it as {"killed by": test}.

    The tests of the chapter's first file run first. If one fails, the other files are not imported.
    """
    import pytest

    order, killers = {test: i for i, test in enumerate(tests)}, []

    class Order:
        def pytest_collection_modifyitems(self, items):
            items[:] = sorted(
                (item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid]
            )

        def pytest_runtest_logreport(self, report):
            if report.failed:
                killers.append(report.nodeid)

    report({"killed by": "exit"})
    used = {test.split("::")[0] for test in tests}
    files = [file for file in tests_of(chapter) if file in used]
    for some in (files[:1], files[1:]):
        code = pytest.main([*OPTIONS, "-x", *some], plugins=[Order()]) if some else 0
        if code and code != 5:  # 5: the mutant changed the tests' names
            report({"killed by": killers[0] if killers else "import" if code == 2 else f"pytest {int(code)}"})
            return
    report({"killed by": None})


def surveyed(slots, names, folder):
    """{name: report of `survey`} for these test files.

    The reports are cached in `folder`, by a hash of sources and tests.
    """
    folder.mkdir(exist_ok=True)
    patterns = [f"numgan/{pattern}" for sources, _ in CHAPTERS.values() for pattern in sources.split()]
    patterns += ["tests/conftest.py", "tests/*/conftest.py", "tests/*_cases.py", "tests/bugzoo/*.py"]
    fixed = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    package = b"".join(path.read_bytes() for path in fixed)
    known, todo = {}, {}
    for name in names:
        tests = (ROOT / name).read_bytes()
        file = folder / f"{Path(name).stem}-{hashlib.sha256(package + tests).hexdigest()[:16]}.json"
        if file.exists():
            known[name] = json.loads(file.read_text())
        else:
            todo[name] = file

    def done(name, found):
        if "tests" not in found:
            said = "".join((slot.root.parent / "output.txt").read_text()[-2000:] for slot in slots)
            sys.exit(f"{name} cannot be run: {found}\n{said}")
        todo[name].write_text(json.dumps(found))
        known[name] = found
        print(
            f"mutants: {name}: {len(found['tests'])} tests, {sum(found['tests'].values()):.0f} s",
            file=sys.stderr,
            flush=True,
        )

    run_jobs(slots, [(partial(survey, name), None, None, name) for name in todo], done)
    return known


def covering(mutant, known):
    """(tests, their seconds, number of covering tests): the fastest tests of a mutant, SECONDS in all.

    A test covers a mutant if it executes the changed expression or, if no test does, the statement around it.
    """
    seconds, hits = {}, set()
    for name in tests_of(mutant["chapter"]):
        seconds |= known[name]["tests"]
        lines = known[name]["lines"].get(mutant["file"], {})
        for first, last in ((mutant["line"], mutant["last"]), mutant["statement"]):
            here = {test for line in range(first, last + 1) for test in lines.get(str(line), ())}
            if here:
                break
        if here == {""}:  # it runs at import, so every test covers it
            here = set(known[name]["tests"])
        hits |= here
    tests = sorted((test for test in hits if test in seconds), key=lambda test: seconds[test])
    spent = 0.0
    for i, test in enumerate(tests):
        spent += seconds[test]
        if spent > SECONDS and i:
            return tests[:i], spent - seconds[test], len(tests)
    return tests, spent, len(tests)


# ---- the command


def _lines(path):
    """The JSON objects in the lines of a file; none if there is no file."""
    return map(json.loads, path.read_text().splitlines()) if path.exists() else ()


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--chapter", action="append", choices=CHAPTERS, help="only this one; may be given again"
    )
    parser.add_argument("--again", action="store_true", help="try the survivors of an earlier run once more")
    parser.add_argument("--out", type=Path, help="results, one JSON line a mutant")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / f"mutants-{os.getuid()}",
        help="which test runs which line",
    )
    asked = parser.parse_args(words)
    out, chapters = asked.out or Path(f"mutants-{asked.seed}.jsonl"), asked.chapter or list(CHAPTERS)
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "NUMGAN_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    import_all_but_numgan()

    results = {result["name"]: result for result in _lines(out)}
    judged = {(m["file"], m["old"], m["new"]) for m in _lines(JUDGED)}
    files = {
        chapter: sorted(
            path for pattern in CHAPTERS[chapter][0].split() for path in (ROOT / "numgan").glob(pattern)
        )
        for chapter in chapters
    }
    wanted = list(chosen(asked.number, asked.seed, files, ROOT))
    todo = [
        m
        for m in wanted
        if m["name"] not in results or asked.again and results[m["name"]]["killed by"] is None
    ]
    todo = [m for m in todo if not (asked.again and (m["file"], m["old"], m["new"]) in judged)]
    with tempfile.TemporaryDirectory() as folder:
        slots = [Slot(Path(folder, str(i))) for i in range(asked.processes)]
        names = list(dict.fromkeys(name for m in todo for name in tests_of(m["chapter"])))
        known, jobs = surveyed(slots, names, asked.cache), []
        for mutant in todo:
            tests, seconds, covered = covering(mutant, known)
            mutant |= {"tests": len(tests), "covered": covered, "seconds": round(seconds, 1)}
            jobs.append((partial(trial, mutant["chapter"], tests), mutant, 3 * seconds + 60, mutant))

        def done(mutant, report):
            results[mutant["name"]] = mutant | report
            with open(out, "a") as file:
                file.write(json.dumps(results[mutant["name"]]) + "\n")
            if report["killed by"] is None and (mutant["file"], mutant["old"], mutant["new"]) not in judged:
                shown = {
                    "survived": f"{mutant['file']}:{mutant['line']}",
                    "old": mutant["old"],
                    "new": mutant["new"],
                    "tests": mutant["tests"],
                    "covered": mutant["covered"],
                }
                print(json.dumps(shown), flush=True)

        run_jobs(slots, jobs, done)
    figures = {chapter: Counter() for chapter in [*chapters, "all"]}
    for mutant in wanted:
        killer = results[mutant["name"]]["killed by"]
        verdict = "timeout" if killer == "clock" else "killed" if killer else "survived"
        if verdict == "survived" and (mutant["file"], mutant["old"], mutant["new"]) in judged:
            verdict = "equivalent"
        for chapter in (mutant["chapter"], "all"):
            figures[chapter][verdict] += 1
    for chapter, count in figures.items():
        dead, alive = count["killed"] + count["timeout"], count["survived"]
        print(
            json.dumps(
                {
                    "chapter": chapter,
                    "killed": count["killed"],
                    "timeout": count["timeout"],
                    "survived": alive,
                    "equivalent": count["equivalent"],
                    "share": round(dead / (dead + alive), 4) if dead + alive else None,
                }
            )
        )


if __name__ == "__main__":
    main()
