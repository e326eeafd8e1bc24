"""Exact values of the checks of arguments, of the fields of JSON files, and of the observers of passes."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from numgan.core import arguments, probes
from numgan.core.errors import FileFormatError, NonFiniteError
from numgan.core.fields import (
    Anything,
    Choice,
    Each,
    Either,
    Flag,
    Maybe,
    Real,
    Record,
    Text,
    Whole,
    parse,
    read_json,
    read_lines,
)
from numgan.layers import Dense, Dropout, Pass, ReLU, Sequential

# ---- arguments


def test_one_real_number_within_its_bounds():
    for value in (0, 0.0, 3, 2.5, np.float32(1), np.int64(7), np.array(2.0), 1e300):
        assert arguments.is_number(value)
    for value in (-1e-300, -1, np.nan, np.inf, True, "1", None, [1], np.ones(1), 1j, b"1"):
        assert not arguments.is_number(value)
    assert (
        arguments.is_number(2, 2, 3)
        and not arguments.is_number(3, 2, 3)
        and not arguments.is_number(1.9, 2, 3)
    )
    assert arguments.is_number(-5, -5) and not arguments.is_number(-6, -5)


def test_numpy_numbers_become_python_numbers_and_nothing_else_does():
    for value, kind in (
        (np.float32(0.5), float),
        (np.int8(3), int),
        (np.array(4), int),
        (np.float64(2), float),
    ):
        assert type(arguments.plain(value)) is kind and arguments.plain(value) == value
    for value in ("a", None, True, np.True_, np.ones(2), [1], 1j, np.complex64(1)):
        assert arguments.plain(value) is value


def test_the_fields_of_a_record_become_plain():
    @dataclass(frozen=True)
    class Rates:
        a: object
        b: object = None

        def __post_init__(self):
            arguments.plain_fields(self)

    found = Rates(np.float32(0.25), np.int16(3))
    assert (type(found.a), type(found.b), found.a, found.b) == (float, int, 0.25, 3)
    assert Rates("x").a == "x" and Rates(1).b is None


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None, np.int64(0), np.float64(2)])
def test_a_size_is_an_integer_of_at_least_one(value):
    with pytest.raises(ValueError, match="^units: expected an integer of at least 1, got "):
        arguments.positive(value, "units")
    assert [type(arguments.positive(one, "units")) for one in (1, np.int64(3))] == [int, int]


@pytest.mark.parametrize("value", [-1e-9, np.nan, np.inf, True, "0", None])
def test_a_rate_is_a_finite_number_of_at_least_zero(value):
    with pytest.raises(ValueError, match="^rate: expected a finite number of at least 0, got "):
        arguments.not_negative(value, "rate")
    assert (
        arguments.not_negative(0, "rate") == 0
        and type(arguments.not_negative(np.float32(2), "rate")) is float
    )


def test_a_pair_is_vertical_then_horizontal():
    assert arguments.pair(3, "k") == (3, 3) and arguments.pair((1, 2), "k") == (1, 2)
    assert arguments.pair([np.int64(4), 5], "k") == (4, 5)
    assert arguments.brief((3, 3)) == "3" and arguments.brief((1, 2)) == "(1, 2)"
    for value in ((1,), (1, 2, 3), 1.5, (1, 2.0), "ab", None):
        with pytest.raises(ValueError, match="^k: expected an integer or a pair of integers .* got "):
            arguments.pair(value, "k")


def test_samples_are_one_array_of_floats():
    arguments.expect_samples("f", x=np.ones((1, 2)), y=np.ones(1, np.float32))
    for x, got in ((np.ones(2, int), "int64"), ([1.0], "list")):
        with pytest.raises(
            TypeError, match=rf"^f: expected y as one float array \(N, ...\), got {got}; convert"
        ):
            arguments.expect_samples("f", x=np.ones(1), y=x)
    for x, got in ((np.ones((0, 2)), r"\(0, 2\)"), (np.array(1.0), r"\(\)")):
        with pytest.raises(
            ValueError, match=rf"^f: expected x \(N, ...\) with at least one sample, got {got}; draw"
        ):
            arguments.expect_samples("f", x=x)


def test_logits_are_finite_and_draws_have_a_generator():
    arguments.expect_finite("f", np.zeros(3), np.ones(2))
    for bad in (np.inf, -np.inf, np.nan):
        with pytest.raises(NonFiniteError, match="^f: expected finite logits D"):
            arguments.expect_finite("f", np.zeros(3), np.array([0.0, bad]))
    arguments.expect_rng("f", np.random.default_rng(0))
    for rng in (None, 3, "seed"):
        with pytest.raises(ValueError, match="^f: expected rng as a numpy Generator, got "):
            arguments.expect_rng("f", rng)


# ---- fields

FITTING = [
    (Whole(), [0, 10**12], [-1, 10**12 + 1, True, 1.0, "1", None]),
    (Whole(2, 5), [2, 5], [1, 6]),
    (Real(), [0, -1e308, 1.7976931348623157e308, 2.5], [float("inf"), float("nan"), True, "1", None]),
    (Real(0, 1), [0, 1, 0.5], [-1e-9, 1.0000001]),
    (Flag(), [True, False], [0, 1, "true", None]),
    (Text(), ["", "a" * 1000, "\udc80"], ["a" * 1001, "a\0b", 1, None, "\ud800"]),
    (Text(2), ["ab"], ["abc"]),
    (Choice(("a", "b")), ["a", "b"], ["c", "", None, ["a"]]),
    (Either((Flag(), Whole(1, 2))), [True, 1, 2], [0, 3, "1"]),
    (Maybe(Whole(1, 2)), [None, 1, 2], [0, "1"]),
    (Each(Whole(1, 2)), [[], [1, 2]], [[0], [1, 3], (1,), None, {}]),
    (Record({"a": Flag()}), [{"a": True}], [{}, {"a": 1}, {"a": True, "b": 1}, [], None]),
    (Record({}, {"a": Flag()}, Whole()), [{}, {"a": True, "b": 1}], [{"a": 1}, {"b": "1"}, {"b\0": 1}]),
    (Anything(), [None, 1, "a"], []),
]


@pytest.mark.parametrize("kind, right, wrong", FITTING, ids=lambda value: type(value).__name__)
def test_what_fits_a_field(kind, right, wrong):
    for value in right:
        assert kind.fits(value)
        kind.expect(value, "here")
    for value in wrong:
        assert not kind.fits(value)
        with pytest.raises(ValueError, match="^(here|a field's name in here).*: expected "):
            kind.expect(value, "here")


@pytest.mark.parametrize(
    "kind, value, message",
    [
        (Whole(), -1, "here: expected a whole number from 0 to 1,000,000,000,000, got -1"),
        (Real(), "1", "here: expected a finite number, got '1'"),
        (Real(0.5, 1000), 0, "here: expected a finite number from 0.5 to 1,000, got 0"),
        (Text(2000), 1, "here: expected text of at most 2,000 characters, got 1"),
        (Choice(("a", "b")), 1, "here: expected one of a, b, got 1"),
        (Either((Flag(), Real())), "x", "here: expected true or false, or a finite number, got 'x'"),
        (Maybe(Flag()), 1, "here: expected true or false, got 1"),
        (Each(Flag()), {}, "here: expected a list, got {}"),
        (Each(Flag()), [True, 3, 4], "here[1]: expected true or false, got 3"),
        (Record({"a": Flag()}), {}, "here.a: expected true or false, got nothing: the field is missing"),
        (
            Record({"a": Flag()}, {"b": Flag()}),
            {"a": True, "c": 1},
            "here.c: expected one of the fields a, b",
        ),
        (Record({"a": Record({"b": Flag()})}), {"a": {"b": 0}}, "here.a.b: expected true or false, got 0"),
        (Record({}), 7, "here: expected named fields, got 7"),
    ],
)
def test_a_message_names_the_field(kind, value, message):
    with pytest.raises(ValueError) as error:
        kind.expect(value, "here")
    assert str(error.value) == message


def test_json_is_read_with_its_kind(tmp_path):
    kind, path = Record({"a": Whole()}), tmp_path / "f.json"
    assert parse(b'{"a": 3}', kind) == {"a": 3}
    with pytest.raises(ValueError, match="^a: expected a whole number"):
        parse(b'{"a": -3}', kind)
    with pytest.raises(ValueError, match="^the JSON text: expected named fields, got 3"):
        parse(b"3", kind)
    path.write_text('{"a": 4}')
    assert read_json(path, kind, "do this") == {"a": 4}
    for text in ("{", '{"a": "4"}', "[" * 100_000):
        path.write_text(text)
        with pytest.raises(FileFormatError, match="f.json: .*; do this$"):
            read_json(path, kind, "do this")


def test_lines_are_read_up_to_a_step(tmp_path):
    kind, path = Record({"step": Whole(1)}), tmp_path / "f.jsonl"
    read = lambda upto: [record["step"] for record in read_lines(path, kind, upto, "do this")]
    assert read(9) == []
    whole = "".join(json.dumps({"step": step}) + "\n" for step in (1, 4, 5))
    path.write_text(whole)
    assert [read(upto) for upto in (0, 1, 3, 4, 5, 9)] == [[], [1], [1], [1, 4], [1, 4, 5], [1, 4, 5]]
    path.write_text(whole + '{"ste')
    assert read(9) == [1, 4, 5]
    path.write_text(whole + '{"ste\n{"step": 6}\n')
    with pytest.raises(
        FileFormatError, match="f.jsonl, line 5: expected valid lines .* invalid line 4; do this"
    ):
        read(9)
    for again in (5, 4):
        path.write_text(whole + json.dumps({"step": again}) + "\n")
        with pytest.raises(
            FileFormatError, match=f"line 4: step: expected more than the 5 .* got {again}; do this"
        ):
            read(9)


# ---- observers


def test_every_pass_is_observed_once():
    net, seen = Sequential(Dense(2, 3), ReLU()), []
    p, x = net.init(0), np.ones((4, 2), np.float32)

    def around(layer, name, arguments, words, call):
        seen.append((type(layer).__name__, name))
        return call()

    assert not probes.unfused()
    with probes.observe(around):
        assert probes.unfused()
        y, cache = net.forward(p, x)
        net.backward(y, cache)
    with probes.observe(around, unfused=False):
        assert not probes.unfused()
    forward = [("Sequential", "forward"), ("Dense", "forward"), ("ReLU", "forward")]
    assert seen[:3] == forward and sorted(seen) == sorted(
        forward + [(layer, "backward") for layer in ("Sequential", "Dense", "ReLU")]
    )
    net.forward(p, x)
    assert len(seen) == 6 and not probes.unfused()


def test_the_layer_that_makes_inf_is_named():
    net = Sequential(Dense(2, 3), Sequential(ReLU(), Dense(3, 1)), Dropout(0.5))
    p, x = net.init(0), np.ones((4, 2), np.float32)
    with probes.watch_finite():
        net.forward(p, x, Pass(1))
    p["1.1.W"][0, 0] = np.inf
    net.forward(p, x, Pass())
    for words in ({}, {"context": Pass()}):
        with np.errstate(all="ignore"), probes.watch_finite(), pytest.raises(NonFiniteError) as error:
            net.forward(p, x, **words) if words else net.forward(p, x, Pass())
        assert str(error.value) == "the output of 1.1 Dense(3, 1) is not finite"
        assert error.value.layer is net.children["1"].children["1"]


def test_the_sides_of_kinks_are_recorded():
    net, p, x = ReLU(), {}, np.array([[-1.0, 2.0]])
    probes.kink(lambda: pytest.fail("nobody records"))
    sides = []
    for inputs in (x, 3 * x, -x):
        with probes.record_kinks() as found:
            net.forward(p, inputs)
        sides.append(found)
    assert sides[0] == sides[1] != sides[2] and len(sides[0]) == 1
