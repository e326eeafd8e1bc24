"""What `numgan health` says of runs that are known to be good or bad.

    python benchmarks/health_runs.py            one line for each run: the cause of its illness, the verdicts
    python benchmarks/health_runs.py --all      every sentence, also of the checks that are ok

The runs are those of tests/health_cases.py. Their causes were made by hand, so it is known what is wrong.
tests/evaluation/test_health_runs.py holds the level of every check.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from health_cases import CASES, run_of  # noqa: E402

from numgan.evaluation.health import examine, worst  # noqa: E402


def main(words):
    print(f"{'run':<22}{'cause':<48}{'worst':<7}checks that are not ok")
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            found = examine(run_of(case, Path(folder)))
        bad = ", ".join(f"{v.check} {v.level}" for v in found if v.level != "ok") or "none"
        print(f"{name:<22}{case.cause:<48}{worst(found):<7}{bad}")
        if "--all" in words:
            for verdict in found:
                print(f"    {verdict.level:<5} {verdict.check}: {verdict.says}")
                if verdict.advice:
                    print(f"          {verdict.advice}")


if __name__ == "__main__":
    main(sys.argv[1:])
