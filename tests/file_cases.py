"""A short run, and ways to spoil its files, for the tests of files."""

import json
import os
import shutil

from numgan import data
from numgan.training import loop as training
from numgan.training.recipes import Recipe

RECIPE = Recipe("gan", "digits", "digits", width=0.05, settings={"k": 1})


SYSTEM, DIGITS = RECIPE.build(), data.load("digits")


def resume(run, steps=6):
    return training.train(SYSTEM, DIGITS, run, steps=steps, resume=True, progress=False)


def seen(folder):
    """All of a folder, so that a change of any file shows."""
    return {
        path: (
            os.lstat(path).st_mode,
            os.lstat(path).st_ino,
            os.lstat(path).st_size,
            os.lstat(path).st_mtime_ns,
        )
        for path in folder.rglob("*")
    }


def plant(path, what, victim):
    """Something that numgan did not make, under this name."""
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)
    {
        "link": lambda: path.symlink_to(victim),
        "dangling": lambda: path.symlink_to(victim.with_name("nowhere")),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "to a folder": lambda: path.symlink_to(victim.parent),
        "file": lambda: path.write_text("mine"),
    }[what]()


def change(path, where, value):
    """Set one field of a JSON file."""
    whole = json.loads(path.read_text())
    inner = whole
    for name in where[:-1]:
        inner = inner[name]
    inner[where[-1]] = value
    path.write_text(json.dumps(whole))
