"""Exact values of pictures and files: limits from either side, the way to one size, where files are."""

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from numgan import data
from numgan.core.errors import FileFormatError
from numgan.core.streams import STDERR
from numgan.data import idx, idx_sets, load, pictures

pytestmark = pytest.mark.usefixtures("no_shared_folder")


# ---- grey of 16 and 32 bits


def grey_of(values):
    return pictures.flatten(Image.fromarray(np.array([values], np.int32)))


def test_grey_values_from_0_to_65535_become_bytes():
    assert np.asarray(grey_of([0, 128, 129, 257, 65535])).tolist() == [[0, 0, 1, 1, 255]]
    assert np.asarray(grey_of([0, 0])).tolist() == [[0, 0]] and grey_of([0]).mode == "L"


@pytest.mark.parametrize(
    "values, got", [([-1, 5], "-1 to 5"), ([0, 65536], "0 to 65536"), ([-9, -9], "-9 to -9")]
)
def test_other_grey_values_are_refused_with_their_range(values, got):
    with pytest.raises(ValueError, match=f"grey values from {got}, outside 0..65535; save"):
        grey_of(values)


def test_a_negative_grey_value_in_a_file_is_refused(tmp_path):
    Image.fromarray(np.array([[-1, 60000]], np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(FileFormatError, match="a.tif.*-1 to 60000, outside 0..65535"):
        load(tmp_path)


# ---- size and channels


def ramp(height, width):
    return Image.fromarray(np.arange(height * width, dtype=np.uint8).reshape(height, width))


def test_the_thinnest_part_is_one_pixel_wide():
    """The part is the middle one. Its value fills the whole new picture."""
    assert np.asarray(pictures.fit(ramp(1, 40), (40, 1))).tolist() == [[19]] * 40
    assert np.asarray(pictures.fit(ramp(40, 1), (1, 40))).tolist() == [[19] * 40]


def test_what_has_the_right_size_is_not_copied():
    image, x = ramp(3, 5), np.zeros((2, 3, 5, 1), np.uint8)
    assert pictures.fit(image, (3, 5)) is image
    assert pictures.convert(x) is x and pictures.convert(x, (3, 5), 1) is x


def test_colours_stay_colours_when_the_size_changes():
    x = np.empty((2, 8, 8, 3), np.uint8)
    x[0], x[1] = (255, 0, 9), (7, 99, 200)
    small = pictures.convert(x, (4, 2))
    assert (
        small.shape == (2, 4, 2, 3) and (small[0] == (255, 0, 9)).all() and (small[1] == (7, 99, 200)).all()
    )


def test_colour_becomes_grey_before_its_size_changes():
    x = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), np.uint8)
    found = pictures.convert(x, (7, 9), 1)
    expected = [np.asarray(pictures.fit(Image.fromarray(one).convert("L"), (7, 9))) for one in x]
    assert np.array_equal(found[..., 0], expected)


@pytest.mark.parametrize("size", [(1, 2, 3), (4,), [5, 6, 7]])
def test_a_size_of_other_than_two_numbers_is_refused(size):
    with pytest.raises(ValueError, match=r"size: expected an int or \(height, width\), got"):
        load("digits", size=size)


# ---- files of pictures


def test_a_picture_has_at_most_two_to_the_25_pixels(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(
        FileFormatError, match="a picture that Pillow reads, of at most 33,554,432 pixels, got"
    ):
        load(tmp_path)


def test_pillows_own_warning_of_large_pictures_is_an_error(tmp_path, monkeypatch):
    Image.new("L", (30, 20)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 599)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(FileFormatError, match="a.png.*got DecompressionBombWarning"):
            load(tmp_path)


def test_the_bar_of_a_folder_is_on_stderr(tmp_path, monkeypatch):
    Image.new("L", (3, 2)).save(tmp_path / "a.png")
    given = []
    monkeypatch.setattr("numgan.data.folder.tqdm", lambda files, **how: given.append(how) or files)
    load(tmp_path)
    assert [how["desc"] for how in given] == ["looking", "reading"]
    assert all(how["unit"] == " pictures" and how["file"] is STDERR and how["disable"] for how in given)
    given.clear()
    load(tmp_path, size=2, channels=1)
    assert [how["desc"] for how in given] == ["looking", "reading"]  # the depth of 16-bit pictures


# ---- idx


def test_a_gzip_file_shorter_than_its_trailer_is_refused(tmp_path):
    for content in (b"\x1f\x8b", b"\x1f\x8b\x08", b"\x1f\x8b\x08\x00", b"\x1f\x8b\x08\x00\x00"):
        (tmp_path / "short").write_bytes(content)
        with pytest.raises(FileFormatError, match="short: expected one whole gzip file, got"):
            idx.read_idx(tmp_path / "short", axes=1)


def test_a_plain_file_is_said_to_be_plain(tmp_path):
    (tmp_path / "plain").write_bytes(bytes([0, 0, 8, 1]) + struct.pack(">I", 3) + b"12")
    with pytest.raises(
        FileFormatError, match=r"expected 11 bytes, as its header says \(3\), got 10 in the file"
    ):
        idx.read_idx(tmp_path / "plain", axes=1)


def test_the_advice_fits_the_place_that_was_named(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError) as error:
        load("mnist", folder=tmp_path)
    assert f"in {tmp_path} (folder=), got neither" in str(error.value) and "unset" not in str(error.value)
    with pytest.raises(FileNotFoundError, match="got no such folder"):
        load("mnist", folder=tmp_path / "none")
    monkeypatch.setenv("NUMGAN_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=", or unset NUMGAN_DATA to download it"):
        load("mnist")
    with pytest.raises(FileNotFoundError) as error:  # the argument goes before the variable
        load("mnist", folder=tmp_path)
    assert "(folder=)" in str(error.value) and "unset" not in str(error.value)


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """What pooch is asked for, instead of a download."""
    words = []

    def retrieve(*arguments, **how):
        words.append((arguments, how))
        raise OSError("no network here")

    monkeypatch.setattr("pooch.retrieve", retrieve)
    monkeypatch.setenv("NUMGAN_CACHE", str(tmp_path / "cache"))
    return words


def test_a_download_names_its_file_its_digest_and_its_place(asked, tmp_path):
    with pytest.raises(
        ConnectionError, match="expected to download .*got: no network here; put train-images"
    ):
        load("fashion-mnist")
    file = "train-images-idx3-ubyte"
    digest = f"sha256:{idx_sets.SHA256['fashion-mnist'][file]}"
    ((arguments, how),) = asked
    assert arguments == (f"{idx_sets.MIRRORS['fashion-mnist']}{file}.gz", digest)
    place = Path(tmp_path / "cache" / "fashion-mnist")
    assert how == {"fname": f"{file}.gz", "path": place, "progressbar": False}


def test_a_download_shows_its_progress_on_a_terminal(asked, monkeypatch):
    monkeypatch.setattr(type(STDERR), "isatty", lambda self: True, raising=False)
    with pytest.raises(ConnectionError):
        load("mnist", "test")
    assert asked[0][1]["progressbar"] is True


def test_a_download_does_not_follow_a_link_of_someone_else(asked, tmp_path):
    place = tmp_path / "cache" / "mnist"
    place.mkdir(parents=True)
    try:
        (place / "train-images-idx3-ubyte.gz").symlink_to(tmp_path / "elsewhere")
    except OSError:
        pytest.skip("this system does not let us make links")
    with pytest.raises(ConnectionError, match="expected a file of numgan's own, got"):
        load("mnist")
    assert not asked


def test_names_are_known_and_described():
    assert set(data.names()) >= {"digits", "ring"} and load("ring").source == "drawn by numgan.data.points"
    assert load("digits").name == "digits" and load("grid").classes[:2] == ("mode 0", "mode 1")
