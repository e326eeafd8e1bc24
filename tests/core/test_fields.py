"""Fields of JSON files: every field of a run's files is checked before anything is written."""

import json
import os
import tracemalloc
from dataclasses import MISSING, asdict, dataclass, replace

import numpy as np
import pytest
from file_cases import DIGITS, RECIPE, SYSTEM, change, resume, seen

from numgan.core import fields
from numgan.core.arguments import is_integer
from numgan.core.errors import FileFormatError
from numgan.training import checkpoint, runs
from numgan.training import loop as training

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and pipes")


FIELDS = [
    (("resumed",), None),
    (("resumed",), [None]),
    (("resumed",), [{"step": -1, "versions": {}}]),
    (("resumed",), [{"step": 1}]),
    (("steps",), 0),
    (("steps",), 10**13),
    (("steps",), 4.0),
    (("steps",), True),
    (("batch_size",), 10**9),
    (("seed",), 2**63),
    (("log_every",), None),
    (("picture_every",), 10**30),
    (("classes",), "0123456789"),
    (("classes",), [1]),
    (("classes",), ["\0"]),
    (("classes",), ["a" * 1001]),
    (("source",), 1),
    (("networks",), []),
    (("networks",), {"G": None}),
    (("optimizers",), {"D": 3}),
    (("versions",), "1"),
    (("versions", "threads"), -1),
    (("versions", "fast_convolutions"), 1),
    (("versions", "numpy"), None),
    (("diverged",), 5),
    (("recipe",), []),
    (("recipe", "system"), "gone"),
    (("recipe", "system"), ["gan"]),
    (("recipe", "preset"), None),
    (("recipe", "data"), 3),
    (("recipe", "folder"), False),
    (("recipe", "loss"), "max"),
    *(
        ((("recipe", "width"), value))
        for value in (1e300, 10**9, 0, -1, float("inf"), float("nan"), "1", None, True)
    ),
    *(
        ((("recipe", word), value))
        for word in ("lr", "weight_decay")
        for value in (-1, float("nan"), 1e39, "0.1")
    ),
    *(((("recipe", "average"), value)) for value in (2, "nan", -0.1)),
    (("recipe", "smooth"), 1.5),
    *(((("recipe", "settings"), {"k": value})) for value in (float("nan"), 1e300, -1, "1", None, [1])),
    (("recipe", "settings"), [1]),
]


@pytest.mark.parametrize("where, value", FIELDS, ids=lambda part: repr(part)[:40])
def test_every_field_of_a_configuration_is_checked(where, value, run):
    change(run / "config.json", where, value)
    before = seen(run)
    with pytest.raises(FileFormatError, match="config.json: " + r"\.".join(where[:2])):
        resume(run)
    assert seen(run) == before


@pytest.mark.parametrize(
    "where", [("steps",), ("classes",), ("versions",), ("recipe", "width"), ("recipe", "settings")]
)
def test_a_missing_field_is_named(where, run):
    whole = json.loads((run / "config.json").read_text())
    del (whole if len(where) == 1 else whole[where[0]])[where[-1]]
    (run / "config.json").write_text(json.dumps(whole))
    with pytest.raises(FileFormatError, match=f"config.json: {'.'.join(where)}: .*the field is missing"):
        runs.read_config(run)


@pytest.mark.parametrize(
    "where, value, match",
    [
        (("classes",), list("012345678"), "classes: expected 0, 1"),
        (("networks",), {"G": "x"}, "networks: expected D, G"),
        (("optimizers",), {}, "optimizers: expected D, G, .* got none"),
        (("steps",), 3, "checkpoint.npz: step: expected at most the 3 of config.json, got 4"),
        (("recipe", "settings"), {"m": 1}, "recipe: GAN has no setting 'm'"),
        (("recipe", "settings"), {"k": 10**9}, "recipe: k: expected a whole number from 0 to 1,000,000, got"),
        (("recipe", "preset"), "gone", "recipe: preset"),
        (("recipe", "average"), 1, "recipe: average"),
        (("recipe", "data"), "ring", "recipe: gan digits takes pictures"),
    ],
)
def test_fields_that_do_not_fit_each_other(where, value, match, numgan, run):
    change(run / "config.json", where, value)
    before = seen(run)
    code, out, err = numgan("train", "--resume", run)
    assert code == 2 and out == "" and "Traceback" not in err
    with pytest.raises(FileFormatError, match=match):
        runs.open_run(run)
    assert seen(run) == before


@pytest.mark.parametrize("width", [1e-4, 1000])
def test_a_width_that_is_not_the_checkpoints_costs_no_memory(width, run):
    change(run / "config.json", ("recipe", "width"), width)
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="checkpoint.npz"):
        runs.open_run(run)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "words",
    [
        {"picture_every": 10**30},
        {"log_every": 10**13},
        {"steps": 10**13},
        {"seed": 2**63},
        {"batch_size": 10**7},
        {"recipe": replace(RECIPE, preset=None)},
    ],
)
def test_what_could_not_be_read_is_not_written(words, tmp_path):
    with pytest.raises(ValueError, match=next(iter(words))):
        training.train(SYSTEM, DIGITS, tmp_path / "run", **{"steps": 1, "progress": False} | words)
    assert not (tmp_path / "run").exists()


LINES = [
    ({"step": 0}, "step"),
    ({"step": None}, "step"),
    ({"epoch": -1}, "epoch"),
    ({"losses": {"D": "high"}}, r"losses\.D"),
    ({"losses": []}, "losses"),
    ({"metrics": {"D(x)": [1]}}, r"metrics\.D\(x\)"),
    ({"gradients": 3}, "gradients"),
    ({"seconds": -1}, "seconds"),
    ({"seconds": "long"}, "seconds"),
    ({"seconds": float("nan")}, "seconds"),
    ({"losses": {"D": 1e999}}, r"losses\.D"),
    ({"losses": {"D": 10**400}}, r"losses\.D"),
    ({"step": 3}, "step"),
]


@pytest.mark.parametrize("words, field", LINES, ids=repr)
def test_every_field_of_a_record_is_checked(words, field, run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    lines[3] = json.dumps(json.loads(lines[3]) | words)
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    before = seen(run)
    with pytest.raises(FileFormatError, match=f"metrics.jsonl, line 4: {field}: expected"):
        resume(run)
    assert seen(run) == before


def test_a_torn_end_is_cut_and_a_torn_middle_is_refused(run):
    path = run / "metrics.jsonl"
    whole = path.read_bytes()
    for torn in (b'{"step": 5, "los', bytes(500), b"\xff" * 100, b"\n", b"x" * 200_000 + b"\n" + bytes(9)):
        path.write_bytes(whole + torn)
        assert [record["step"] for record in runs.read_metrics(run, 4)] == [1, 2, 3, 4]
    path.write_bytes(
        whole + b'{"step": 5, "losses": 0}\n{"step": 2}\n'
    )  # a later step: what follows is of no account
    assert len(runs.read_metrics(run, 4)) == 4
    path.write_bytes(b"torn\n" + whole)
    with pytest.raises(
        FileFormatError, match="line 2: expected valid lines before this one, got the invalid line 1"
    ):
        runs.read_metrics(run, 4)


def test_every_counter_of_a_checkpoint_has_a_range(tmp_path):
    state, path = checkpoint.State.start(SYSTEM, 0), tmp_path / "checkpoint.npz"
    for word, value in {"step": 10**16, "batches": 2**63 - 1}.items():
        checkpoint.save(path, replace(state, **{word: value}), {"a": 1})
        with pytest.raises(
            FileFormatError,
            match=f"checkpoint.npz, {word}: expected a count of 0 or more, at most 1,000,000,000,000,000",
        ):
            checkpoint.load(path, SYSTEM, {"a": 1})


def test_kinds_say_what_they_expect():
    kind = fields.Record({"a": fields.Whole(1, 9)}, {"b": fields.Maybe(fields.Each(fields.Text(3)))})
    kind.expect({"a": 1, "b": ["x"]}, "")
    kind.expect({"a": 9, "b": None}, "")
    for value, words in (
        ({"a": 10}, "a: expected a whole number from 1 to 9, got 10"),
        ({"a": 1, "b": ["x", "long"]}, "b[1]: expected text of at most 3"),
        ({"a": 1, "c": 1}, "c: expected one of the fields a, b"),
        ([], "the JSON text: expected named fields, got []"),
        ({}, "a: expected a whole number from 1 to 9, got nothing: the field is missing"),
        ({"a": 1, "\ud800": 1}, "a field's name in the JSON text"),
    ):
        with pytest.raises(ValueError) as caught:
            kind.expect(value, "")
        assert words in str(caught.value)


def test_any_value_is_made_fit_for_json():
    value = {"a": np.float32(0.5), "b": (np.inf, [np.nan, 2]), "c": np.array([1, 2]), "d": np.bool_(True)}
    assert fields.for_json(value) == {"a": 0.5, "b": [None, [None, 2]], "c": [1, 2], "d": True}
    assert json.loads(json.dumps(fields.for_json(value))) == fields.for_json(value)


@pytest.mark.parametrize(
    "value, integer",
    [(0, True), (np.int64(3), True), (True, False), (2.0, False), ("1", False), (None, False), (-1, False)],
)
def test_integers_of_at_least_0(value, integer):
    assert is_integer(value) == integer and not is_integer(value, 4)


def test_options_are_fields_with_a_kind():
    @dataclass
    class Request:
        name: str = fields.option(fields.Text(9), default=MISSING)
        size: int | None = fields.option(fields.Maybe(fields.Whole(1, 9)))

    record = fields.Record.of(Request)
    assert record == fields.Record({"name": fields.Text(9), "size": fields.Maybe(fields.Whole(1, 9))})
    assert Request("x") == Request("x", None) and record.fits(asdict(Request("x", 9)))
    assert not record.fits(asdict(Request("x", 10)))
    with pytest.raises(TypeError, match="name"):
        Request()
