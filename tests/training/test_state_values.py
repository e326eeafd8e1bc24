"""Exact values of seeds, states, checkpoints and samples: what they hold, to the bit, and what is refused."""

import io
import json
import zipfile
from dataclasses import dataclass, replace

import numpy as np
import pytest

import numgan as ng
from numgan import data, systems
from numgan.core.errors import FileFormatError
from numgan.core.randomness import derive, stream
from numgan.data import Dataset, paired
from numgan.data.pixels import to_floats
from numgan.layers import Pass
from numgan.layers.normalization import pooled
from numgan.networks import mlp
from numgan.optimizers import SGD
from numgan.systems import Batch, Latent, System
from numgan.systems.games.two_player import TwoPlayerGAN
from numgan.systems.staged import Staged
from numgan.training import State, advance, checkpoint, sampling
from numgan.training.state import expect_weights

RING, DIGITS = data.load("ring"), data.load("digits")


def game(hidden=3, **words):
    networks = {"G": mlp(2, hidden, 2), "D": mlp(2, hidden, 1)}
    rules = {name: SGD(0.1) for name in networks}
    plain = {"latent": Latent(2), "networks": networks, "optimizers": rules, "sample_shape": (2,)}
    return TwoPlayerGAN(**plain | words)


# ---- randomness


def test_seeds_and_draws_are_the_same_in_every_version():
    assert derive(0) == 7896617691693857887 and derive(5, "step", 0, 1) == 7831354951247873146
    assert derive(2**62, "a") == 7149271671305712786
    assert stream(3, "latent").bit_generator.random_raw(2).tolist() == [
        6435058261296925214,
        1684028307959025577,
    ]
    assert derive(np.int64(5), "step", np.int32(0), True) == derive(5, "step", 0, 1)
    assert all(0 <= derive(seed, "x") < 2**63 for seed in range(200))
    assert max(derive(seed, "x") for seed in range(200)) > 2**62


@pytest.mark.parametrize("seed", [-1, True, False, 1.0, "1", None, np.float64(2)])
def test_a_seed_is_an_integer_of_at_least_zero(seed):
    for draw in (stream, derive):
        with pytest.raises(ValueError, match="seed: expected an integer of at least 0, got "):
            draw(seed, "a")


# ---- states


class Remembering(TwoPlayerGAN):
    def memory(self, dtype=np.float32):
        return {"kept": np.ones(3, dtype)}


def test_a_state_has_one_type():
    system = Remembering(**vars(game(average=0.5)))
    for dtype in (np.float32, np.float64):
        for state in (State.start(system, 3, dtype), State.empty(system, dtype)):
            assert {array.dtype for array in state.vectors().values()} == {np.dtype(dtype)}
            assert state.memory["kept"].tolist() == [1, 1, 1]
    for state in (State.start(system, 3), State.empty(system)):
        assert state.params["G"].dtype == state.memory["kept"].dtype == np.float32


def test_a_state_begins_with_the_systems_parameters_and_those_that_are_given():
    system, given = game(average=0.5), game().init(8)
    state = State.start(system, 3)
    assert state.params == system.init(3, np.float32) and state.averages == {"G": state.params["G"]}
    assert state.averages["G"] is not state.params["G"] and (state.step, state.batches) == (0, 0)
    state = State.start(system, 3, weights={"D": given["D"]})
    assert state.params == {"D": given["D"], "G": system.init(3)["G"]}
    assert state.params["D"] is not given["D"]


def stages():
    """Three stages of 2, 3 and 4 steps. D grows twice; G has an average from the second on."""
    return Staged.of((2, game(3)), (3, game(3, average=0.9)), (4, game(5, average=0.9)))


def test_each_stage_begins_with_what_is_common_and_with_new_draws():
    system, feed = stages(), RING.feed(4, 7)
    state, parts = State.start(system, 7), [stage for _, stage in system.stages]
    assert state.averages == {}
    for step, part in ((2, parts[1]), (5, parts[2])):
        while state.step < step - 1:
            advance(system, state, feed, 7)
        before = {name: p.copy() for name, p in state.params.items()}
        averages = {name: p.copy() for name, p in state.averages.items()}
        sizes = {name: p.vector.size for name, p in state.params.items()}
        advance(system, state, feed, 7)
        fresh = part.init(derive(7, "stage", step), np.float32)
        grown = {name: p.vector.size != sizes[name] for name, p in state.params.items()}
        assert state.step == step and grown == dict.fromkeys(("G", "D"), step == 5)
        for name in ("G", "D"):
            for path in fresh[name]:
                if fresh[name][path].shape == before[name][path].shape:  # only the last bias fits a wider net
                    assert np.abs(state.params[name][path] - before[name][path]).max() < 0.2
                else:
                    assert np.array_equal(state.params[name][path], fresh[name][path])
        if step == 2:
            assert state.averages == {"G": state.params["G"]}  # there was no average before
        else:
            path = "2.b"
            assert not np.array_equal(state.averages["G"][path], state.params["G"][path])
            assert np.abs(state.averages["G"][path] - averages["G"][path]).max() < 0.1
            assert np.array_equal(state.averages["G"]["0.W"], fresh["G"]["0.W"])


def test_a_run_begins_in_its_first_stage():
    """Also if this stage has one step only."""
    system = Staged.of((1, game(3)), (3, game(5, average=0.9, optimizers={"G": SGD(0.1)})))
    state = State.start(system, 3)
    assert state.averages == {} and set(state.moments) == {"G", "D"}
    assert state.params == game(3).init(3) and state.step == 0


def test_weights_must_fit_the_first_stage():
    system = Staged.of((1, game(3)), (3, game(5)))
    expect_weights(system, game(3).init(1))
    with pytest.raises(ValueError, match=r"expected 0.W of \w with shape \(2, 3\), got \(2, 5\)"):
        expect_weights(system, game(5).init(1))
    one, other = game(3).init(1)["G"], ng.Dense(2, 3).init(1)
    with pytest.raises(ValueError, match="weights: expected networks among G, D, got 'X'"):
        expect_weights(system, {"G": one, "X": one})
    with pytest.raises(ValueError, match="weights: expected paths of G such as 0.W, got W, b"):
        expect_weights(system, {"G": other})


# ---- checkpoints


ABOUT = {"a": 1, "b": [2, "x"]}


@pytest.fixture
def saved(tmp_path):
    state = State.start(game(average=0.5), 3)
    state.step, state.batches = 7, 11
    checkpoint.save(tmp_path / "c.npz", state, ABOUT)
    return tmp_path / "c.npz"


def refuse(path, match, about=ABOUT, system=None):
    with pytest.raises(FileFormatError, match=match):
        checkpoint.load(path, system or game(average=0.5), about)


def test_every_entry_is_written_as_zip64_of_a_fixed_date(saved):
    """So entries above 4 GB need no other code; and numpy's format is the first, which all versions read."""
    whole = saved.read_bytes()
    with zipfile.ZipFile(saved) as archive:
        names = [info.filename for info in archive.infolist()]
        assert names[:4] == ["about.npy", "step.npy", "batches.npy", "G.updates.npy"]
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED and info.date_time == (1980, 1, 1, 0, 0, 0)
            name = int.from_bytes(whole[info.header_offset + 26 : info.header_offset + 28], "little")
            extra = whole[info.header_offset + 30 + name :]
            assert extra[:4] == b"\x01\x00\x10\x00"  # the field of ZIP64: two sizes of 8 bytes
            assert int.from_bytes(extra[4:12], "little") == info.file_size
            assert archive.read(info)[:8] == b"\x93NUMPY\x01\x00"


def test_the_description_of_a_run_must_be_equal(saved):
    assert checkpoint.load(saved, game(average=0.5), ABOUT).batches == 11
    refuse(
        saved,
        r"expected a checkpoint of a run with c 3, got one with None; a run continues",
        ABOUT | {"c": 3},
    )
    refuse(saved, r"with b None, got one with \[2, 'x'\]", {"a": 1})
    refuse(saved, "with a 2, got one with 1", {"a": 2, "b": 4})


def rewritten(path, change):
    """Write the archive again with other members {name: bytes}."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(members).items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    "change, said",
    [
        (
            lambda members: members | {"evil.npy": members["step.npy"]},
            "expected the arrays of this system, got ['evil'] besides; it is a checkpoint of another system",
        ),
        (
            lambda members: {name: members[name] for name in members if not name.startswith("D.")},
            "this system, ['D.updates', 'D.weights'] among them, got none of these instead;",
        ),
        (
            lambda members: {name.replace("D.", "C."): members[name] for name in members},
            "system, ['D.updates', 'D.weights'] among them, got ['C.updates', 'C.weights'] instead;",
        ),
    ],
)
def test_missing_and_other_arrays_are_listed(saved, change, said):
    rewritten(saved, change)
    with pytest.raises(FileFormatError) as error:
        checkpoint.load(saved, game(average=0.5), ABOUT)
    assert said in str(error.value) and str(error.value).startswith(f"{saved}: ")


def test_the_least_size_of_a_file_is_that_of_the_weights(saved):
    system = game(average=0.5)
    least = 4 * sum(net.layout.size for net in system.networks.values())
    saved.write_bytes(bytes(least - 1))
    refuse(saved, f"expected a file of at least {least:,} bytes, got {least - 1:,}; it is not a checkpoint")
    saved.write_bytes(bytes(least))
    refuse(saved, "expected a zip file|damaged")


@pytest.mark.parametrize("step, taken", [(10**15, True), (10**15 + 1, False), (0, True)])
def test_counts_are_at_most_1e15(tmp_path, step, taken):
    state = State.start(game(average=0.5), 3)
    state.step = step
    checkpoint.save(tmp_path / "c.npz", state, ABOUT)
    if taken:
        assert checkpoint.load(tmp_path / "c.npz", game(average=0.5), ABOUT).step == step
    else:
        refuse(tmp_path / "c.npz", f"step: expected a count of 0 or more, at most 1,0.*,000, got {step:,};")


@pytest.mark.parametrize("size, taken", [(2**16, True), (2**16 + 1, False)])
def test_a_description_has_at_most_64_kilobytes(tmp_path, size, taken):
    about = {"a": "x" * (size - len(json.dumps({"a": ""})))}
    assert len(json.dumps(about)) == size
    checkpoint.save(tmp_path / "c.npz", State.start(game(average=0.5), 3), about)
    if taken:
        assert checkpoint.load(tmp_path / "c.npz", game(average=0.5), about).step == 0
    else:
        refuse(tmp_path / "c.npz", "about: expected uint8 in one row, got", about)


def test_an_array_in_the_order_of_fortran_is_read_in_its_order(tmp_path):
    class Table(TwoPlayerGAN):
        def memory(self, dtype=np.float32):
            return {"table": np.zeros((2, 3), dtype)}

    system = Table(**vars(game()))
    state = State.start(system, 3)
    state.memory["table"][:] = np.arange(6).reshape(2, 3)
    checkpoint.save(tmp_path / "c.npz", state, ABOUT)
    back = checkpoint.load(tmp_path / "c.npz", system, ABOUT)
    assert np.array_equal(back.memory["table"], np.arange(6).reshape(2, 3))
    turned = io.BytesIO()
    np.lib.format.write_array(turned, np.asfortranarray(state.memory["table"]), version=(1, 0))
    rewritten(tmp_path / "c.npz", lambda members: members | {"memory.table.npy": turned.getvalue()})
    back = checkpoint.load(tmp_path / "c.npz", system, ABOUT)
    assert np.array_equal(back.memory["table"], np.arange(6).reshape(2, 3))


def test_the_identity_of_a_run_is_that_of_all_its_stages():
    one, run = game(), stages()
    plain = checkpoint.identity(one, RING, 4, 1)
    assert plain["first"] == 0 and "stages" not in plain and plain["system"] == "TwoPlayerGAN"
    found = checkpoint.identity(run, RING, 4, 1)
    assert [stage["first"] for stage in found["stages"]] == [0, 2, 5]
    assert [stage["average"] for stage in found["stages"]] == ["0.0", "0.9", "0.9"] and found[
        "average"
    ] == "0.0"
    assert {**found, "stages": None} == {**plain, "stages": None}
    assert found["stages"][0]["networks"] != found["stages"][2]["networks"]
    assert all(len(digest) == 16 for digest in (plain["data"], *plain["networks"].values()))
    assert plain["optimizers"] == {name: repr(rule) for name, rule in one.optimizers.items()}
    assert "steps" not in plain and (plain["k"], plain["pixels"], plain["batch_size"]) == (
        "1",
        "(-1.0, 1.0)",
        4,
    )


def test_the_digest_of_the_data_sees_names_values_and_columns():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    digest = lambda **others: checkpoint.identity(game(), Dataset("d", x, others=others), 4, 1)["data"]
    found = [digest(), digest(y=x), digest(z=x), digest(y=x + 1), digest(y=x, z=x)]
    assert len(set(found)) == 5 and digest(y=x.copy()) == found[1]


# ---- samples


class Row(System):
    """A system without training: a sample is its row, plus noise of D's kind."""

    drawers, made_from, target = ("G",), ("x", "y"), "y"

    def inputs(self, batch, seed):
        return batch["x"]


def rows_system(**words):
    return Row(
        **{"networks": {"G": mlp(2, 2)}, "optimizers": {}, "sample_shape": (2,), "pixels": (0.0, 1.0)} | words
    )


def test_samples_are_made_from_rows_in_a_named_order():
    x = stream(1, "x").standard_normal((7, 2)).astype(np.float32)
    photos = stream(1, "y").integers(0, 256, (7, 3, 3, 1)).astype(np.uint8)
    dataset = Dataset("d", x, others={"y": photos, "z": x})
    sampler = sampling.Sampler(rows_system(), rows_system().init(1), 1, 4, dataset)
    for n in (4, 7, 16):
        chosen = np.resize(stream(3, "rows").permutation(7), n)
        batch = sampler.batch(n, 3)
        assert list(batch) == ["x", "y"] and batch.fakes == n
        assert np.array_equal(batch["x"], x[chosen]) and np.array_equal(
            batch["y"], to_floats(photos[chosen], (0.0, 1.0))
        )
        drawn, labels = sampler(n, 3)
        expected = x[chosen] @ sampler.params["G"]["0.W"] + sampler.params["G"]["0.b"]
        assert labels is None and np.allclose(drawn, expected, atol=1e-6)
    assert sampler.classes == 0


def test_statistics_are_those_of_twenty_named_batches():
    system = systems.build("conditional", "digits", 0.02)
    params = system.init(2)
    sampler, found = sampling.Sampler(system, params, 5, 6, DIGITS), []
    for i in range(20):
        seed = derive(5, "measure", i)
        batch = Batch({"labels": np.resize(np.arange(10), 6)}, number=6)
        _, caches = system.draw(params, system.inputs(batch, seed), {"G": Pass()})
        found.append(system.networks["G"].batch_statistics(caches["G"]))
    inputs = system.inputs(Batch({"labels": np.arange(3)}, number=3), 9)
    exact = system.draw(params, inputs, {"G": Pass(None, pooled(found))})[0]
    assert np.array_equal(sampler(3, 9, [0, 1, 2])[0], exact) and sampler.classes == 10
    other = system.draw(params, inputs, {"G": Pass(None, pooled(found[:-1]))})[0]
    assert not np.array_equal(exact, other)


def test_statistics_are_measured_with_the_noise_that_stays_on():
    system = systems.build("hacks", "digits", 0.02).setting(layer_noise=0.3)
    params, found = system.init(2), []
    for i in range(20):
        inputs = system.inputs(Batch({}, number=4), derive(5, "measure", i))
        _, caches = system.draw(params, inputs, {"G": Pass(derive(5, "measure G"))})
        found.append(system.networks["G"].batch_statistics(caches["G"]))
    context = Pass(derive(9, "G", 0), pooled(found))
    exact = system.draw(params, system.inputs(Batch({}, number=3), 9), {"G": context})[0]
    assert np.array_equal(sampling.Sampler(system, params, 5, 4, DIGITS)(3, 9)[0], exact)


def test_noise_that_stays_on_has_a_seed_for_each_250_samples():
    system = systems.build("hacks", "points", 0.02).setting(layer_noise=0.3)
    assert system.keeps_noise
    params = system.init(2)
    drawn = sampling.Sampler(system, params, 5, 6, RING)(501, 9)[0]
    z = system.inputs(Batch({}, 501), 9)
    for i, part in enumerate((slice(0, 250), slice(250, 500), slice(500, 501))):
        expected = system.draw(params, z[part], {"G": Pass(derive(9, "G", i))})[0]
        assert np.array_equal(drawn[part], expected)


@dataclass(frozen=True, kw_only=True, repr=False)
class Copying(System):
    """A sample is the picture that it is made from, upside down."""

    drawers, made_from, target = ("G",), ("x", "y"), "x"

    def inputs(self, batch, seed):
        return batch["x"]

    def draw(self, params, inputs, contexts):
        cache = self.networks["G"].forward(params["G"], inputs, contexts["G"])[1]
        return -inputs, {"G": cache}


@pytest.mark.parametrize("count, columns", [(1, 2), (9, 2), (16, 4), (36, 6), (64, 8), (None, 8)])
def test_a_sample_lies_beside_the_picture_that_it_is_made_from(count, columns, monkeypatch):
    laid = []
    monkeypatch.setattr(sampling.plot, "grid", lambda *words: laid.append(words) or "grid")
    dataset = paired("p", x=Dataset("a", DIGITS.x[:80]), y=Dataset("b", DIGITS.x[:80, :4]))
    system = Copying(networks={"G": ng.Sequential(ng.ReLU())}, optimizers={}, sample_shape=(8, 8, 1))
    sampler = sampling.Sampler(system, system.init(0), 1, 4, dataset)
    assert sampling.picture(sampler, 3, count) == "grid"
    ((images, width),) = laid
    n = count or 64
    given = DIGITS.x[np.resize(stream(3, "rows").permutation(80), n)]
    assert width == columns and images.shape == (2 * n, 8, 8, 1)
    assert np.array_equal(images[::2], given)
    assert np.abs(images[1::2].astype(int) - (255 - given.astype(int))).max() <= 1


def test_pictures_and_rows_of_numbers_can_be_drawn():
    x = np.zeros((3, 2), np.float32)
    sets = {"points": Dataset("d", x), "pictures": Dataset("d", DIGITS.x[:3])}
    sets |= {"space": Dataset("d", np.zeros((3, 3), np.float32)), "clips": Dataset("d", x[:, None])}
    system = game()
    assert [sampling.can_be_drawn(system, found) for found in sets.values()] == [True, True, True, False]
    both = Dataset("d", np.zeros((3, 3, 1), np.float32), others={"y": x})
    assert sampling.can_be_drawn(rows_system(), both) and not sampling.can_be_drawn(system, both)


def test_labels_are_refused_with_the_labels_that_there_are():
    system = systems.build("conditional", "digits", 0.02)
    sampler = sampling.Sampler(system, system.init(0), 0, 4, DIGITS)
    with pytest.raises(ValueError, match=r"^labels: expected numbers from 0 to 9, got \[3, 10\]$"):
        sampler(4, 0, (3, 10))
    batch = Batch({"labels": np.array([4, 4])}, 2)
    x, labels = sampler(2, 0, batch=batch)
    assert labels.tolist() == [4, 4] and x.shape == (2, 8, 8, 1)
    assert replace(system, classes=10).classes == sampler.classes
