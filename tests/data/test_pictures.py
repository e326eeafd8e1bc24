"""Pictures: every kind of file, size and channels, and folders with every trap that real ones hold."""

import os
import struct
import sys
import zlib

import numpy as np
import pytest
from data_cases import REAL, quick, real, sizes
from hypothesis import given
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image

from numgan.core.errors import FileFormatError
from numgan.data import load, pictures
from numgan.data.folder import _with_bar, load_folder

pytestmark = pytest.mark.usefixtures("no_shared_folder")


# ---- pictures of every kind

RED, WHITE = (255, 0, 0), (255, 255, 255)


def two_halves(mode, left, right, size=(8, 4)):
    """An image whose left half has one value and whose right half has another."""
    image = Image.new(mode, size, right)
    image.paste(left, (0, 0, size[0] // 2, size[1]))
    return image


def palette():
    return two_halves("RGB", RED, (0, 0, 255)).quantize(4)


def palette_with_transparency():
    image = Image.new("P", (8, 4), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, 4, 4))
    return image


def sixteen_bit(left, right):
    values = np.full((4, 8), right, np.uint16)
    values[:, :4] = left
    return Image.fromarray(values)


PICTURES = {  # name of the file: (image, how it is saved, left pixel, right pixel)
    "grey.png": (lambda: two_halves("L", 10, 200), {}, (10,), (200,)),
    "bilevel.png": (lambda: two_halves("1", 0, 1), {}, (0,), (255,)),
    "rgb.png": (lambda: two_halves("RGB", RED, (1, 2, 3)), {}, RED, (1, 2, 3)),
    "rgb.webp": (lambda: two_halves("RGB", RED, (1, 2, 3)), {"lossless": True}, RED, (1, 2, 3)),
    "palette.png": (palette, {}, RED, (0, 0, 255)),
    "palette.gif": (palette, {}, RED, (0, 0, 255)),
    "palette-alpha.png": (palette_with_transparency, {"transparency": 1}, RED, WHITE),
    "palette-alphas.png": (
        palette_with_transparency,
        {"transparency": bytes([255, 51])},
        RED,
        (204, 204, 255),
    ),
    "palette-alpha.gif": (palette_with_transparency, {"transparency": 1}, RED, WHITE),
    "la.png": (lambda: two_halves("LA", (10, 255), (10, 0)), {}, (10,), (255,)),
    "la-half.png": (lambda: two_halves("LA", (0, 51), (100, 255)), {}, (204,), (100,)),
    "rgba.png": (lambda: two_halves("RGBA", (*RED, 255), (0, 0, 0, 0)), {}, RED, WHITE),
    "rgba-half.png": (
        lambda: two_halves("RGBA", (255, 0, 0, 51), (0, 0, 0, 51)),
        {},
        (255, 204, 204),
        (204, 204, 204),
    ),
    "grey-key.png": (lambda: two_halves("L", 10, 200), {"transparency": 10}, (255,), (200,)),
    "rgb-key.png": (lambda: two_halves("RGB", RED, (1, 2, 3)), {"transparency": (1, 2, 3)}, RED, WHITE),
    "cmyk.tif": (lambda: two_halves("CMYK", (0, 255, 255, 0), (0, 0, 0, 255)), {}, RED, (0, 0, 0)),
    "sixteen.png": (lambda: sixteen_bit(257 * 3, 65535), {}, (3,), (255,)),
    "sixteen-round.png": (lambda: sixteen_bit(257 * 200 + 128, 257 * 200 + 129), {}, (200,), (201,)),
    "sixteen.tif": (lambda: sixteen_bit(257 * 3, 257 * 77), {}, (3,), (77,)),
    "sixteen.pgm": (
        lambda: Image.fromarray(np.asarray(sixteen_bit(257 * 3, 257 * 77), np.int32)),
        {},
        (3,),
        (77,),
    ),
    "UPPER.PNG": (lambda: two_halves("L", 10, 200), {}, (10,), (200,)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_picture_of_every_kind(tmp_path, name):
    make, how, left, right = PICTURES[name]
    make().save(tmp_path / name, **how)
    x, labels, classes = load_folder(tmp_path)
    assert x.shape == (1, 4, 8, len(left)) and x.dtype == np.uint8 and labels is None and classes == ()
    assert (x[0, :, :4] == left).all() and (x[0, :, 4:] == right).all()


def png(width, height, packed=b"", bits=8, transparent=None):
    """A grey PNG with a header of our choice; transparent: the grey value that is not opaque."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
    key = b"" if transparent is None else chunk(b"tRNS", struct.pack(">H", transparent))
    return b"\x89PNG\r\n\x1a\n" + header + key + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_sixteen_bit_grey_with_a_transparent_value(tmp_path):
    line = b"\0" + struct.pack(">3H", 257 * 205, 1000, 1001)
    (tmp_path / "a.png").write_bytes(png(3, 1, zlib.compress(line), bits=16, transparent=1000))
    assert load_folder(tmp_path)[0].ravel().tolist() == [205, 255, 4]


def test_jpeg_cmyk_is_not_inverted(tmp_path):
    two_halves("CMYK", (0, 255, 255, 0), (0, 0, 0, 255), (32, 16)).save(tmp_path / "a.jpg", quality=95)
    x, _, _ = load_folder(tmp_path)
    assert np.abs(x[0, 8, 4].astype(int) - RED).max() < 12 and x[0, 8, 28].max() < 12


def test_premultiplied_grey():
    image = Image.new("LA", (2, 2), (100, 255)).convert("La")
    assert np.array_equal(np.asarray(pictures.flatten(image)), np.full((2, 2), 100))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_exif_orientation(tmp_path, orientation, suffix):
    """Stored as the EXIF standard says for each orientation, it comes out upright: dark corner top left."""
    upright = np.full((16, 24), 255, np.uint8)
    upright[:8, :8] = 0
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(
        tmp_path / f"a.{suffix}", exif=exif, **{"jpg": {"quality": 100}}.get(suffix, {})
    )
    x, _, _ = load_folder(tmp_path)
    assert x.shape == (1, 16, 24, 1)
    assert np.abs(x[0, ..., 0].astype(int) - upright).max() < 8


def test_pixels_without_a_range_are_refused(tmp_path):
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(FileFormatError, match="float.tif.*8 or 16 bits"):
        load_folder(tmp_path)
    Image.fromarray(np.full((4, 4), 70000, np.int32)).save(tmp_path / "float.tif")
    with pytest.raises(FileFormatError, match="float.tif.*70000.*8 or 16 bits"):
        load_folder(tmp_path)


# ---- size and channels


def test_crop_is_centred_and_by_whole_pixels():
    strip = np.arange(30, dtype=np.uint8)[None].repeat(10, axis=0)
    assert np.array_equal(np.asarray(pictures.fit(Image.fromarray(strip), (10, 10))), strip[:, 10:20])
    assert np.array_equal(np.asarray(pictures.fit(Image.fromarray(strip.T.copy()), (10, 10))), strip.T[10:20])
    assert np.array_equal(np.asarray(pictures.fit(Image.fromarray(strip), (10, 29))), strip[:, :29])


def test_shrinking_is_antialiased():
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)[None, ..., None]
    small = pictures.convert(board, size=(8, 8))
    assert (
        small.shape == (1, 8, 8, 1) and np.abs(small.astype(int) - 127.5).max() < 5
    )  # nearest pixel would give 0 or 255


@quick
@given(
    have=st.tuples(sizes, sizes),
    want=st.tuples(sizes, sizes),
    old=st.sampled_from([1, 3]),
    new=st.sampled_from([1, 3]),
)
def test_any_size_becomes_any_size(have, want, old, new):
    flat = np.full((2, *have, old), 77, np.uint8)
    out = pictures.convert(flat, want, new)
    assert out.shape == (2, *want, new) and (out == 77).all()  # a flat picture stays flat


def test_channels():
    data = load("digits", channels=3)
    assert data.sample_shape == (8, 8, 3) and (data.x == load("digits").x).all()
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], np.uint8).reshape(1, 2, 2, 3)
    assert pictures.convert(colours, channels=1).ravel().tolist() == [
        76,
        150,
        29,
        9,
    ]  # 0.299 R + 0.587 G + 0.114 B


def test_size():
    assert load("digits", size=16).sample_shape == (16, 16, 1)
    assert load("digits", size=(6, 9), channels=3).sample_shape == (6, 9, 3)
    assert np.array_equal(load("digits", size=(8, 8)).x, load("digits").x)


@pytest.mark.parametrize(
    "size, error",
    [(0, ValueError), ((3, -1), ValueError), ((1, 2, 3), ValueError), (2.5, TypeError), ("32", TypeError)],
)
def test_size_refused(size, error):
    with pytest.raises(error):
        load("digits", size=size)


# ---- folders


def save(path, value=0, size=(6, 6), mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


def test_classes_are_the_first_sub_folders(tmp_path):
    for place, value in [("b/1.png", 1), ("a/x/2.png", 2), ("c/0.png", 3), ("a/1.png", 4), ("Zoo/7.png", 5)]:
        save(tmp_path / place, value)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("not a picture")
    with pytest.warns(UserWarning, match="the sub-folders notes hold no picture that Pillow reads"):
        data = load(tmp_path)
    assert data.classes == ("Zoo", "a", "b", "c")
    assert data.x[:, 0, 0, 0].tolist() == [5, 4, 2, 1, 3] and data.labels.tolist() == [0, 1, 1, 2, 3]
    assert data.name == tmp_path.name and str(tmp_path) in data.source
    save(tmp_path / "top.png", 6)
    assert load(tmp_path).labels is None and load(tmp_path).classes == () and len(load(str(tmp_path))) == 6


def test_order_is_that_of_the_names_not_of_the_disk(tmp_path, monkeypatch):
    for value, name in enumerate(["a-b/1.png", "a/1.png", "a/10.png", "a/2.png", "z.png"]):
        save(tmp_path / name, value)
    expected = load(tmp_path).x
    walk = os.walk

    def backwards(*arguments, **options):
        for place, folders, files in walk(*arguments, **options):
            yield place, folders, files[::-1]

    monkeypatch.setattr(os, "walk", backwards)
    assert np.array_equal(load(tmp_path).x, expected)
    assert expected[:, 0, 0, 0].tolist() == [1, 2, 3, 0, 4]  # by parts: "a" before "a-b"


def test_mixed_sizes_become_square(tmp_path):
    stripes = np.repeat(np.array([10, 250, 10], np.uint8), 40)[None].repeat(
        40, axis=0
    )  # 120 x 40, light in the middle
    Image.fromarray(stripes).save(tmp_path / "wide.png")
    save(tmp_path / "small.png", 100, (5, 7))
    x = load(tmp_path).x
    assert x.shape == (2, 64, 64, 1) and (x[0] == 100).all() and (x[1] == 250).all()
    assert load(tmp_path, size=(20, 60)).x[1, :, 0].max() == 10  # the whole strip
    assert load(tmp_path, size=10).sample_shape == (10, 10, 1)


def test_one_size_is_kept_and_one_colour_makes_all_colour(tmp_path):
    save(tmp_path / "a.png", 100, (5, 7))
    save(tmp_path / "b.png", 50, (5, 7))
    assert load(tmp_path).sample_shape == (7, 5, 1)
    save(tmp_path / "c.png", (1, 2, 3), (5, 7), "RGB")
    data = load(tmp_path)
    assert (
        data.sample_shape == (7, 5, 3)
        and data.x[0, 0, 0].tolist() == [100] * 3
        and data.x[2, 0, 0].tolist() == [1, 2, 3]
    )
    assert load(tmp_path, channels=1).sample_shape == (7, 5, 1)


def test_no_picture_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / ".hidden.png").write_bytes(b"left by some system")
    with pytest.raises(FileNotFoundError, match="expected a folder with pictures.*found none among 2 files"):
        load(tmp_path)


def test_hidden_files_and_other_suffixes_are_left_alone(tmp_path):
    save(tmp_path / "a.png", 1)
    (tmp_path / "._a.png").write_bytes(b"resource fork")
    (tmp_path / "captions.csv").write_text("a.png,one")
    (tmp_path / "data.pkl").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    save(tmp_path / ".thumbnails" / "a.png", 2)
    assert len(load(tmp_path)) == 1


def test_links_are_followed_once(tmp_path):
    save(tmp_path / "elsewhere" / "a.png", 1)
    save(tmp_path / "set" / "cats" / "b.png", 2)
    try:
        (tmp_path / "set" / "dogs").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (tmp_path / "set" / "cats" / "loop").symlink_to(tmp_path / "set" / "cats", target_is_directory=True)
    except OSError:
        pytest.skip("this system does not let us make links")
    data = load(tmp_path / "set")
    assert data.classes == ("cats", "dogs") and data.labels.tolist() == [0, 1]


def picture_bytes(suffix, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / f"whole.{suffix}")
    return (tmp_path / f"whole.{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "webp", "tif"])
def test_truncated_picture_is_named(tmp_path, suffix):
    whole = picture_bytes(suffix, tmp_path)
    (tmp_path / f"whole.{suffix}").unlink()
    for kept in (0, 1, 20, len(whole) // 2):
        (tmp_path / f"cut.{suffix}").write_bytes(whole[:kept])
        for size in (None, 8):
            with pytest.raises(
                FileFormatError, match=f"cut.{suffix}: expected a picture.*repair the file or remove it"
            ):
                load(tmp_path, size=size, channels=size and 1)


@pytest.mark.parametrize(
    "content, message",
    [
        (png(20_000, 20_000), "DecompressionBomb"),
        (png(10_000, 10_000), "DecompressionBomb"),  # Pillow alone would only warn
        (png(0, 5), "cut|cannot|invalid|expected"),
        (b"GIF89a" + bytes(30), "expected a picture"),
        (b"cos\nsystem\n(S'exit 1'\ntR.", "UnidentifiedImageError"),
        (b"\0\0\0\x20ftypmp42" + bytes(50), "UnidentifiedImageError"),
    ],
    ids=["bomb", "small bomb", "no width", "empty gif", "pickle", "film"],
)
def test_hostile_picture_is_named(tmp_path, content, message):
    save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        load(tmp_path)
    assert "bad.png" in str(caught.value)


def test_postscript_is_never_run(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(
        EpsImagePlugin,
        "Ghostscript",
        lambda *arguments, **options: ran.append(arguments) or Image.core.new("RGB", (9, 9)),
    )
    Image.new("RGB", (9, 9)).save(tmp_path / "a.eps")
    with Image.open(tmp_path / "a.eps") as image:
        image.load()
    assert len(ran) == 1  # Pillow alone runs it
    with pytest.raises(FileNotFoundError, match="found none among 1"):
        load(tmp_path)
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(FileFormatError, match="a.png.*UnidentifiedImageError"):
        load(tmp_path)
    assert len(ran) == 1


@pytest.mark.parametrize("terminal, bars", [(True, 2), (False, 0)])
def test_progress_bar_for_many_files_on_a_terminal(tmp_path, monkeypatch, capsys, terminal, bars):
    monkeypatch.setattr("numgan.data.folder.BAR_FROM", 3)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    for k in range(3):
        save(tmp_path / f"{k}.png")
    load(tmp_path)
    assert capsys.readouterr().err == ""  # few files: no bar
    save(tmp_path / "3.png")
    load(tmp_path)
    shown = capsys.readouterr().err
    assert ("looking: 100%" in shown) + ("reading: 100%" in shown) == bars


def test_a_sub_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    save(tmp_path / "open" / "a.png")
    save(tmp_path / "closed" / "a.png")
    scandir = os.scandir

    def guarded(place):
        if os.path.basename(place) == "closed":
            raise PermissionError(f"not allowed: {place}")
        return scandir(place)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(PermissionError, match="closed"):
        load(tmp_path)


@real
def test_real_folders_hold_every_trap():
    emoji = load(os.path.join(REAL, "emoji", "twemoji"))  # palette and RGBA, one of another size
    assert emoji.x.shape == (1887, 64, 64, 3) and emoji.labels is None
    assert (emoji.x[:, 0, 0] == 255).all(axis=-1).mean() > 0.8  # transparent corners are white, not black
    faces = load(os.path.join(REAL, "orl-faces"))
    assert faces.x.shape == (400, 112, 92, 1) and np.bincount(faces.labels).tolist() == [10] * 40


def test_load_refuses_a_split_of_a_folder_and_a_number(tmp_path):
    save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="has no split 'test'"):
        load(tmp_path, split="test")
    with pytest.raises(TypeError):
        load(0)


@pytest.mark.parametrize("files, bar", [(500, True), (501, None)])
def test_many_files_have_a_bar_on_a_terminal(files, bar, monkeypatch):
    """disable=None shows it on a terminal only, True nowhere."""
    given = []
    monkeypatch.setattr(
        "numgan.data.folder.tqdm", lambda files, **how: given.append((len(files), how["disable"])) or files
    )
    assert list(_with_bar(list(range(files)), "reading")) == list(range(files)) and given == [(files, bar)]


def test_the_smallest_pictures_have_one_row_or_one_column():
    for size in ((1, 3), (3, 1), (1, 1)):
        assert load("digits", size=size).sample_shape == (*size, 1)
    for size in ((0, 3), (3, 0), 0, (-1, 3)):
        with pytest.raises(ValueError, match="size: expected at least 1 x 1 pixels, got"):
            load("digits", size=size)


def test_a_picture_of_too_many_pixels_is_refused(tmp_path, monkeypatch):
    Image.new("L", (30, 20)).save(tmp_path / "large.png")
    monkeypatch.setattr(pictures, "MOST", 599)
    with pytest.raises(
        FileFormatError, match=r"large.png: expected a picture .* of at most 599 pixels, got .*30 x 20 pixels"
    ):
        load_folder(tmp_path)
    monkeypatch.setattr(pictures, "MOST", 600)
    assert load_folder(tmp_path)[0].shape == (1, 20, 30, 1)
