"""Tables of numbers as text, as people have them (.csv, .tsv, .txt, also packed with gzip).

    x, labels, classes, names = read_text_table("flowers.csv")

encoding     see text_files.py
separator    tab, semicolon, comma, pipe or spaces: the one that makes the most cells numbers, in lines of
             equal length. A separator at the end of every line counts for nothing
comments     lines that begin with "#". The last one above the rows may hold the names of the columns
decimals     with a point, or all with a comma if the separator is no comma: 1,5
header       the first line, if it has words above numbers
"""

import csv
import io
import math
import os
import re
import warnings
from collections import Counter, defaultdict
from itertools import islice

import numpy as np

from ..core.errors import damaged
from .order import numbered
from .pixel_columns import as_pictures
from .text_files import text_in

MARKS = "\t;,| "  # separators; of two that fit equally well, the first one is taken
SAMPLE = 100  # lines from which the separator is found
BLOCK = 1000  # rows that are converted at once
LABEL_COLUMNS = ("label", "labels", "class", "target", "species")
INDEX_COLUMNS = ("id", "index", "idx", "row", "row_id", "rowid", "no", "no.", "nr", "nr.", "#")
MISSING = ("", "na", "n/a", "n.a.", "<na>", "#n/a", "nan", "-nan", "nat", "null", "?", "-", "--", ".")
BOOLS = {"true": 1.0, "false": 0.0}
DECIMAL = re.compile(r"[-+]?[0-9]*,[0-9]+(?:[eE][-+]?[0-9]+)?")  # 1,5
THOUSANDS = re.compile(r"[-+]?[1-9][0-9]{0,2}(?:[, ][0-9]{3})+")  # 1,000 or 1 000
DECORATED = re.compile(r"[-−–+(]*[$€£¥]?\s?[-+]?[\d.,][\d.,'’\s_]*[%$€£¥)]*")  # $5, 5%, 1.000,5
INFINITE = re.compile(r"[-+]?inf(inity)?", re.IGNORECASE)
RULE = re.compile(r"[\s|+:-]*--[\s|+:-]*")  # the line of |---|---| under the names
MANY = 20  # rows from which on a column of different words is no column of labels
ADVICE = "repair this cell, or remove its line or column"


def read_text_table(path):
    """Read the table `path`: samples, labels (N,) int64 or None, names of classes, names of columns or None.

    The samples are rows (N, F) float64, or pictures (N, H, W, 1) uint8 if the columns are named as pixels
    (see pixel_columns.py). The names are tuples of texts. Those of the columns, without that of the labels,
    are None for pictures and for a table without a header.

    labels     the first column called label, labels, class, target or species that has whole numbers or
               words, or else the first column of words
    left out   with a warning: a column that only numbers the rows, and one with another word in each row
    true, false    1 and 0

    Raises FileFormatError, with line and column, for a missing or other cell that is no number, and for a
    file of another encoding or kind. Raises OSError if the file cannot be read.
    """
    lines = list(io.StringIO(text_in(path), newline=""))  # with their ends of line, as csv needs them
    try:
        lines, mark, names = _layout(lines)
        width, names, skipped = _header(path, lines, mark, names)
        values, odd, numbers = _values(path, lines, mark, width, skipped)
    except csv.Error as error:
        raise damaged(
            path, "quoted cells that end with a quote before the next separator", error, "repair the quotes"
        ) from error
    titles = [f"column {k + 1}" for k in range(width)]
    if names is not None:
        titles = [name or f"Unnamed: {k}" for k, name in enumerate(names)]
        _warn_of_numbers(path, names)
    _decimals(lines, mark, values, odd)
    words = _words(values, odd, titles)
    others = _names_of_rows(words, titles, values, odd)
    label = _label(titles, [k for k in words if k not in others], values, odd)
    kept = [k for k in range(width) if k not in others and k != label]
    index = [k for k in kept if k not in odd and names and _counts(names, k, values[:, k])]
    if len(index) < len(kept):
        others |= set(index)
        kept = [k for k in kept if k not in index]
    for k in sorted(others):
        warnings.warn(
            f"{os.path.basename(path)}: {_why_left_out(titles, names, k, k in words)}", stacklevel=4
        )
    _expect_numbers(path, titles, numbers, odd, kept, label, words)
    if not kept:
        advice = "add the samples to the table, or separate its columns by commas"
        raise damaged(path, "a column of numbers", "labels alone", advice)
    x, heads = values[:, kept], None if names is None else tuple(titles[k] for k in kept)
    labels, classes = None, ()
    if label in words:
        labels, classes = numbered([row[label] for _, row in islice(_rows(lines, mark), skipped, None)])
    elif label is not None:
        labels, classes = numbered([str(int(value)) for value in values[:, label]])
    pictures = None if heads is None else as_pictures(path, x, heads)
    return (x, labels, classes, heads) if pictures is None else (pictures, labels, classes, None)


# ---- lines and cells


def _rows(lines, mark, strict=True):
    """Iterate over (number of the line from 1, list of its cells) of all lines that have a cell with text.

    lines    texts with their ends of line. A quoted cell may span several: the last one's number is given
    mark     the separator. If it is a space, several spaces or tabs in a row count as one
    strict   True: raise csv.Error for a wrong quote
    """
    if mark == " ":
        lines = (line.replace("\t", " ").strip() + "\n" for line in lines)
    reader = csv.reader(lines, delimiter=mark, skipinitialspace=True, strict=strict)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield reader.line_num, cells


def _layout(lines):
    """(lines, separator, list of the names of the columns in a comment, or None) of a table.

    Comments, rules such as |---|---| and Excel's line sep=; become blank lines in the returned list; the
    number of lines stays. If every line begins with a pipe, this pipe is removed.

    A line that begins with "#" is a row if it has as many cells as the other lines, and is below the first of
    them or has a number (if the separator is no space), or if all lines begin so. Otherwise it is a comment.
    The names are those in the last comment above the rows with one word for each column and no number.
    """
    named = re.fullmatch(r'"?sep=(.)"?\s*', lines[0], re.IGNORECASE) if lines else None  # Excel writes it
    lines = ["\n" if RULE.fullmatch(line) else line for line in lines]
    lines = ["\n", *lines[1:]] if named else lines
    notes = [k for k, line in enumerate(lines) if line.lstrip().startswith("#")]
    hidden = set(notes)
    first = next((k for k, line in enumerate(lines) if line.strip() and k not in hidden), None)
    if first is None:  # "#" begins every line: they are no comments
        notes, hidden = [], set()
    plain = [line for k, line in enumerate(lines) if line.strip() and k not in hidden][:SAMPLE]
    mark = named[1] if named else _mark(plain)
    if mark == "|" and all(line.lstrip().startswith("|") for line in lines if line.strip()):
        lines = [line.replace("|", "", 1) for line in lines]
        plain = [line.replace("|", "", 1) for line in plain]
    width = _width(_rows(plain, mark, strict=False))
    names, lines = None, list(lines)
    for k in notes:
        cells = next((cells for _, cells in _rows([lines[k]], mark, strict=False)), [])
        numeric = any(_number(cell) is not None for cell in cells)
        if len(cells) == width and (k > first or numeric and mark != " "):
            continue  # a row whose first cell begins with "#"
        text = lines[k].strip()[1:]
        heads = next((cells for _, cells in _rows([text], mark, strict=False)), [])
        heads = heads if len(heads) == width else text.split()
        if k < first and len(heads) == width and not any(_number(cell) is not None for cell in heads):
            names = heads
        lines[k] = "\n"
    return lines, mark, names


def _mark(lines):
    """The separator, one of MARKS, of a table's first lines; a comma if there is none.

    It is the one with the best fit (see `_fit`). Spaces are left out if a semicolon, a comma or a pipe gives
    all lines equally many cells, or if a tab does so and cells hold numbers such as 1 000.
    """
    fits = {mark: _fit(lines, mark) for mark in MARKS}
    cells = [cell for _, row in _rows(lines, "\t", strict=False) for cell in row]
    thousands = any(" " in cell and THOUSANDS.fullmatch(cell) for cell in cells)
    if any(fits[mark][1] for mark in ("\t;,|" if thousands else ";,|")):
        fits[" "] = (0, False)  # spaces in cells are no separators then
    best = max(MARKS, key=lambda mark: fits[mark][0])
    return best if fits[best][0] else ","


def _fit(lines, mark):
    """(how well `mark` separates the lines, a number from 0; whether all of them have equally many cells).

    (numeric cells + 0.5) / (cells of the usual lines) * (usual lines) / (lines). A usual line has as many
    cells as most lines have. (0, False) if this number of cells is below 2.
    """
    rows = [row for _, row in _rows(lines, mark, strict=False)]
    width = _width(enumerate(rows))
    if width < 2:
        return 0, False
    found = [row for row in rows if len(row) == width]
    numeric = sum(
        _number(cell) is not None or mark != "," and bool(DECIMAL.fullmatch(cell))
        for row in found
        for cell in row
    )
    return (numeric + 0.5) / (width * len(found)) * len(found) / len(rows), len(found) == len(rows)


def _width(rows):
    """The number of cells that most of the `rows`, pairs (number, cells), have; 0 without rows."""
    common = Counter(len(row) for _, row in rows).most_common(1)  # [(number of cells, how many rows)] or []
    return common[0][0] if common else 0


def _header(path, lines, mark, names):
    """(number of columns, list of their names or None, number of rows above the numbers: 0 or 1) of a table.

    path, lines, mark   the path of the file, for messages; its lines; the separator
    names   the names found in a comment, or None. They are taken if the first line is no header

    The number of columns is that of most of the first SAMPLE (100) lines, without columns at the end that are
    empty in every line. Raises FileFormatError for a header without rows below it, or of another length.
    """
    rows = list(islice(_rows(lines, mark), SAMPLE))
    width = _width(rows)
    while width > 1 and not any(cell for _, row in _rows(lines, mark) for cell in row[width - 1 :]):
        width -= 1  # every line ends with a separator
    _, head = rows[0] if rows else (0, [])
    rest = [row for _, row in rows[1:]]
    if len(head) == width - 1 >= 2 and mark in "\t " and all(len(row) == width for row in rest):
        head = ["", *head]  # as R writes it: the names of the rows have no heading
    if not _is_header(head, rest):
        return width, names and names[:width], 0
    if len(rows) < 2:
        raise damaged(path, "a table with rows of numbers", "no rows", "check that it is the right file")
    if any(head[width:]) or len(head) < width:
        raise damaged(f"{path}, line {rows[0][0]}", f"{width} cells", len(head), "repair or remove this line")
    return width, head[:width], 1


def _is_header(head, rest):
    """Whether the cells `head` of a table's first line are names of columns.

    True if no cell is a number, or one is the name of a column of labels. False if a number has other signs
    than digits. If the cells count 0, 1, 2 ...: whether the first cell is empty, or all cells of `rest`, the
    lists of cells of further lines, have a decimal point. Otherwise: whether a column has a word in the head
    and a number below.
    """
    numeric = [cell for cell in head if _number(cell) is not None or DECIMAL.fullmatch(cell)]
    if not numeric or any(cell.lower() in LABEL_COLUMNS for cell in head):
        return True
    if not all(re.fullmatch("[0-9]+", cell) for cell in numeric):
        return False
    places = head[1:] if not head[0] else head
    if places == [str(k) for k in range(len(places))]:  # as pandas names the columns of an array
        return not head[0] or all("." in cell for row in rest for cell in row)
    words = [k for k, cell in enumerate(head) if cell.lower() not in MISSING and _number(cell) is None]
    return any(_number(row[k]) is not None for k in words for row in rest if k < len(row))


def _warn_of_numbers(path, names):
    """Warn, for the file `path`, that the first line is read as names if one of the `names` is a number."""
    if any(_number(name) is not None for name in names):
        warnings.warn(
            f"{os.path.basename(path)}: the first line is read as the names of the columns: "
            f"{', '.join(names)[:200]}",
            stacklevel=5,
        )


def _values(path, lines, mark, width, skipped):
    """(values (N, width) float64, odd, list of the N line numbers) of the rows of a table.

    path, lines, mark   the path of the file, for messages; its lines; the separator
    width     the number of columns. A line may have more cells if these are empty
    skipped   the number of rows above the numbers, which are left out
    odd       {column: {row: cell}} of all cells that are no finite number; their values are nan

    Raises FileFormatError for a line of another length, or if there are no rows.
    """
    parts, odd, numbers = [], defaultdict(dict), []
    rows = islice(_rows(lines, mark), skipped, None)
    while block := list(islice(rows, BLOCK)):
        for line, row in block:
            if len(row) < width or any(row[width:]):
                raise damaged(f"{path}, line {line}", f"{width} cells", f"{len(row)}", "repair this line")
        part = np.empty((len(block), width))  # rows are converted in blocks of BLOCK, column by column
        for k, cells in enumerate(zip(*(row[:width] for _, row in block), strict=True)):
            part[:, k], others = _numbers(cells)
            if others:
                odd[k] |= {len(numbers) + i: cells[i] for i in others}  # len(numbers) rows are done before
        parts.append(part)
        numbers += [line for line, _ in block]
    if not parts:
        raise damaged(path, "a table with rows of numbers", "no rows", "check that it is the right file")
    return np.concatenate(parts), odd, numbers


def _numbers(cells):
    """(list of the numbers in `cells`, nan for others; list of the places of these others)."""
    try:
        values = list(map(float, cells))
        # the quick way, for cells that are all finite numbers; float would read 1_000 as a thousand
        if math.isfinite(sum(values)) and "_" not in "".join(cells):
            return values, []
    except ValueError:
        pass
    found = list(map(_number, cells))
    others = [i for i, value in enumerate(found) if value is None]
    return [math.nan if value is None else value for value in found], others


def _number(cell):
    """The number in the text of a cell, a finite float; None if there is none. 1_000 is no number."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in cell else None


# ---- columns


def _decimals(lines, mark, values, odd):
    """Read numbers with decimal commas, such as 1,5: put them into `values`, and remove them from `odd`.

    lines, mark    the lines of the table and its separator
    values         (N, columns) float64;  odd: {column: {row: cell}} of the cells that are no numbers

    Nothing is changed if the separator is a comma; if a cell has a decimal point; or if the separator is no
    semicolon, and all such cells may be thousands, such as 1,000.
    """
    found = [(row, k, cell) for k in odd for row, cell in odd[k].items() if DECIMAL.fullmatch(cell)]
    if mark == "," or mark != ";" and all(THOUSANDS.fullmatch(cell) for *_, cell in found):
        return
    if found and any("." in c and _number(c) is not None for _, row in _rows(lines, mark) for c in row):
        return
    for row, k, cell in found:
        values[row, k] = float(cell.replace(",", "."))
        del odd[k][row]
    for k in [k for k in odd if not odd[k]]:
        del odd[k]


def _words(values, odd, titles):
    """A list of the columns of words. Columns of true and false become 1 and 0 in `values`, out of `odd`.

    values   (N, columns) float64;  odd: {column: {row: cell}} of the cells that are no numbers
    titles   the name of each column

    In a column of words, more than half of the cells that are not missing are no numbers. Columns of true and
    false that have the name of labels are columns of words. A column whose odd cells all look like decorated
    numbers ($5, 5%) or infinite ones is no column of words, unless it has the name of labels.
    """
    words = []
    for k in sorted(odd):
        label = titles[k].lower() in LABEL_COLUMNS
        texts = {row: cell for row, cell in odd[k].items() if cell.lower() not in MISSING}
        missing = len(odd[k]) - len(texts)
        if texts and not label and all(cell.lower() in BOOLS for cell in texts.values()):
            if len(odd[k]) == len(values):
                for row, cell in texts.items():
                    values[row, k] = BOOLS[cell.lower()]
                    del odd[k][row]
        elif label or not all(DECORATED.fullmatch(c) or INFINITE.fullmatch(c) for c in texts.values()):
            words += [k] if len(texts) * 2 > len(values) - missing else []
    for k in [k for k in odd if not odd[k]]:
        del odd[k]
    return words


def _names_of_rows(words, titles, values, odd):
    """The set of columns, among those of `words`, that name the rows: each row has another word.

    titles   the name of each column
    values   (N, columns) float64;  odd: {column: {row: cell}} of the cells that are no numbers

    A column with the name of labels never names the rows. If there are fewer than MANY (20) rows, and every
    column of words has another word in each row, only columns called id, index or the like (INDEX_COLUMNS)
    count: a few rows may each have their own class.
    """
    n = len(values)
    single = {k for k in words if n > 1 and len(odd[k]) == n == len(set(odd[k].values()))}
    single -= {k for k in single if titles[k].lower() in LABEL_COLUMNS}
    if n >= MANY or len(single) < len(words):
        return single
    return {k for k in single if titles[k].lower() in INDEX_COLUMNS}


def _label(titles, words, values, odd):
    """The number of the column of labels, or None.

    titles: the name of each column; words: the columns of words that do not name the rows; values (N,
    columns); odd: {column: {row: cell}} of the cells that are no numbers. The result is the first column with
    a name in LABEL_COLUMNS that has words or only whole numbers, or else the first of `words`.
    """
    named = [
        k
        for k, title in enumerate(titles)
        if title.lower() in LABEL_COLUMNS and (k in words or k not in odd and not (values[:, k] % 1).any())
    ]
    return (named or words or [None])[0]  # the first of the list


def _counts(names, k, column):
    """Whether column k of a table only numbers the rows.

    names    the names of all columns
    column   (N,) the numbers in column k

    The first column, if it has no name, must have different whole numbers. Another column must have the name
    id, index or the like (INDEX_COLUMNS), and numbers that grow by 1. False for fewer than 2 rows.
    """
    if len(column) < 2:
        return False
    if k == 0 and not _is_named(names):
        return not (column % 1).any() and len(np.unique(column)) == len(column)
    return names[k].lower() in INDEX_COLUMNS and bool((np.diff(column) == 1).all())


def _is_named(names):
    """Whether the first of the names of columns (a list, or None) is a name.

    "" is none, and neither is "Unnamed: 0", which pandas writes for a missing name.
    """
    return bool(names and names[0]) and not names[0].lower().startswith("unnamed:")


def _why_left_out(titles, names, k, word):
    """The text of the warning that column k is left out. word: whether it has words, not numbers.

    titles, names   the names of the columns for messages; those of the file, or None
    """
    what = "the first column" if k == 0 and not _is_named(names) else f"the column {titles[k]!r}"
    if word:
        return f"{what} has another word in every row; it is left out"
    return f"{what} numbers the rows; it is left out; to keep it, give it another name"


def _expect_numbers(path, titles, numbers, odd, kept, label, words):
    """Raise FileFormatError if a cell of the samples is no number, or if a label is missing.

    path      the path of the file; titles: the name of each column, for messages
    numbers   the line number of each row
    odd       {column: {row: cell}} of the cells that are no finite numbers
    kept      the columns of the samples; label: the column of the labels, or None
    words     the columns of words

    The message names the cell of the first such column, and in it of the first row.
    """
    bad = [(k, row, cell) for k in kept for row, cell in sorted(odd.get(k, {}).items())]
    if label in odd:
        bad += [(label, row, c) for row, c in sorted(odd[label].items()) if c.lower() in MISSING]
    if not bad:
        return
    k, row, cell = min(bad, key=lambda entry: entry[:2])
    got = repr(cell) if cell else "an empty cell"
    if cell and cell.lower() in MISSING:
        got += ", a missing value"
    elif DECIMAL.fullmatch(cell) or THOUSANDS.fullmatch(cell):
        got += f", with a {'comma' if ',' in cell else 'space'}; write 1000.5 with a point alone"
    elif DECORATED.fullmatch(cell):
        got += ", with more than digits and a decimal point"
    advice = ADVICE + (f" (there are {len(bad):,} such cells)" if len(bad) > 1 else "")
    if k in words and k != label:
        advice = (
            f"the column {titles[label]!r} has the labels: remove this one, or replace its words by numbers"
        )
    expected = "a label" if k == label else "a finite number"
    raise damaged(f"{path}, line {numbers[row]}, column {titles[k]!r}", expected, got, advice)
