import gzip
import json
from pathlib import Path

import pytest

from kgpt2.data.example import Report
from kgpt2.data.tifu import prepared
from kgpt2.data.tifu.posts import open_tifu
from kgpt2.data.tifu.prepared import download, prepare_tfds, prepared_folder
from kgpt2.errors import RequestError, WorkError

PUBLISHED = "tifu_all_tokenized_and_filtered.json"


def post(number: int, **changes) -> dict:
    """A post as the published file has it, invented."""
    return {
        "title": f"TIFU by losing goat {number}",
        "trimmed_title": f" losing goat {number}",
        "trimmed_title_tokenized": ["losing", "goat", str(number)],
        "selftext": f"goat {number} was on the roof. tl;dr goats climb",
        "selftext_without_tldr": f"goat {number} was on the roof. \n",
        "tldr": f"goats climb, lesson {number}",
        "id": f"g{number}",
        "ups": 5.0,
        "num_comments": 3,
        "score": 5.0,
        "upvote_ratio": 0.77,
    } | changes


# Two for each part alone, two for both, one for none.
POSTS = [
    post(1),
    post(2, tldr=None),
    post(3, trimmed_title=" "),
    post(4, selftext_without_tldr=""),
    post(5, tldr=""),
    post(6, trimmed_title=""),
    post(7),
]


def write(path: Path, rows: list) -> Path:
    """JSON lines; what is bytes already is written as it is."""
    lines = [row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode() for row in rows]
    content = b"\n".join(lines) + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.fixture
def published(tmp_path) -> Path:
    return write(tmp_path / "posts.jsonl", POSTS)


def examples(part: str, path: Path, text: str | None = None, prompt: str | None = None):
    """What a source gives, and its report."""
    report = Report()
    return list(open_tifu(part, path, text, prompt).read(report)), report


def texts(*arguments) -> list[str]:
    return [example.text for example in examples(*arguments)[0]]


def test_short_keeps_posts_with_a_title_and_long_those_with_a_tldr(published):
    short, report = examples("", published)
    assert [example.text for example in short] == [f"goat {number} was on the roof." for number in (1, 2, 5, 7)]
    assert report.dropped == {"no title": 2, "no documents": 1}
    assert report.problems == []
    long, report = examples("long", published)
    assert [example.text for example in long] == [f"goat {number} was on the roof." for number in (1, 3, 6, 7)]
    assert report.dropped == {"no tldr": 2, "no documents": 1}
    assert texts("short", published) == [example.text for example in short]


def test_text_and_prompt_choose_columns(published):
    assert texts("short", published, "title")[:2] == ["losing goat 1", "losing goat 2"]
    pairs, _ = examples("short", published, "{title} ({score}, {upvote_ratio})", "tldr")
    assert (pairs[0].text, pairs[0].prompt) == ("losing goat 1 (5, 0.77)", "goats climb, lesson 1")
    assert pairs[1].prompt == ""
    for arguments, words in [
        (("selftext", None), r"reddit_tifu/long: there is no column 'selftext'.*'documents', 'title'.*\(data.text\)"),
        ((None, "{author}"), r"there is no column 'author'.*\(data.prompt\)"),
    ]:
        with pytest.raises(RequestError, match=words):
            open_tifu("long", published, *arguments)


def test_posts_that_have_the_dataset_s_own_columns(tmp_path):
    rows = [{"documents": "a", "title": "b", "tldr": "c"}, {"documents": "d", "title": "e"}]
    path = write(tmp_path / "mine.jsonl", rows)
    assert texts("short", path) == ["a", "d"]
    assert texts("long", path, "tldr") == ["c"]
    assert texts("short", path, "{title}{score}{id}") == ["b", "e"]


@pytest.mark.parametrize("place", [PUBLISHED, f"{PUBLISHED}.gz", f"downloads/manual/{PUBLISHED}", "any.name"])
def test_a_file_is_found_by_name_or_in_a_data_directory(tmp_path, monkeypatch, place):
    path = write(tmp_path / place, POSTS)
    if place == "any.name":
        assert len(texts("short", path)) == 4
    else:
        assert len(texts("short", tmp_path)) == 4
        monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
        assert len(texts("short", None)) == 4


def test_a_gzip_file_is_known_by_its_content_and_refused_where_it_ends_early(tmp_path):
    whole = write(tmp_path / "posts.gz", POSTS * 50).read_bytes()
    path = tmp_path / "posts.json"
    path.write_bytes(whole)
    assert len(texts("short", path)) == 200
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RequestError, match=r"posts.json, line \d+: the gzip file ends early"):
        texts("short", path)


@pytest.mark.parametrize(
    ("row", "reason", "words"),
    [
        (b'{"documents": "a"', "broken JSON", "broken JSON (Expecting ',' delimiter)"),
        (b"[" * 100_000, "broken JSON", "broken JSON (RecursionError)"),
        (b'{"documents": "\xff"}', "not UTF-8", "not UTF-8 (byte 15 of the line is 0xff)"),
        (post(2, tldr="\ud83d") | {}, "not UTF-8", "column 'tldr' holds half of a surrogate pair"),
        (["a"], "no JSON object", "a post is a JSON object, this is a list"),
        ({"title": "b", "text": "a"}, "missing column", "there is no column 'documents'; there is 'title', 'text'"),
        ({"selftext_without_tldr": "a", "title": "b"}, "missing column", "there is no column 'trimmed_title'"),
        (post(2, trimmed_title=["a"]), "wrong type", "column 'trimmed_title' holds no text but a list"),
        (post(2, score="many"), "wrong type", "column 'score' holds no number but a str"),
        (post(2, ups=10**400), "wrong type", "column 'ups' holds a number that is too large"),
        (post(2, tldr=None), "no text", "nothing is left of 'tldr' (data.text)"),
    ],
)
def test_a_bad_row_is_counted_and_told_and_the_others_stay(tmp_path, row, reason, words):
    if isinstance(row, dict):
        row = json.dumps(row).encode()
    path = write(tmp_path / "posts.jsonl", [b"\xef\xbb\xbf" + json.dumps(post(1)).encode(), b"", row, post(3)])
    good, report = examples("short", path, "tldr")
    assert [example.text for example in good] == ["goats climb, lesson 1", "goats climb, lesson 3"]
    assert report.dropped == {reason: 1}
    assert report.problems[0].startswith(f"{path}, line 3: {words}")


def test_the_identity_follows_content_and_settings_but_not_the_name(published, tmp_path):
    def identity(part="short", path=published, text=None, prompt=None):
        return open_tifu(part, path, text, prompt).identity()

    copy = write(tmp_path / "copy.jsonl", POSTS)
    assert identity(path=copy) == identity() == identity("") == identity(text="documents")
    write(copy, [*POSTS[:-1], post(8)])
    different = [identity(path=copy), identity("long"), identity(text="title"), identity(prompt="title")]
    assert len({identity(), *different}) == 5


def test_mistakes(published, tmp_path):
    with pytest.raises(RequestError, match="reddit_tifu/long_split: there is no such part; there are short, long"):
        open_tifu("long_split", published, None, None)
    with pytest.raises(RequestError, match=r"none: there is no such file or folder \(data.path"):
        open_tifu("short", tmp_path / "none", None, None)
    for path, words in [(tmp_path / "none", "there is no such file"), (write(tmp_path / "empty", [b""]), "no post of")]:
        with pytest.raises(RequestError, match=words):
            prepare_tfds(path, tmp_path / "data", "short")
    assert not (tmp_path / "data").exists()


def test_without_a_network_the_way_by_hand_is_told_at_once(tmp_path, monkeypatch):
    import requests

    def fail(*arguments, **options):
        raise requests.ConnectionError("no name resolution")

    monkeypatch.setattr(requests, "head", fail)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(prepared, "_import_tfds", lambda: pytest.fail("TensorFlow is not needed to say so"))
    source = open_tifu("long", None, None, None)
    for ask in (source.identity, lambda: next(source.read(Report()))):
        with pytest.raises(WorkError) as error:
            ask()
        lines = str(error.value).splitlines()
        assert lines[0] == f"reddit_tifu/long: not in {tmp_path}, and drive.google.com cannot be reached"
        assert len(lines) == 3
        assert "kgpt2 data prepare reddit_tifu --from FILE" in lines[2]


@pytest.mark.slow
def test_a_prepared_part_is_what_the_tutorial_s_call_loads(published, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    report = Report()
    folder = prepare_tfds(published, tmp_path / "data", "short", report)
    assert folder == tmp_path / "data/reddit_tifu/short/1.1.2"
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["reddit_tifu"]
    assert report.dropped == {"no title": 2, "no documents": 1}

    def load(split):
        data = tfds.load("reddit_tifu", split=split, data_dir=tmp_path / "data", as_supervised=True)
        return [(document.decode(), title.decode()) for document, title in tfds.as_numpy(data)]

    pairs = load("train")
    assert sorted(pairs) == [(f"goat {n} was on the roof.", f"losing goat {n}") for n in (1, 2, 5, 7)]
    assert load("train[:2]") == pairs[:2]
    read, report = examples("short", tmp_path / "data", None, "title")
    assert [(example.text, example.prompt) for example in read] == pairs
    assert not report.dropped
    template = "{id} {tldr} {score} {upvote_ratio}"
    assert sorted(texts("short", tmp_path / "data", template)) == sorted(texts("short", published, template))
    with pytest.raises(RequestError, match="there already; remove it first"):
        prepare_tfds(published, tmp_path / "data", "short")


@pytest.mark.slow
def test_preparing_and_reading_print_nothing(published, tmp_path, process):
    program = f"""
from pathlib import Path
from kgpt2.data.example import Report
from kgpt2.data.tifu.posts import open_tifu
from kgpt2.data.tifu.prepared import prepare_tfds
prepare_tfds(Path({str(published)!r}), Path({str(tmp_path)!r}) / "data", "long")
print(len(list(open_tifu("long", Path({str(tmp_path)!r}) / "data", None, None).read(Report()))))
"""
    result = process("-c", program, KERAS_BACKEND="jax")
    assert (result.status, result.out, result.err) == (0, "4\n", "")


@pytest.mark.slow
def test_prepared_posts_lie_as_the_dataset_s_own_builder_lays_them(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    published = write(tmp_path / "posts.json", [post(n, tldr=None if n % 3 else "climb") for n in range(40)])
    builder = tfds.builder("reddit_tifu/long", data_dir=tmp_path / "own")
    rows = builder._generate_examples(str(published))
    monkeypatch.setattr(type(builder), "_split_generators", lambda self, manager: {"train": rows})
    builder.download_and_prepare()
    prepare_tfds(published, tmp_path / "ours", "long")
    ours = texts("long", tmp_path / "ours")
    assert ours == texts("long", tmp_path / "own")
    assert ours != texts("long", published)
    assert sorted(ours) == sorted(texts("long", published))


@pytest.mark.slow
def test_what_goes_wrong_in_tfds_is_told_in_words(published, tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    broken = tmp_path / "posts.gz"
    broken.write_bytes(gzip.compress(published.read_bytes())[:-6])
    with pytest.raises(RequestError, match=r"posts.gz, line \d+: the gzip file ends early"):
        prepare_tfds(broken, tmp_path / "data", "long")
    assert not (tmp_path / "data").exists()

    [shard] = prepare_tfds(published, tmp_path / "data", "long").glob("*.tfrecord*")
    before = open_tifu("long", tmp_path / "data", None, None).identity()
    shard.write_bytes(shard.read_bytes()[:-5])
    assert open_tifu("long", tmp_path / "data", None, None).identity() != before
    with pytest.raises(RequestError, match=r"reddit_tifu/long/1.1.2: TFDS cannot read it \(DataLossError"):
        texts("long", tmp_path / "data")

    def fail(*arguments, **options):
        raise tfds.download.DownloadError("too many requests\nand a page of HTML")

    monkeypatch.setattr(prepared, "_reachable", lambda: True)
    monkeypatch.setattr(tfds, "load", fail)
    with pytest.raises(WorkError, match=r"the download failed \(DownloadError: too many requests\)\nbring data/"):
        download(tmp_path, "short")


@pytest.mark.slow
def test_what_was_downloaded_is_read(published, tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    load = tfds.load

    def fetch(name, *, data_dir, download=True, **options):
        if download:
            prepare_tfds(published, data_dir, "short")
        return load(name, data_dir=data_dir, download=False, **options)

    monkeypatch.setattr(prepared, "_reachable", lambda: True)
    monkeypatch.setattr(tfds, "load", fetch)
    source = open_tifu("short", tmp_path, None, None)
    assert len(source.identity()) == 64
    assert prepared_folder(tmp_path, "short").is_dir()
    assert len(list(source.read(Report()))) == 4
