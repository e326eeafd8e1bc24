"""Kill -9 a training run at random moments, resume it each time, and compare its end with that of an uninterrupted run.

    python benchmarks/kill_resume.py                 25 kills
    python benchmarks/kill_resume.py --kills 5 --steps 150 --seed 1

The run saves a checkpoint at every step, so that most kills fall into the writing of one. Prints a JSON object; exit 1 unless
every checkpoint could be read after its kill and the last is byte for byte that of the uninterrupted run.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from numgan.errors import FileFormatError
from numgan.runs import open_run

SYSTEM = ["conditional", "--width", "0.25", "--batch-size", "16"]


def command(*words):
    return [sys.executable, "-m", "numgan", "train", *words, "--checkpoint-every", "1"]


def run_to_the_end(*words):
    subprocess.run(command(*words), check=True, capture_output=True)


def kill_once(folder, words, delay):
    """Start, wait until the checkpoint changes, wait `delay` seconds more, kill. Returns whether the process was still at work."""
    path = folder / "checkpoint.npz"
    before = path.stat().st_mtime_ns if path.exists() else None
    process = subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (path.exists() and (folder / "config.json").exists() and path.stat().st_mtime_ns != before):
        time.sleep(0.002)
    time.sleep(delay)
    process.kill()
    return process.wait() < 0


def trial(root, kills, steps, seed=0):
    """{kills, killed at steps, unreadable checkpoints, equal: whether the ends agree byte for byte}"""
    rng, whole, killed = random.Random(seed), Path(root, "whole"), Path(root, "killed")
    run_to_the_end(*SYSTEM, "--steps", str(steps), "--out", str(whole))
    lines = (whole / "metrics.jsonl").read_text().splitlines()
    pause = 2 * json.loads(lines[-1])["seconds"] / (kills + 2)       # on average, the kills are spread over the whole run
    at, unreadable = [], 0
    words = [*SYSTEM, "--steps", str(steps), "--out", str(killed)]
    for _ in range(kills):
        if not kill_once(killed, words, rng.uniform(0, pause) * 0.8):
            break                                                    # the run came to its end before all kills were spent
        try:
            at.append(open_run(killed).state.step)
        except FileFormatError as error:
            unreadable += 1
            print(error, file=sys.stderr)
        words = ["--resume", str(killed)]
    run_to_the_end("--resume", str(killed))
    equal = (whole / "checkpoint.npz").read_bytes() == (killed / "checkpoint.npz").read_bytes()
    return {"kills": len(at) + unreadable, "steps": steps, "killed_at_steps": at, "unreadable": unreadable, "equal": equal}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        result = trial(root, args.kills, args.steps, args.seed)
    print(json.dumps(result))
    return 0 if result["equal"] and not result["unreadable"] and result["kills"] == args.kills else 1


if __name__ == "__main__":
    sys.exit(main())
