"""MNIST and its like as people have them: names, folders, gzip members, EMNIST, QMNIST, other files."""

import gzip
import io
import pickle
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
from data_cases import REAL, idx_file, real

from numgan.core.errors import FileFormatError, NoTestPart
from numgan.data import idx_sets, load

pytestmark = pytest.mark.usefixtures("no_shared_folder")

draw = np.random.default_rng(0).integers
X, Y = draw(0, 256, (20, 28, 28), np.uint8), draw(0, 10, 20).astype(np.uint8)
PAIRS = {"images": "train-images-idx3-ubyte", "labels": "train-labels-idx1-ubyte"}


def put(folder, names, x=X, y=Y, pack=bytes):
    for name, array in zip(names, (x, y), strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(pack(idx_file(array)))
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("TRAIN-IMAGES-IDX3-UBYTE", "Train-Labels-Idx1-Ubyte"),
        ("train_images_idx3_ubyte", "train_labels_idx1_ubyte"),
        ("MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-labels-idx1-ubyte"),
        (
            "train-images-idx3-ubyte/train-images-idx3-ubyte",
            "train-labels-idx1-ubyte/train-labels-idx1-ubyte",
        ),
        ("a/train-images.idx3-ubyte", "b/c/train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
    ],
)
def test_names_and_folders_as_they_are_distributed(tmp_path, names):
    put(tmp_path, names)
    for found in (load("mnist", folder=tmp_path), load(tmp_path)):
        assert found.name == "mnist" and found.classes == tuple("0123456789")
        assert np.array_equal(found.x[..., 0], X) and np.array_equal(found.labels, Y)
    with pytest.raises(NoTestPart, match="no test files of mnist"):
        load(tmp_path, "test")


def test_a_gzip_file_of_several_members_is_one_file(tmp_path):
    def members(data):
        return gzip.compress(data[:5]) + gzip.compress(data[5:]) + gzip.compress(b"")

    put(tmp_path, [f"{name}.gz" for name in PAIRS.values()], pack=members)
    assert np.array_equal(load("mnist", folder=tmp_path).x[..., 0], X)
    put(tmp_path, [f"{name}.gz" for name in PAIRS.values()], pack=lambda data: gzip.compress(data) + bytes(9))
    assert np.array_equal(load("mnist", folder=tmp_path).x[..., 0], X), "zeros after the end are no data"


@pytest.mark.parametrize(
    "part, first, classes",
    [
        ("letters", 1, 26),
        ("digits", 0, 10),
        ("mnist", 0, 10),
        ("balanced", 0, 47),
        ("bymerge", 0, 47),
        ("byclass", 0, 62),
    ],
)
def test_emnist_is_turned_upright_and_has_its_classes(tmp_path, part, first, classes):
    y = (np.arange(20) % classes + first).astype(np.uint8)
    y[-1] = classes + first - 1
    for split in ("train", "test"):
        put(
            tmp_path,
            [f"emnist-{part}-{split}-images-idx3-ubyte.gz", f"emnist-{part}-{split}-labels-idx1-ubyte.gz"],
            X.transpose(0, 2, 1),
            y,
            gzip.compress,
        )
    for found in (load(f"emnist-{part}", folder=tmp_path), load(tmp_path), load(tmp_path, "test")):
        assert found.name == f"emnist-{part}" and len(found.classes) == classes
        assert np.array_equal(found.x[..., 0], X) and np.array_equal(found.labels, y - first)
    last = {"letters": "Z", "balanced": "t", "bymerge": "t", "byclass": "z"}.get(part, "9")
    assert found.classes[-1] == last


def test_letters_under_mnists_names_are_named_and_can_be_loaded(tmp_path):
    y = (np.arange(20) + 7).astype(np.uint8)
    put(tmp_path, PAIRS.values(), X.transpose(0, 2, 1), y)
    with pytest.raises(FileFormatError, match=r"labels in 0..9, got 10 in row 3.*7 to 26 fit emnist-letters"):
        load("mnist", folder=tmp_path)
    found = load("emnist-letters", folder=tmp_path)
    assert np.array_equal(found.x[..., 0], X) and found.classes[found.labels[0]] == "G"


@real
@pytest.mark.parametrize("split", ["train", "test"])
def test_digits_on_their_sides_are_turned_with_a_warning_and_upright_ones_are_not(
    tmp_path, split, monkeypatch
):
    monkeypatch.setenv("NUMGAN_DATA", REAL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        known = load("mnist", split)
    x, y = known.x[:100, ..., 0], known.labels[:100].astype(np.uint8)
    put(tmp_path, idx_sets.FILES[split], x.transpose(0, 2, 1), y)
    with pytest.warns(UserWarning, match="lie on their sides, as EMNIST stores them"):
        assert np.array_equal(load("mnist", split, folder=tmp_path).x[..., 0], x)


@real
@pytest.mark.parametrize("part", ["digits", "mnist", "balanced", "byclass"])
def test_emnists_digits_that_are_upright_already_stay_so_with_a_warning(tmp_path, part, monkeypatch):
    monkeypatch.setenv("NUMGAN_DATA", REAL)
    known = load("mnist", "test")
    x, y = known.x[:100, ..., 0], known.labels[:100].astype(np.uint8)
    names = [f"emnist-{part}-test-{what}-ubyte" for what in ("images-idx3", "labels-idx1")]
    put(tmp_path, names, x.transpose(0, 2, 1), y)
    assert np.array_equal(load(tmp_path, "test").x[..., 0], x)
    put(tmp_path, names, x, y)
    with pytest.warns(UserWarning, match="upright already, not as EMNIST stores them"):
        assert np.array_equal(load(tmp_path, "test").x[..., 0], x)


def test_noise_and_clothes_are_not_turned(tmp_path):
    put(tmp_path, PAIRS.values())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load("mnist", folder=tmp_path)
        put(tmp_path, PAIRS.values(), np.full_like(X, 7))  # no picture has any contrast
        load("mnist", folder=tmp_path)


def test_qmnists_first_column_is_the_class(tmp_path):
    y = np.zeros((20, 8), ">i4")
    y[:, 0], y[:, 1:] = Y, 77
    put(
        tmp_path,
        ["qmnist-train-images-idx3-ubyte.gz", "qmnist-train-labels-idx2-int.gz"],
        X,
        y,
        gzip.compress,
    )
    for found in (load("qmnist", folder=tmp_path), load(tmp_path)):
        assert found.name == "qmnist" and np.array_equal(found.labels, Y)
    put(tmp_path / "other", PAIRS.values(), X, y)
    assert np.array_equal(load("mnist", folder=tmp_path / "other").labels, Y)


@pytest.mark.parametrize(
    "folder, name",
    [
        ("FashionMNIST/raw", "fashion-mnist"),
        ("fashion_mnist", "fashion-mnist"),
        ("KMNIST/raw", "kmnist"),
        ("KMNIST/data/raw", "kmnist"),
        ("fashion/data", "fashion-mnist"),
        ("kuzushiji/MNIST", "mnist"),
        ("EMNIST/raw", "mnist"),
        ("x", "mnist"),
    ],
)
def test_mnists_names_in_a_folder_with_another_name(tmp_path, folder, name, monkeypatch):
    place = put(tmp_path / folder, PAIRS.values())
    for way in (tmp_path, place, f"{place}/", place.parent):
        found = load(way)
        assert found.name == name and found.classes == idx_sets.CLASSES[name]
    monkeypatch.chdir(place)
    assert load(".").name == name


def test_a_test_part_alone_is_named(tmp_path):
    put(tmp_path, idx_sets.FILES["test"])
    with pytest.raises(FileNotFoundError, match="got neither, but files of the test part; put train-images"):
        load(tmp_path)
    assert np.array_equal(load(tmp_path, "test").labels, Y)


def test_clothes_are_not_loaded_as_digits(tmp_path):
    place = put(tmp_path / "FashionMNIST" / "raw", PAIRS.values())
    for folder in (place, tmp_path):
        with pytest.raises(
            FileNotFoundError, match="got files of fashion-mnist; .*load those with load.'fashion-mnist'"
        ):
            load("mnist", folder=folder)


def test_linked_folders_are_looked_into(tmp_path):
    put(tmp_path / "store", PAIRS.values())
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "MNIST").symlink_to(tmp_path / "store", target_is_directory=True)
    (tmp_path / "store" / "loop").symlink_to(tmp_path / "data", target_is_directory=True)
    assert np.array_equal(load("mnist", folder=tmp_path / "data").labels, Y)


def test_an_archive_that_is_not_unpacked_is_named(tmp_path):
    (tmp_path / "gzip.zip").write_bytes(b"PK")
    for name in ("emnist-letters", "mnist"):
        with pytest.raises(FileNotFoundError, match="got neither; unpack 'gzip.zip' first; put .* from http"):
            load(name, folder=tmp_path)


def test_one_file_of_a_set_is_no_set(tmp_path):
    put(tmp_path, PAIRS.values())
    with pytest.raises(ValueError, match="pictures or the labels of a set alone; name its folder: load"):
        load(tmp_path / PAIRS["images"])


def test_two_sets_in_one_folder_are_an_error_that_names_both(tmp_path):
    put(tmp_path / "MNIST", PAIRS.values())
    put(tmp_path / "FashionMNIST", PAIRS.values())
    with pytest.raises(ValueError, match="one set, got those of fashion-mnist and mnist; name one"):
        load(tmp_path)


def archive(make):
    file = io.BytesIO()
    make(file)
    return file.getvalue()


def zipped(file):
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("train-images-idx3-ubyte", idx_file(X))


def tarred(file):
    with tarfile.open(fileobj=file, mode="w") as out:
        out.addfile(tarfile.TarInfo("train-images-idx3-ubyte"))


OTHERS = {
    "a zip archive": (archive(zipped), "unpack it"),
    "a tar archive": (archive(tarred), "unpack it"),
    "a Python pickle": (pickle.dumps([1, 2]), "numgan runs no code from files"),
    "a NumPy array": (archive(lambda file: np.save(file, X)), "load the .npy file itself"),
    "a web page": (b"<!DOCTYPE html><html>not found</html>", "open the address in a browser"),
    "a PNG picture": (b"\x89PNG\r\n\x1a\n" + bytes(20), "folder of the pictures"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "an IDX file of unsigned bytes with 1 axis": (idx_file(Y), "pictures and labels exchanged"),
    "an IDX file of 32-bit integers with 2 axes": (idx_file(np.zeros((20, 8), ">i4")), "QMNIST's labels"),
    "an IDX file of 32-bit floats with 3 axes": (idx_file(X.astype(">f4")), "belongs to another set"),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_of_another_kind_is_named(tmp_path, kind, pack):
    content, advice = OTHERS[kind]
    put(tmp_path, PAIRS.values())
    (tmp_path / PAIRS["images"]).write_bytes(pack(content))
    with pytest.raises(FileFormatError, match=f"{kind}.*{advice}") as caught:
        load("mnist", folder=tmp_path)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize(
    "content, kind, advice",
    [
        (b'{"message": "Not Found"}', "text, '{", "the server sent it"),
        (b"Error 404\n", "text, 'Error 404", "the server sent it"),
        (b"\xef\xbb\xbf\n<!-- a page --><html>", "a web page", "the server sent it"),
        (b"<Error><Code>AccessDenied</Code>", "a web page", "the server sent it"),
        (gzip.compress(gzip.compress(idx_file(X))), "a gzip file", "unpack it with gunzip"),
        (b"PAR1" + bytes(40), "a Parquet file", "numpy.savez"),
        (b"PK\x03\x04" + bytes(26) + b"training/data.pkl", "a PyTorch file", "runs no code from files"),
        (b"PK\x03\x04" + bytes(26) + b"x_train.npy", "an .npz file of NumPy", "load the .npz file itself"),
    ],
)
def test_what_a_server_or_a_program_left_in_place_of_the_file_is_named(tmp_path, content, kind, advice):
    put(tmp_path, PAIRS.values())
    (tmp_path / PAIRS["images"]).write_bytes(content)
    with pytest.raises(FileFormatError, match=f"{kind}.*{advice}") as caught:
        load("mnist", folder=tmp_path)
    assert "damaged" not in str(caught.value)


def test_integers_of_any_size_are_labels(tmp_path):
    for code, kind in ((9, "i1"), (11, ">i2"), (12, ">i4")):
        put(tmp_path, PAIRS.values())
        content = bytes([0, 0, code, 1]) + len(Y).to_bytes(4, "big") + Y.astype(kind).tobytes()
        (tmp_path / PAIRS["labels"]).write_bytes(content)
        assert np.array_equal(load(tmp_path).labels, Y)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_may_have_an_axis_of_channels(tmp_path, channels):
    x = draw(0, 256, (20, 28, 24, channels), np.uint8)
    put(tmp_path, PAIRS.values(), x)
    assert np.array_equal(load(tmp_path).x, x)
    names = ("emnist-digits-train-images-idx3-ubyte", "emnist-digits-train-labels-idx1-ubyte")
    put(tmp_path / "emnist", names, x)
    assert np.array_equal(load("emnist-digits", folder=tmp_path).x, x.transpose(0, 2, 1, 3))
    put(tmp_path, PAIRS.values(), x.transpose(0, 3, 1, 2)[:, :, :, :5])
    with pytest.raises(FileFormatError, match=f"expected pictures of 1 or 3 channels.*got 20 x {channels} x"):
        load("mnist", folder=tmp_path)


def test_a_cut_download_is_damaged(tmp_path):
    put(tmp_path, [f"{name}.gz" for name in PAIRS.values()], pack=gzip.compress)
    path = tmp_path / f"{PAIRS['images']}.gz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(
        FileFormatError, match="one whole gzip file, got a file that ends too early; the file is damaged"
    ):
        load("mnist", folder=tmp_path)


def test_files_of_another_set_are_named(tmp_path):
    put(
        tmp_path,
        ["emnist-letters-train-images-idx3-ubyte", "emnist-letters-train-labels-idx1-ubyte"],
        X,
        Y + 1,
    )
    with pytest.raises(FileNotFoundError, match="got files of emnist-letters; put train-images"):
        load("mnist", folder=tmp_path)


def test_a_set_without_a_download_says_which_files_it_needs():
    with pytest.raises(
        FileNotFoundError, match="does not download this set; put emnist-letters-train-images-idx3"
    ):
        load("emnist-letters")
    with pytest.raises(FileNotFoundError, match="qmnist-train-labels-idx2-int.gz"):
        load("qmnist")


def test_a_folder_of_arrays_is_a_set_too(tmp_path):
    for split in ("train", "test"):
        np.savez(tmp_path / f"kmnist-{split}-imgs.npz", X)
        np.savez(tmp_path / f"kmnist-{split}-labels.npz", Y)
    for split in ("train", "test"):
        found = load(tmp_path, split)
        assert np.array_equal(found.x[..., 0], X) and found.labels.shape == (20,)
    (tmp_path / "kmnist-test-labels.npz").unlink()
    with pytest.warns(UserWarning, match="kmnist-test-labels.npz is not there, so this part has no labels"):
        assert load(tmp_path, "test").labels is None
