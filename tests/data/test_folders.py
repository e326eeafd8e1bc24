"""Folders of pictures as people have them: links, parts, broken files, 12-bit data, and names of classes."""

import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from numgan.core.errors import FileFormatError, NoTestPart
from numgan.data import load
from numgan.data.folder import load_folder, parts
from numgan.data.order import natural
from numgan.training.recipes import Recipe


def fill(folder, number=2, size=(8, 8), first=0, mode="L"):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + number):
        Image.new(mode, size, 10 * i).save(folder / f"{i}.png")
    return folder


def test_links_between_classes_lose_no_picture_and_loops_end(tmp_path):
    shared = fill(tmp_path / "shared")
    data = tmp_path / "data"
    data.mkdir()
    for name in ("cat", "kitty"):
        os.symlink(shared, data / name)
    found = load(data)
    assert found.classes == ("cat", "kitty") and found.labels.tolist() == [0, 0, 1, 1]
    os.symlink(data, shared / "loop")  # a loop within each class
    os.symlink(data, data / "zoo")  # a class that is the whole folder
    assert load(data).classes == ("cat", "kitty")


def test_a_class_keeps_its_pictures_beside_a_link_to_it(tmp_path):
    fill(tmp_path / "zebra", 1)
    (tmp_path / "all").mkdir()
    os.symlink(tmp_path / "zebra", tmp_path / "all" / "z")
    assert load(tmp_path).classes == ("all", "zebra") and len(load(tmp_path)) == 2


def test_classes_are_in_natural_order(tmp_path):
    for k in range(1, 13):
        fill(tmp_path / str(k), 1, first=k)
    found = load(tmp_path)
    assert found.classes == tuple(map(str, range(1, 13)))
    assert {found.classes[k]: int(v) for k, v in zip(found.labels, found.x[:, 0, 0, 0], strict=True)} == {
        str(k): 10 * k for k in range(1, 13)
    }


@pytest.mark.parametrize(
    "words",
    [
        ["1", "2", "10", "11"],
        ["class 2", "class 10"],
        ["a9b", "a10a"],
        ["aa", "b1", "b2", "b10"],
        ["setosa", "versicolor", "virginica"],
        ["1", "01", "a"],
        ["3", "x"],
        ["", "0"],
    ],
)
def test_natural_order(words):
    assert sorted(words[::-1], key=natural) == sorted(words, key=natural)
    assert sorted(words[::-1], key=natural) == (
        words if words[0] != "1" or "01" not in words else ["01", "1", "a"]
    )


def broken(folder, number):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(number):
        (folder / f"bad {i:02}.png").write_bytes(b"" if i % 2 else b"\x89PNG\r\n\x1a\n no picture")


def test_all_broken_pictures_are_named_and_can_be_left_out(tmp_path):
    fill(tmp_path / "a")
    fill(tmp_path / "b", 3)
    broken(tmp_path / "b", 12)
    with pytest.raises(
        FileFormatError,
        match="12 of 17 files are no whole pictures: b/bad 00.png, .*b/bad 09.png and 2 more "
        r"\(bad 00.png: Truncated",
    ):
        load(tmp_path)
    with pytest.warns(UserWarning, match="12 of 17 files are left out: b/bad 00.png.* and 2 more"):
        found = load(tmp_path, skip_broken=True)
    assert len(found) == 5 and np.bincount(found.labels).tolist() == [2, 3]


def test_one_broken_picture_is_named_with_its_reason(tmp_path):
    fill(tmp_path)
    broken(tmp_path, 1)
    with pytest.raises(
        FileFormatError, match="bad 00.png: expected a picture.*or leave it out with --skip-broken"
    ):
        load(tmp_path)


def test_pictures_that_break_late_are_found(tmp_path):
    fill(tmp_path, size=(64, 64))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    for name in ("cut 1.png", "cut 2.png"):
        Image.fromarray(noise).save(tmp_path / name)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:2000])
    with pytest.raises(FileFormatError, match="2 of 4 files are no whole pictures: cut 1.png, cut 2.png"):
        load(tmp_path)
    with pytest.warns(UserWarning, match="2 of 4"):
        assert len(load(tmp_path, skip_broken=True)) == 2


def test_a_class_that_loses_all_its_pictures_is_an_error(tmp_path):
    fill(tmp_path / "a")
    broken(tmp_path / "b", 2)
    with (
        pytest.warns(UserWarning),
        pytest.raises(FileFormatError, match="all pictures of the class 'b' are broken"),
    ):
        load(tmp_path, skip_broken=True)


def test_a_folder_of_broken_pictures_is_an_error(tmp_path):
    broken(tmp_path, 3)
    with pytest.raises(FileFormatError, match="all 3 pictures are broken: bad 00.png"):
        load(tmp_path, skip_broken=True)


def test_a_recipe_leaves_broken_pictures_out(tmp_path):
    fill(tmp_path, 3)
    broken(tmp_path, 2)
    with pytest.warns(UserWarning, match="2 of 5"):
        assert len(Recipe("gan", "digits", str(tmp_path), skip_broken=True).resolve().load()) == 3


@pytest.mark.parametrize("bits, top", [(8, 200), (10, 900), (12, 4095), (12, 2100), (14, 16000)])
def test_data_of_fewer_bits_in_files_of_16_are_noticed(tmp_path, bits, top):
    for i, value in enumerate((top, top // 2)):
        Image.fromarray(np.full((4, 4), value, np.uint16)).save(tmp_path / f"{i}.png")
    with pytest.warns(UserWarning, match=f"above {top:,}: they are read as pictures of {bits} bits"):
        x, _, _ = load_folder(tmp_path)
    white = 2**bits - 1
    assert x[:, 0, 0, 0].tolist() == [round(255 * top / white), round(255 * (top // 2) / white)]


def test_16_bits_are_read_as_they_are(tmp_path):
    Image.fromarray(np.full((4, 4), 65535, np.uint16)).save(tmp_path / "a.png")
    Image.fromarray(np.full((4, 4), 300, np.uint16)).save(tmp_path / "b.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_folder(tmp_path)[0][:, 0, 0, 0].tolist() == [255, 1]


@pytest.mark.parametrize(
    "train, test", [("train", "test"), ("Training", "TESTING"), ("train", "val"), ("train", "validation")]
)
def test_train_and_test_are_parts_and_no_classes(tmp_path, train, test):
    for k, name in enumerate(("10", "9", "x")):
        fill(tmp_path / train / name, 3, first=k)
    fill(tmp_path / test / "x", 2, size=(5, 7))
    fill(tmp_path / test / "9", 1, size=(5, 7))
    assert sorted(parts(tmp_path)) == ["test", "train"]
    one = load(tmp_path)
    with pytest.warns(
        UserWarning, match=f"{test}: this part has no picture of the class '10', which .*{train} has"
    ):
        two = load(tmp_path, "test")
    assert one.classes == two.classes == ("9", "10", "x") and len(one) == 9
    assert two.labels.tolist() == [0, 2, 2] and two.sample_shape == one.sample_shape == (8, 8, 1)


def test_parts_beside_other_folders_are_classes(tmp_path):
    for name in ("train", "plane", "test"):
        fill(tmp_path / name, 1)
    assert parts(tmp_path) == {} and load(tmp_path).classes == ("plane", "test", "train")
    with pytest.raises(NoTestPart, match="without sub-folders train and test"):
        load(tmp_path, "test")


def test_a_class_of_the_test_part_alone_is_an_error(tmp_path):
    fill(tmp_path / "train" / "a")
    fill(tmp_path / "test" / "b")
    with pytest.raises(FileFormatError, match="expected the classes of .*train .a., got 'b'"):
        load(tmp_path, "test")


def test_parts_without_classes(tmp_path):
    fill(tmp_path / "train", 3)
    fill(tmp_path / "test", 2)
    assert load(tmp_path).labels is None and len(load(tmp_path, "test")) == 2


def test_odd_names_of_classes(tmp_path):
    for name in ("a\nb", "日本", "c,d", "$x_1$"):
        fill(tmp_path / name, 1)
    found = load(tmp_path)
    assert sorted(found.classes) == sorted(("a\nb", "日本", "c,d", "$x_1$"))


def bytes_of(values):
    return np.array(values, ">u2").tobytes()


def tiff(values, bits):
    """A grey TIFF of one row whose values have so many bits, 8 to 16, one after the other."""
    line = "".join(format(value, f"0{bits}b") for value in values)
    line += "0" * (-len(line) % 16)
    data = bytes(int(line[k : k + 8], 2) for k in range(0, len(line), 8))
    tags = {256: len(values), 257: 1, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: len(data)}
    head = b"II*\0" + struct.pack("<I", 8 + len(data))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return head + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def test_a_declared_depth_is_used_for_dark_pictures_too(tmp_path):
    wanted = [0, round(255 * 900 / 4095), round(255 * 500 / 4095)]
    (tmp_path / "a.pgm").write_bytes(b"P5 3 1 4095\n" + bytes_of([0, 900, 500]))
    (tmp_path / "b.pgm").write_bytes(b"P2 3 1 4095\n0 900 500\n")
    (tmp_path / "c.tif").write_bytes(tiff([0, 900, 500], 12))
    assert load(tmp_path).x[..., 0].tolist() == [[wanted]] * 3


def test_a_declared_depth_does_not_hide_the_depth_of_other_files(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 65535\n" + bytes_of([65535, 257]))
    Image.fromarray(np.array([[4095, 0]], np.uint16)).save(tmp_path / "b.png")
    with pytest.warns(UserWarning, match="above 4,095: they are read as pictures of 12 bits"):
        assert load(tmp_path).x[..., 0].tolist() == [[[255, 1]], [[255, 0]]]


def colours(value):
    """A 16-bit PNG of one pixel with this red value."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    pixel = zlib.compress(b"\0" + bytes_of([value, 0, 0]))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


def test_dark_colours_of_16_bits_are_noticed(tmp_path):
    (tmp_path / "a.png").write_bytes(colours(4095))
    with pytest.warns(UserWarning, match="16-bit colours are nearly black: of 255, no value is above 15"):
        assert load(tmp_path).x.ravel().tolist() == [15, 0, 0]
    (tmp_path / "b.png").write_bytes(colours(16384))
    assert load(tmp_path).x[:, 0, 0, 0].tolist() == [15, 64]


@pytest.mark.parametrize(
    "content, kind",
    [
        (b"", "an empty file"),
        (b"not found", "text, 'not found'"),
        (b"PK\x03\x04", "a zip archive"),
        (b"<html>", "a web page"),
        (bytes(9), "no kind of picture"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, content, kind):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(FileFormatError, match=f"a.png: expected a picture.*UnidentifiedImageError: {kind}"):
        load(tmp_path)


def test_several_pictures_without_a_range_are_named_with_the_reason(tmp_path):
    for k in range(3):
        Image.fromarray(np.full((4, 4), k / 4, np.float32)).save(tmp_path / f"{k}.tif")
    with pytest.raises(FileFormatError, match=r"3 of 3 .*0.tif, 1.tif, 2.tif \(0.tif: floating-point pixels"):
        load(tmp_path)


def test_an_animation_counts_as_its_first_frame(tmp_path):
    frames = [Image.new("L", (4, 4), value) for value in (10, 90, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert load(tmp_path, channels=1).x[:, 0, 0, 0].tolist() == [10]


def test_a_folder_with_an_archive_in_it_is_named(tmp_path):
    (tmp_path / "faces.tar.gz").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="found none among 1 files.*unpack 'faces.tar.gz' first"):
        load(tmp_path)
    with pytest.raises(FileFormatError, match="got .tar; unpack 'faces.tar.gz' first"):
        load(tmp_path / "faces.tar.gz")
    (tmp_path / "faces.tar.gz").rename(tmp_path / "training.pt")
    with pytest.raises(FileNotFoundError, match="'training.pt' is no data for numgan: it runs no code"):
        load(tmp_path)


def test_a_training_part_alone_is_a_part(tmp_path):
    fill(tmp_path / "train" / "a")
    fill(tmp_path / "train" / "b")
    assert list(parts(tmp_path)) == ["train"] and load(tmp_path).classes == ("a", "b")
    with pytest.raises(NoTestPart):
        load(tmp_path, "test")


def test_parts_in_a_folder_of_an_archive_are_found(tmp_path):
    for part in ("train", "validation"):
        fill(tmp_path / "cats_and_dogs" / part / "cats")
    (tmp_path / "__MACOSX" / "cats_and_dogs").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "cats_and_dogs" / "._0.png").write_bytes(b"no picture")
    assert load(tmp_path).classes == load(tmp_path, "test").classes == ("cats",)
    (tmp_path / "loop").mkdir()
    os.symlink(tmp_path / "loop", tmp_path / "loop" / "again")
    assert parts(tmp_path / "loop") == {}


def test_control_characters_in_names_do_not_reach_a_message(tmp_path):
    fill(tmp_path / "a\nb\x1b[31m")
    broken(tmp_path / "a\nb\x1b[31m", 2)
    with pytest.raises(FileFormatError) as caught:
        load(tmp_path)
    assert str(caught.value).isprintable() and "a\\nb\\x1b[31m/bad 00.png" in str(caught.value)
    assert load_folder(fill(tmp_path / "c"))[1] is None


def test_numbers_of_any_length_have_a_natural_order():
    long = "9" * 5000
    assert sorted([f"1{long}", long, "10", "9", "010"], key=natural) == ["9", "010", "10", long, f"1{long}"]


def test_a_sub_folder_without_pictures_is_named(tmp_path):
    fill(tmp_path / "cat")
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "1.heic").write_bytes(b"x")
    with pytest.warns(UserWarning, match="sub-folders dog hold no picture that Pillow reads"):
        assert load(tmp_path).classes == ("cat",)


def test_hidden_and_empty_sub_folders_are_not_named(tmp_path):
    fill(tmp_path / "cats")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "x").write_text("hidden")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "x").write_text("of an archive program")
    assert load(tmp_path).classes == ("cats",)
    (tmp_path / "dogs" / "deep").mkdir(parents=True)
    (tmp_path / "dogs" / "deep" / "1.zip").write_bytes(b"")
    with pytest.warns(UserWarning, match="sub-folders dogs hold no picture .*unpack '1.zip' first"):
        load(tmp_path)
    fill(tmp_path, 1)  # now the sub-folders are no classes
    assert load(tmp_path).labels is None


def test_a_broken_training_picture_is_no_fault_of_the_test_part(tmp_path):
    fill(tmp_path / "train" / "a")
    broken(tmp_path / "train" / "a", 1)
    fill(tmp_path / "test" / "a")
    assert len(load(tmp_path, "test")) == 2


def test_a_dark_pgm_is_read_by_its_own_maxval(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 65535 " + bytes([0, 200, 3, 232]))
    (tmp_path / "b.pgm").write_bytes(b"P5 2 1 4095 " + bytes([15, 255, 0, 0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_folder(tmp_path)[0].reshape(2, 2).tolist() == [[1, 4], [255, 0]]


def test_parts_without_their_classes_are_told(tmp_path):
    """A stray picture takes the labels away, also from the other part. It is named."""
    for part in ("train", "test"):
        fill(tmp_path / part / "cat")
        fill(tmp_path / part / "dog")
    assert load(tmp_path).classes == load(tmp_path, "test").classes == ("cat", "dog")
    fill(tmp_path / "test", 1)
    assert load(tmp_path).labels is not None
    with pytest.warns(
        UserWarning, match="test: its pictures get no labels.* because .*test/0.png is in none"
    ):
        assert load(tmp_path, "test").labels is None
    (tmp_path / "test" / "0.png").rename(tmp_path / "train" / "7.png")
    for split in ("train", "test"):
        with pytest.warns(UserWarning, match=f"{split}: its pictures get no labels.*train/7.png is in none"):
            assert load(tmp_path, split).labels is None


@pytest.mark.parametrize("flat, split", [("train", "test"), ("test", "test")])
def test_one_part_with_classes_and_one_without_are_told(tmp_path, flat, split):
    fill(tmp_path / "train" / "" if flat == "train" else tmp_path / "train" / "cat")
    fill(tmp_path / "test" / "" if flat == "test" else tmp_path / "test" / "cat")
    with pytest.warns(UserWarning, match=f"its pictures get no labels.*{flat}/0.png is in none of them"):
        assert load(tmp_path, split).labels is None


def test_a_broken_stray_picture_that_is_left_out_takes_no_labels_away(tmp_path):
    fill(tmp_path / "cat")
    broken(tmp_path, 1)
    with pytest.warns(UserWarning, match="1 of 3 files are left out"):
        assert load(tmp_path, skip_broken=True).classes == ("cat",)


def test_pictures_beside_the_parts_are_named(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test")
    (tmp_path / "README.txt").write_text("no picture")
    assert sorted(parts(tmp_path)) == ["test", "train"]
    fill(tmp_path, 1)
    with pytest.warns(UserWarning, match="0.png is in no part, and is not read; .* train, test"):
        assert len(load(tmp_path)) == 2


def test_files_and_folders_without_pictures_hide_no_parts(tmp_path):
    for part in ("train", "test"):
        fill(tmp_path / "set" / part / "cat")
    (tmp_path / "README.txt").write_text("beside the folder of an archive")
    (tmp_path / "set" / "annotations").mkdir()
    (tmp_path / "set" / "annotations" / "boxes.json").write_text("{}")
    assert load(tmp_path).classes == load(tmp_path, "test").classes == ("cat",)
    fill(tmp_path / "set" / "annotations", 1)
    assert load(tmp_path / "set").classes == ("annotations", "test", "train")


def test_a_link_takes_no_test_picture_into_the_training_part(tmp_path):
    data, store = tmp_path / "data", tmp_path / "store"
    fill(store / "cat", 3)
    fill(data / "test" / "cat", 2)
    os.symlink(store, data / "train")
    for place in (store / "up", store / "cat" / "up"):
        os.symlink(data, place)  # the folder around the part, which is itself a link
    os.symlink(tmp_path, store / "top")
    found = load(data)
    assert len(found) == 3 and found.classes == ("cat",) and len(load(data, "test")) == 2


@pytest.mark.parametrize("target", [".", "..", "test"])
def test_a_part_that_holds_the_other_part_is_refused(tmp_path, target):
    data = tmp_path / "data"
    fill(data / "test" / "cat", 2)
    os.symlink(target, data / "train")
    with pytest.raises(
        FileFormatError, match="train: expected pictures of this part alone, got a link to .*test"
    ):
        load(data)


@pytest.mark.parametrize("one, other", [("train", "test"), ("test", "train")])
def test_a_link_to_the_other_part_is_refused(tmp_path, one, other):
    for part in ("train", "test"):
        fill(tmp_path / part / "cat", 2)
    os.symlink(tmp_path / other / "cat", tmp_path / one / "cat" / "more")
    assert len(load(tmp_path, other)) == 2
    with pytest.raises(FileFormatError, match=f"cat/more: expected pictures of this part alone.*{other}"):
        load(tmp_path, one)


@pytest.mark.parametrize("part", [None, "test"])
def test_size_and_channels_are_those_of_the_pictures_that_are_kept(tmp_path, part):
    place = tmp_path / "train" if part else tmp_path
    fill(place, 2, (10, 12))
    if part:
        fill(tmp_path / part, 2, (30, 40))
    noise = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    Image.fromarray(noise).save(place / "cut.png")
    (place / "cut.png").write_bytes((place / "cut.png").read_bytes()[:5000])
    Image.fromarray(np.full((50, 50), 0.5, np.float32)).save(place / "float.tif")
    with warnings.catch_warnings() if part else pytest.warns(UserWarning, match="2 of 4 files are left out"):
        assert load(tmp_path, part or "train", skip_broken=True).x.shape == (2, 12, 10, 1)


@pytest.mark.parametrize("name", ["digits", "ring", "mnist", "x.npy", "idx", "tables"])
def test_broken_files_can_be_left_out_of_folders_of_pictures_alone(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.zeros((4, 2)))
    for folder, file in (("idx", "train-images-idx3-ubyte"), ("tables", "x.npy")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_bytes((tmp_path / "x.npy").read_bytes())
    with pytest.raises(ValueError, match=f"{name}.*: skip_broken is for a folder of pictures.*leave it out"):
        load(name, skip_broken=True)
