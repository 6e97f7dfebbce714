"""Parquet files written by pyarrow, whole ones and others."""

import random
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kgpt2.data.example import Report
from kgpt2.data.sources import Options, open_source
from kgpt2.data.template import Columns
from kgpt2.data.text_files import open_files
from kgpt2.errors import RequestError
from tests.conftest import ROOT

POEM = ["白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼"]


def write(path, columns, **options):
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **options)
    return path


def read(path, columns=None, strict=True):
    report = Report(strict=strict)
    return [
        (example.prompt, example.text) for example in open_files([str(path)], columns or Columns()).read(report)
    ], report


def texts(path, text=None, strict=True):
    found, report = read(path, Columns(text), strict)
    return [text for _, text in found], report


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
@pytest.mark.parametrize("dictionary", [False, True])
def test_rows_come_in_order_through_all_row_groups(tmp_path, compression, dictionary):
    rng = random.Random(compression)
    wanted = ["".join(rng.choices("春夏秋冬风花雪月", k=rng.randrange(1, 6))) for _ in range(10_000)]
    table = {"id": list(range(len(wanted))), "text": wanted}
    path = write(tmp_path / "a.parquet", table, compression=compression, use_dictionary=dictionary, row_group_size=4321)
    found, report = texts(path)
    assert found == wanted
    assert report.done == 1


@pytest.mark.parametrize(
    ("columns", "text", "examples"),
    [
        ({"title": ["登鹳雀楼", "x"], "body": [POEM[0], None]}, "{title}：{body}", [f"登鹳雀楼：{POEM[0]}", "x："]),
        ({"only": POEM}, None, POEM),
        ({"text": POEM, "n": [1, 2, 3, 4]}, "{n} {text}", [f"{n} {line}" for n, line in enumerate(POEM, 1)]),
        ({"text": POEM, "score": [0.5, 1.25, 2.0, 1e300]}, "score", ["0.5", "1.25", "2.0", "1e+300"]),
        ({"text": pa.array(POEM).dictionary_encode()}, None, POEM),
        ({"text": pa.array(POEM, pa.large_string())}, None, POEM),
        ({"text": pa.array(POEM, pa.string_view())}, None, POEM),
        ({"text": POEM, "a.b": ["1", "2", "3", "4"], "a": [{"c": 1}] * 4}, "a.b", ["1", "2", "3", "4"]),
        ({"text": [POEM[0], None, "", " \u200b", POEM[1]]}, None, POEM[:2]),
    ],
)
def test_columns_and_templates(tmp_path, columns, text, examples):
    assert texts(write(tmp_path / "a.parquet", columns), text)[0] == examples


def test_prompts_parts_and_other_files_beside(tmp_path):
    write(tmp_path / "a.parquet", {"q": POEM[:2], "a": POEM[2:]})
    (tmp_path / "b.jsonl").write_text('{"q": "春", "a": "秋"}\n', "utf-8")
    options = Options(text="a", prompt="{q}，")
    source = open_source([str(tmp_path / "a.parquet"), str(tmp_path / "b.jsonl")], options)
    pairs = [(example.prompt, example.text) for example in source.read(Report())]
    assert pairs == [(f"{POEM[0]}，", POEM[2]), (f"{POEM[1]}，", POEM[3]), ("春，", "秋")]
    parts = [open_source(f"{tmp_path / '*.parquet'}:{part}", options) for part in ("train", "validation", "test")]
    assert sorted(example.text for part in parts for example in part.read(Report())) == sorted(POEM[2:])


def test_identity_follows_the_content(tmp_path):
    path = write(tmp_path / "a.parquet", {"text": POEM})
    before = open_files([str(path)]).identity()
    assert open_files([str(write(path, {"text": POEM}))]).identity() == before
    assert open_files([str(write(path, {"text": POEM[::-1]}))]).identity() != before


@pytest.mark.parametrize(
    ("values", "reason", "words"),
    [
        (pa.array([["a"], ["b"]]), "no text in the column", "row 1: column 'text' holds no text but a list"),
        (pa.array([True, False]), "no text in the column", "row 1: column 'text' holds no text but a bool"),
        (pa.array([b"a", b"b"]), "no text in the column", "row 1: column 'text' holds no text but a bytes"),
        (pa.array(["good", "a\0b"]), "NUL character", "row 2: a NUL character"),
        (
            pa.array([b"good", b"\xff\xfe"]).cast(pa.string(), safe=False),
            "not UTF-8",
            "row 2: not UTF-8 (a byte is 0xff)",
        ),
    ],
)
def test_bad_rows_are_counted_or_stop_everything(tmp_path, values, reason, words):
    path = write(tmp_path / "a.parquet", {"text": values})
    found, report = texts(path, strict=False)
    assert len(found) + report.dropped[reason] == 2
    assert report.problems[0].startswith(f"{path}, {words}")
    with pytest.raises(RequestError, match=r"data\.on_error=skip"):
        texts(path)


@pytest.mark.parametrize(
    ("columns", "text", "words"),
    [
        ({"title": POEM, "body": POEM}, None, "no column called text or text1 or documents; there is 'title', 'body'"),
        ({"title": POEM}, "body", "there is no column 'body'; there is 'title' (data.text)"),
        (pa.Table.from_arrays([pa.array(POEM)] * 2, ["text", "text"]), None, "2 columns are called 'text'"),
        (pa.table({}), None, "there is none"),
    ],
)
def test_a_file_without_the_columns_is_refused(tmp_path, columns, text, words):
    path = write(tmp_path / "a.parquet", columns)
    with pytest.raises(RequestError) as error:
        texts(path, text, strict=False)
    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)


def test_what_is_no_parquet_is_refused(tmp_path):
    whole = write(tmp_path / "whole.parquet", {"text": POEM}).read_bytes()
    for name, content in {"empty": b"", "text": b"text\na\n", "cut": whole[:-9], "magic": b"PAR1" * 3}.items():
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(content)
        with pytest.raises(RequestError, match=rf"{name}\.parquet: not a whole Parquet file") as error:
            texts(path, strict=False)
        assert len(str(error.value).splitlines()) == 1
    (tmp_path / "a.parquet.gz").write_bytes(whole)
    with pytest.raises(RequestError, match="does not read"):
        open_files([str(tmp_path / "a.parquet.gz")])
    with pytest.raises(RequestError, match="always in UTF-8"):
        open_files([str(tmp_path / "whole.parquet")], encoding="gb18030")


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_file_is_read_or_refused(tmp_path, seed):
    """Any other exception than RequestError would end the test; what can be read is text."""
    rng = random.Random(seed)
    path = write(tmp_path / "a.parquet", {"text": POEM * 50, "n": list(range(200))}, compression="zstd")
    content = bytearray(path.read_bytes())
    for _ in range(rng.randrange(1, 8)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path.write_bytes(content)
    try:
        found, _ = texts(path, "{text}{n}", strict=False)
    except RequestError as error:
        assert str(error).startswith(str(path))  # noqa: PT017
    else:
        assert all(isinstance(text, str) for text in found)


def test_a_file_that_unfolds_to_far_more_is_refused(tmp_path):
    path = write(tmp_path / "a.parquet", {"text": ["春" * 3_000_000]}, compression="zstd", use_dictionary=False)
    assert path.stat().st_size < 100_000
    with pytest.raises(RequestError, match=r"refused, 9,.* are packed into it"):
        texts(path)


def test_a_long_text_that_is_kept_once_fills_no_memory(tmp_path):
    """100,000 rows that name one text of 3 MB: 300 GB, were they all written out."""
    folded = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int32)), pa.array(["春" * 1_000_000]))
    path = write(tmp_path / "a.parquet", pa.table({"text": folded.cast(pa.dictionary(pa.int32(), pa.string()))}))
    program = (
        "import itertools, pathlib, re\n"
        "from kgpt2.data.sources import open_source\n"
        "from kgpt2.data.example import Report\n"
        f"rows = open_source({str(path)!r}).read(Report())\n"
        "print(sum(len(row.text) for row in itertools.islice(rows, 200)))\n"
        # Not getrusage, whose peak counts the process that this one was forked from.
        "print(re.search(r'VmHWM:\\s+([0-9]+)', pathlib.Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    characters, kilobytes = map(int, done.stdout.split())
    assert characters == 200_000_000
    assert kilobytes < 600_000
