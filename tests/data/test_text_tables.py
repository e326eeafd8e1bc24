"""Tables of text as people have them: separators, decimals, headers, encodings, missing values."""

import gzip

import numpy as np
import pytest

from numgan.core.errors import FileFormatError
from numgan.data import load

AB = [[1.5, 2.0], [3.0, 4.25]]


def read(tmp_path, text, name="t.csv", encoding="utf-8"):
    (tmp_path / name).write_bytes(text.encode(encoding))
    return load(tmp_path / name)


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1.5,2\n3,4.25\n",
        "a,b,\n1.5,2,\n3,4.25,\n",
        "a,b\n1.5,2,\n3,4.25,\n",
        "a,b,,\n1.5,2,,\n3,4.25,,\n,,,\n",
        "a;b;\n1.5;2;\n3;4.25;\n\n",
        "a\tb\n1.5\t2\t\n3\t4.25\t\n",
        "a|b\n1.5|2\n3|4.25\n",
        "a | b\n1.5 | 2\n3 | 4.25\n",
        " a   | b\n-----+----\n 1.5 |    2\n   3 | 4.25\n",
        "| a | b |\n|:--|---|\n| 1.5 | 2 |\n| 3 | 4.25 |\n",
        "a b\n1.5 2 \n3   4.25  \n   \n",
        "  a     b\n  1.5   2.0\n  3.0   4.25\n",
        "a \t b\n1.5 \t2\n3\t 4.25\n",
        "a;b\n1,5;2\n3;4,25\n",
        "a\tb\n1,5\t2\n3\t4,25\n",
        "a|b\n1,5|2,0\n3,0|4,25\n",
        "a b\n1,5 2,0\n3,0 4,25\n",
        '"a";"b"\n"1,5";"2"\n"3";"4,25"\n',
        "sep=;\na;b\n1,5;2\n3;4,25\n",
        "a,b\r1.5,2\r3,4.25\r",
        "a,b\r\n\r\n1.5,2\r\n3,4.25\r\n\r\n",
        "# a b\n1.5 2\n3 4.25\n",
        "# a b\n1.5,2\n3,4.25\n",
        "#a,b\n1.5,2\n3,4.25\n# the end\n",
        "# made by a program, 2024\n# a;b\n1.5;2\n3;4.25\n",
        "# about\na,b\n# between\n1.5,2\n3,4.25\n",
        "a,b\n 1.5 , +2e0\n 3, 42.5E-1\n",
    ],
)
def test_one_table_in_many_forms(tmp_path, text):
    made = read(tmp_path, text)
    assert made.x.tolist() == AB and made.labels is None
    assert made.column_names == ("a", "b")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt", "t.csv.gz", "t.TSV.GZ", "t.txt.gz"])
@pytest.mark.parametrize("mark", [",", "\t", ";", " "])
def test_the_suffix_does_not_choose_the_separator(tmp_path, name, mark):
    data = f"a{mark}b\n1.5{mark}2\n3{mark}4.25\n".encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.lower().endswith("gz") else data)
    assert load(tmp_path / name).x.tolist() == AB


def test_a_packed_file_is_known_by_its_bytes(tmp_path):
    (tmp_path / "packed.csv").write_bytes(gzip.compress(b"1.5,2\n3,4.25\n"))
    (tmp_path / "plain.csv.gz").write_bytes(b"1.5,2\n3,4.25\n")
    assert load(tmp_path / "packed.csv").x.tolist() == load(tmp_path / "plain.csv.gz").x.tolist() == AB


@pytest.mark.filterwarnings("ignore:.*numbers the rows")
@pytest.mark.parametrize(
    "text, classes",
    [
        ("a,note\n1,x;y\n2,z;w\n3,x;y\n", ("x;y", "z;w")),
        ("a;b,note\n1,x\n2,z\n3,x\n", ("x", "z")),
        ("a,note\n1,x|y\n2,z\n3,x|y\n", ("x|y", "z")),
        ('a,note\n1,"x, y"\n2,"z, w"\n3,"x, y"\n', ("x, y", "z, w")),
        ('a,note\n1,"x ""y"""\n2,z\n3,"x ""y"""\n', ('x "y"', "z")),
        ('a,note\n1,"x\ny"\n2,z\n3,"x\ny"\n', ("x\ny", "z")),
        ("a\tnote\n1\tbig cat\n2\tdog, small\n3\tbig cat\n", ("big cat", "dog, small")),
        ("note;a\nx,y;1,0\nz;2,0\nx,y;3,0\n", ("x,y", "z")),
        ('"note" "a"\n"4" "x y" 1\n"5" "z" 2\n"6" "x y" 3\n', ("x y", "z")),  # as R writes it
    ],
)
def test_other_separators_inside_cells(tmp_path, text, classes):
    made = read(tmp_path, text)
    assert made.x.tolist() == [[1], [2], [3]]
    assert made.classes == classes and made.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "text, names, x",
    [
        ("1.5,2\n3,4.25\n", None, AB),
        (",0,1\n0,1.5,2.0\n1,3.0,4.25\n", ("0", "1"), AB),
        ("0,1\n1.5,2.0\n3.0,4.25\n", ("0", "1"), AB),
        ("0,1\n1,0\n", None, [[0, 1], [1, 0]]),
        ("place,2019,2020\n1,1.5,2\n2,3,4.25\n", ("place", "2019", "2020"), [[1, 1.5, 2], [2, 3, 4.25]]),
        ("a b\n1 1.5 2\n2 3 4.25\n", ("a", "b"), AB),
        ("#,a,b\n1,1.5,2\n2,3,4.25\n", ("a", "b"), AB),
        ("a,a\n1.5,2\n3,4.25\n", ("a", "a"), AB),
        ("a\n1.5\n3\n", ("a",), [[1.5], [3]]),
        ("my value\n1.5\n3\n", ("my value",), [[1.5], [3]]),
        ("x,,y\n1,2,3\n", ("x", "Unnamed: 1", "y"), [[1, 2, 3]]),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_headers(tmp_path, text, names, x):
    made = read(tmp_path, text)
    assert made.column_names == names and made.x.tolist() == x


def test_numbers_as_names_are_reported(tmp_path):
    with pytest.warns(UserWarning, match="first line is read as the names of the columns: place, 2019"):
        read(tmp_path, "place,2019\n1,1.5\n2,3\n")


def test_a_wrong_cell_in_the_first_line_is_no_header(tmp_path):
    with pytest.raises(FileFormatError, match="line 1, column 'column 1': expected a finite number, got 'x'"):
        read(tmp_path, "x,2.5\n3,4\n5,6\n")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_that_are_read(tmp_path, encoding):
    made = read(tmp_path, "größe,art\n1,käfer\n2,日本\n3,käfer\n", encoding=encoding)
    assert made.classes == ("käfer", "日本") and made.column_names == ("größe",)


@pytest.mark.parametrize(
    "encoding, message",
    [
        ("latin-1", r"t.csv, line 1: expected text in UTF-8, got the byte 0xf6, as Latin-1 .* 'ö'; save"),
        (
            "cp1252",
            r"line 1: expected text in UTF-8, got the byte 0xf6, as Latin-1 \(Windows-1252\) has it for 'ö'",
        ),
        ("utf-16-le", "t.csv: expected text in UTF-8, got UTF-16-LE without a byte-order"),
        ("utf-16-be", "t.csv: expected text in UTF-8, got UTF-16-BE without a byte-order"),
    ],
)
def test_encodings_that_are_refused_with_a_way_out(tmp_path, encoding, message):
    with pytest.raises(FileFormatError, match=message) as caught:
        read(tmp_path, "größe,art\n1,käfer\n2,uhu\n", encoding=encoding)
    said = str(caught.value)
    assert "damaged" not in said and "save it as UTF-8" in said and "read_text(" in said


def test_the_line_of_a_byte_of_another_encoding(tmp_path):
    with pytest.raises(FileFormatError, match="t.csv, line 3: expected text in UTF-8, got the byte 0xe4"):
        read(tmp_path, "a,b\n1,x\n2,\u00e4\n", encoding="latin-1")


@pytest.mark.parametrize(
    "data, message",
    [
        (b"PK\3\4....", "an Excel file; unpack it, or save the sheet as 'CSV UTF-8'"),
        (b"\x93NUMPY", "an array of NumPy; rename it to data.npy"),
        (b"a,b\n1,2\n\0\0", "expected a table as text, got bytes of 0; it is a file of another kind"),
        (b"\xff\xfea", "expected text in UTF-16, as its first bytes say"),
    ],
)
def test_other_files_with_the_name_of_a_table(tmp_path, data, message):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(FileFormatError, match=message):
        load(tmp_path / "t.csv")


@pytest.mark.parametrize("cell", ["", "NA", "nan", "?", "N/A", "null", "NaN"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_missing_values_are_named(tmp_path, cell, mark):
    rows = [["a", "b"], ["1", "2"], ["3", cell], ["5", "6"], [cell, "8"]]
    with pytest.raises(FileFormatError) as caught:
        read(tmp_path, "".join(mark.join(row) + "\n" for row in rows))
    got = f"{cell!r}, a missing value" if cell else "an empty cell"
    assert f"t.csv, line 5, column 'a': expected a finite number, got {got}" in str(caught.value)
    assert "there are 2 such cells" in str(caught.value) and "damaged" not in str(caught.value)


@pytest.mark.parametrize("cell", ["", "NA", "?"])
def test_missing_labels_are_named(tmp_path, cell):
    with pytest.raises(FileFormatError, match="line 3, column 'kind': expected a label, got"):
        read(tmp_path, f"a,kind\n1,x\n2,{cell}\n3,y\n4,x\n")


def test_a_column_of_numbers_with_many_missing_values_is_no_column_of_labels(tmp_path):
    with pytest.raises(FileFormatError, match=r"line 2, column 'b': .* got '\?', a missing value"):
        read(tmp_path, "a,b\n1,?\n2,?\n3,?\n4,8\n")
    with pytest.raises(FileFormatError, match="line 2, column 'b': .* got an empty cell"):
        read(tmp_path, "a,b,c\n1,,1\n2,,2\n")


@pytest.mark.parametrize(
    "text, message",
    [
        ('a,b\n"1,000",2\n"2,500",3\n', "line 2, column 'a': .* got '1,000', with a comma"),
        ("a\tb\n1,000\t2\n2,500\t3\n", "line 2, column 'a': .* got '1,000', with a comma"),
        ("a,b\n1 000,2\n2 500,3\n", "line 2, column 'a': .* got '1 000', with a space"),
        ("a\tb\n1 000\t2\n2 500\t3\n", "line 2, column 'a': .* got '1 000', with a space"),
        ("a;b\n1.000;2,5\n2.500;3,5\n", "line 2, column 'b': .* got '2,5', with a comma"),
        ("a;b\n1.000,5;2\n2.500,5;3\n", "line 2, column 'a': .* got '1.000,5', with more than digits"),
        ("a,b\n$5,2\n$6,3\n", r"line 2, column 'a': .* got '\$5', with more than digits"),
        ("a,b\n5%,2\n6%,3\n", "line 2, column 'a': .* got '5%', with more than digits"),
        ("a,b\ninf,2\n-inf,3\n", "line 2, column 'a': expected a finite number, got 'inf'; repair"),
        (
            "a,b\n\u22121.5,2\n\u22122.5,3\n",
            "line 2, column 'a': .* with more than digits and a decimal point",
        ),
        (
            "a,kind,place\n1,x,u\n2,y,v\n",
            "column 'place': .* got 'u'; the column 'kind' has the labels: remove",
        ),
        ("1:2\n3:4\n", "expected a column of numbers, got labels alone; .* separate its columns by commas"),
        ("a,b\n1_0,2\n3,4\n", "line 2, column 'a': expected a finite number, got '1_0'"),
        ('a,b\n"1"x,2\n', "t.csv: expected quoted cells that end with a quote"),
        ('a,b\n"1,2\n', "t.csv: expected quoted cells that end with a quote"),
        ("a,b,c\n1,2,3\n1,2,3,4\n1,2,3\n", "t.csv, line 3: expected 3 cells, got 4"),
        ("a title\na,b\n1,2\n3,4\n", "t.csv, line 1: expected 2 cells, got 1"),
        ("a,b\n1,2\n#1,2\n", "line 3, column 'a': expected a finite number, got '#1'"),
        ("a\n1,5\n2,5\n", "t.csv, line 1: expected 2 cells, got 1"),
    ],
)
def test_what_is_refused_with_its_place(tmp_path, text, message):
    with pytest.raises(FileFormatError, match=message) as caught:
        read(tmp_path, text)
    assert "damaged" not in str(caught.value)


def test_three_decimals_behind_a_comma(tmp_path):
    assert read(tmp_path, "a;b\n1,125;2,250\n3,375;4,500\n").x.tolist() == [[1.125, 2.25], [3.375, 4.5]]
    assert read(tmp_path, "a\tb\n0,125\t2,250\n3,375\t4,5\n").x.tolist() == [[0.125, 2.25], [3.375, 4.5]]


@pytest.mark.parametrize("first", [0, 1, 17])
@pytest.mark.parametrize("name", ["", "id", "Id", "INDEX", "Unnamed: 0", "row_id"])
def test_a_column_that_numbers_the_rows_is_left_out(tmp_path, name, first):
    rows = "".join(f"{first + k},{value},2\n" for k, value in enumerate([1.5, 3.5, 5.5]))
    with pytest.warns(
        UserWarning, match="numbers the rows; it is left out; to keep it, give it another name"
    ):
        made = read(tmp_path, f"{name},a,b\n{rows}")
    assert made.x.tolist() == [[1.5, 2], [3.5, 2], [5.5, 2]] and made.column_names == ("a", "b")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "text, width",
    [
        ("id,a\n3,1\n1,5\n2,5\n", 2),  # in another order: it may mean something
        ("id\n1\n2\n3\n", 1),
        ("width,a\n1,1\n2,5\n3,5\n", 2),
        ("1,1.5\n2,5.5\n3,5\n", 2),
        ("id,a\n1,2\n", 2),
    ],
)
def test_columns_that_stay(tmp_path, text, width):
    assert read(tmp_path, text).sample_shape == (width,)


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_the_shuffled_index_of_pandas_is_left_out(tmp_path, name):
    with pytest.warns(UserWarning, match="t.csv: the first column numbers the rows"):
        assert read(tmp_path, f"{name},a\n7,1.5\n3,2.5\n9,3.5\n").x.tolist() == [[1.5], [2.5], [3.5]]


def test_a_column_with_another_word_in_every_row_is_left_out(tmp_path):
    rows = "".join(f"name {k},{k % 3},{'xy'[k % 2]}\n" for k in range(24))
    with pytest.warns(UserWarning, match="the column 'who' has another word in every row; it is left out"):
        made = read(tmp_path, "who,a,kind\n" + rows)
    assert made.classes == ("x", "y") and made.column_names == ("a",)


@pytest.mark.parametrize("text", ["who,a,kind\nu,1,x\nv,2,y\nw,3,x\n", "a,kind,ID\n1,x,u\n2,y,v\n3,x,w\n"])
def test_words_that_name_few_rows_are_left_out_beside_labels(tmp_path, text):
    with pytest.warns(UserWarning, match="has another word in every row; it is left out"):
        made = read(tmp_path, text)
    assert made.classes == ("x", "y") and made.labels.tolist() == [0, 1, 0]
    assert made.column_names == ("a",) and made.x.tolist() == [[1], [2], [3]]


def test_few_rows_may_each_have_a_class(tmp_path):
    assert read(tmp_path, "a,kind\n1,x\n2,y\n").classes == ("x", "y")
    with pytest.warns(UserWarning, match="the column 'id' has another word in every row"):
        assert read(tmp_path, "a,id\n1,x\n2,y\n").labels is None


def test_true_and_false_are_numbers_unless_they_are_labels(tmp_path):
    made = read(tmp_path, "a,flag\n1.5,True\n2.5,False\n3.5,TRUE\n")
    assert made.x.tolist() == [[1.5, 1], [2.5, 0], [3.5, 1]] and made.labels is None
    made = read(tmp_path, "a,label\n1.5,True\n2.5,False\n3.5,True\n")
    assert made.classes == ("False", "True") and made.labels.tolist() == [1, 0, 1]
    with pytest.raises(FileFormatError, match="line 3, column 'flag': .* got an empty cell"):
        read(tmp_path, "a,flag\n1.5,True\n2.5,\n3.5,True\n")


def test_large_tables_are_read_in_blocks_with_the_right_lines(tmp_path):
    rows = [f"{k},{k / 2},{'ab'[k % 2]}" for k in range(2500)]
    made = read(tmp_path, "u,v,kind\n" + "\n".join(rows))
    np.testing.assert_array_equal(made.x, np.stack([np.arange(2500), np.arange(2500) / 2], axis=1))
    assert made.labels.tolist() == [k % 2 for k in range(2500)]
    rows[2200] = "1,x,a"
    with pytest.raises(FileFormatError, match="line 2202, column 'v': expected a finite number, got 'x'"):
        read(tmp_path, "u,v,kind\n" + "\n".join(rows))


@pytest.mark.parametrize(
    "name, advice",
    [
        ("iris.data", "rename it to data.csv"),
        ("t.dat", "rename it to data.csv"),
        ("t.csv.zip", "unpack it"),
        ("t.csv.xz", "unpack it"),
        ("t.json", "pandas.read_json"),
        ("t.parquet", "pandas.read_parquet"),
        ("table", "got no suffix; convert it to one of them"),
    ],
)
def test_other_suffixes_are_told_what_to_do(tmp_path, name, advice):
    with pytest.raises(FileFormatError, match=advice):
        read(tmp_path, "1,2\n3,4\n", name)
