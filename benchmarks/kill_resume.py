"""Kill numgan's commands (SIGKILL) at random moments, start them again, and compare their files.

    python benchmarks/kill_resume.py --kills 300              all of COMMANDS below
    python benchmarks/kill_resume.py --kills 20 --only train,judge --seed 1

Half of the kills happen at a random time between the start of the process and its end. The other half happen
just before a random file operation (open, rename, remove or mkdir), so that every kind of operation is
tested. Of a study only the parent is killed, and it is started again at once. Its trials must then end by
themselves. After five kills a command runs to its end.

At the end all files must equal those of an undisturbed command, byte for byte, except for times and for the
record in config.json that a run was resumed. No other file may exist. Prints a JSON object; exit code 1 if a
file differs.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

COMMANDS = {
    "train": "train conditional --width 0.1 --batch-size 8 --steps 40 --checkpoint-every 3 --out new --json",
    "study": "study ring --quick --seeds 2 --processes 2 --out new --json",
    "judge": "judge --data digits --json",
    "sample": "sample run --count 200 --seed 1 --out drawn.npz --json",
    "picture": "sample run --judge --count 200 --out run/drawn.png --json",
    "evaluate": "evaluate run --quick --count 200 --json",
}
RESUME = "train --resume new --checkpoint-every 3 --json"
KILLS = 5  # of one command, before it runs to its end
PATIENCE = 60  # seconds until the children of a killed parent must be gone

PROGRAM = """if True:
    import os, signal, sys
    from dataclasses import replace
    last, done, here = int(sys.argv.pop(1)), 0, os.getcwd() + os.sep

    def count(event, args):
        global done
        touches = event in ("open", "os.rename", "os.remove", "os.mkdir")
        named = touches and isinstance(args[0], (str, os.PathLike))
        if named and os.path.abspath(args[0]).startswith(here):
            done += 1
            if done == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    from numgan import cli, studies
    from numgan.systems import classifier
    ring, digits = studies.STUDIES["ring"], classifier.digits
    # to save time: one arm of four, and a small judge
    studies.STUDIES["ring"] = replace(ring, arms={"gan": ring.arms["gan"]})
    classifier.PRESETS["digits"] = lambda width=1.0: replace(digits(min(width, 0.1)), steps=40, batch_size=16)
    code = cli.main()
    print(done, file=sys.stderr)
    sys.exit(code)
"""
SPENT = re.compile(
    '"(seconds|minutes|before|steps_per_second)": [0-9.e+-]+|[0-9.]+ minutes'
    r"| [0-9.]+( ± [0-9.]+)? \|(?=\n)"
)  # minutes are the last column of a study's table


def start(home, words, last=0, **options):
    """Start the command in the folder `home`, with its own cache.

    last   it kills itself before file operation number `last`; 0: it does not
    """
    environment = os.environ | {"NUMGAN_CACHE": str(home / "cache"), "NUMGAN_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, str(last), *words.split()]
    return subprocess.Popen(command, cwd=home, env=environment, start_new_session=True, **options)


def to_the_end(home, words):
    """Run the command. Returns (number of file operations, stdout without times).

    RuntimeError, with the end of stderr, if the command fails.
    """
    process = start(home, words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = process.communicate(timeout=300)
    finally:
        kill_group(process)
    if process.returncode:
        raise RuntimeError(f"numgan {words}: exit {process.returncode}: {err.decode()[-400:]}")
    return int(err.split()[-1]), SPENT.sub("", out.decode())


def kill_group(process):
    """Kill a process and all processes of its group, and wait for it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_once(home, words, delay, last, alone):
    """Kill the command after `delay` seconds, or before file operation number `last` if that is not 0.

    Returns its process, or None if it ended first. RuntimeError, with the end of stderr, if it failed.
    alone   kill the command's process only, not its children
    """
    with open(home.parent / "errors", "w+b") as errors:
        process = start(home, words, last, stdout=subprocess.DEVNULL, stderr=errors)
        try:
            process.wait(120 if last else delay)
        except subprocess.TimeoutExpired:
            process.kill() if alone else kill_group(process)
        except BaseException:
            kill_group(process)
            raise
        if process.wait() == -signal.SIGKILL:
            return process
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(f"numgan {words}: exit {process.returncode}: {errors.read().decode()[-400:]}")


def wait_until_gone(groups):
    """Wait until all processes of these groups have ended. RuntimeError, and they are killed, after PATIENCE.

    groups   processes that were started as leaders of their groups
    """
    deadline = time.monotonic() + PATIENCE
    while left := [group for group in groups if members(group)]:
        if time.monotonic() > deadline:
            for group in left:
                kill_group(group)
            raise RuntimeError("a child still runs after its parent was killed")
        time.sleep(0.01)


def members(group):
    """The numbers of the living processes in the group of the process `group`. Linux only; elsewhere []."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            state, _, its = path.read_text().rpartition(")")[2].split()[:3]
            found += [path.parent.name] if int(its) == group.pid and state != "Z" else []
    return found


def contents(home):
    """{name: bytes of the file, None for a folder}, without times and without "resumed" of config.json."""
    found = {}
    for path in sorted(home.rglob("*")):
        data = path.read_bytes() if path.is_file() else None
        if path.name == "config.json":
            config = json.loads(data)
            config.pop("resumed", None)
            data = json.dumps(config).encode()
        words = path.suffix in (".json", ".jsonl", ".md")
        found[str(path.relative_to(home))] = SPENT.sub("", data.decode()) if words else data
    return found


class Trial:
    """One command. It runs undisturbed once; then it is killed and resumed, and the files are compared.

    All happens in the same folder, because some files contain paths.
    """

    def __init__(self, name, root, rng):
        self.name, self.words, self.root, self.home, self.rng = name, COMMANDS[name], root, root / "home", rng
        self.fresh()
        began = time.monotonic()
        self.operations, self.said = to_the_end(self.home, self.words)
        self.seconds, self.whole = time.monotonic() - began, contents(self.home)

    def fresh(self):
        """Restore the folder: a run, and a file of the user that numgan must not touch."""
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self.root / "template", self.home)

    def apply_to_tangent(self):
        """The command for the next start: to resume, if it is `train` and has begun."""
        return RESUME if self.name == "train" and (self.home / "new" / "config.json").exists() else self.words

    def disturbed(self, kills):
        """Kill the command `kills` times, run it to its end, and compare the files.

        Returns (kills, wrong): the number of kills before the command's own end, and the names of the files
        that differ, or the message of an error.
        """
        self.fresh()
        killed, alone = [], self.name == "study"
        try:
            for _ in range(kills):
                delay, last = self.rng.uniform(0, self.seconds), self.rng.randint(1, self.operations)
                last = self.rng.choice([0, last])
                killed += filter(None, [kill_once(self.home, self.apply_to_tangent(), delay, last, alone)])
            said = to_the_end(self.home, self.apply_to_tangent())[1]
            wait_until_gone(killed)
        except RuntimeError as error:
            return len(killed), [str(error)]
        end = contents(self.home)
        names = sorted(end.keys() | self.whole.keys())
        wrong = [name for name in names if end.get(name, "none") != self.whole.get(name, "none")]
        # train prints the steps of its last session only
        return len(killed), wrong + ([] if said == self.said or self.name == "train" else ["stdout"])


def template(root):
    """Make the folder that all commands start from."""
    home = root / "template"
    home.mkdir()
    (home / ".letter.tmp").write_text("mine")
    to_the_end(home, COMMANDS["train"].replace("--out new", "--out run"))


def trial(root, name, kills, rng):
    """{kills, ends, wrong} of one command: kills, comparisons, and a list of names for each failure."""
    command = Trial(name, root, rng)
    found = {"kills": 0, "ends": 0, "wrong": []}
    while found["kills"] < kills:
        met, wrong = command.disturbed(min(KILLS, kills - found["kills"]))
        found["kills"] += met
        found["ends"] += 1
        found["wrong"] += [wrong] if wrong else []
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=30, help="number of all kills (default 30)")
    parser.add_argument("--only", default=",".join(COMMANDS), help="only these commands (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    args = parser.parse_args()
    names, rng, began, found = args.only.split(","), random.Random(args.seed), time.monotonic(), {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        template(root)
        for i, name in enumerate(names):
            found[name] = trial(root, name, (args.kills + i) // len(names), rng)
            print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    kills, seconds = sum(row["kills"] for row in found.values()), round(time.monotonic() - began)
    print(json.dumps({"kills": kills, "seconds": seconds, **found}))
    return int(any(row["wrong"] for row in found.values()))


if __name__ == "__main__":
    sys.exit(main())
