import functools
import hashlib
import http.server
import json
import threading

import pytest

from kgpt2.data.example import Report
from kgpt2.data.poetry.collection import open_poetry
from kgpt2.data.poetry.download import fetch, pinned_files
from kgpt2.data.poetry.shelves import PARTS
from kgpt2.errors import WorkError


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def mirror(poetry):
    """A server of the folder `poetry`, as (address, table)."""
    table = poetry.parent / "table.sha256"
    lines = ["# a comment", "全唐诗/"]
    for path in sorted((poetry / "全唐诗").glob("poet.*")):
        lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_size} {path.name}")
    table.write_text("\n".join(lines) + "\n", "utf-8")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=poetry)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", table
        server.shutdown()


def test_every_part_is_pinned():
    assert [file.path for file in pinned_files("tang")][:2] == ["全唐诗/poet.tang.0.json", "全唐诗/poet.tang.1000.json"]
    counts = {part: len(pinned_files(part)) for part in PARTS}
    assert counts["tang"] == 58
    assert counts["song"] == 255
    assert counts["ci"] == 23
    assert all(counts.values())
    for file in pinned_files("song"):
        assert len(file.sha256) == 64
        assert file.size > 1000


def test_files_are_fetched_once_and_whole(mirror, poetry, tmp_path):
    address, table = mirror
    root = fetch("tang", tmp_path / "there", address=address, table=table)
    names = sorted(path.name for path in (root / "全唐诗").iterdir())
    assert names == ["poet.tang.0.json", "poet.tang.1000.json"]
    fetched, original = (list(open_poetry(folder, "tang", None).read(Report())) for folder in (root, poetry))
    assert fetched == original
    # A file that is there and right is not asked for again; one that is not is replaced.
    (root / "全唐诗/poet.tang.0.json").write_text("[]")
    (poetry / "全唐诗/poet.tang.1000.json").unlink()
    fetch("tang", root, address=address, table=table)
    assert len(json.loads((root / "全唐诗/poet.tang.0.json").read_text("utf-8"))) == 20


def test_without_a_destination_files_go_to_the_cache(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("KGPT2_CACHE", str(tmp_path / "cache"))
    address, table = mirror
    assert fetch("tang", address=address, table=table) == tmp_path / "cache/chinese-poetry-99ebbef"


def test_what_is_not_the_recorded_file_is_refused(mirror, poetry, tmp_path):
    address, table = mirror
    path = poetry / "全唐诗/poet.tang.1000.json"
    for content in (path.read_bytes() + b" ", path.read_bytes()[:-1] + b" ", b""):
        path.write_bytes(content)
        with pytest.raises(WorkError, match=r"tang\.1000\.json: not the file that was recorded"):
            fetch("tang", tmp_path / "there", address=address, table=table)
        assert [path.name for path in (tmp_path / "there/全唐诗").iterdir()] == ["poet.tang.0.json"]


def test_without_a_network_the_way_out_is_named(mirror, poetry, tmp_path):
    address, table = mirror
    (poetry / "全唐诗/poet.tang.0.json").unlink()
    for where in (address, "http://127.0.0.1:9"):
        with pytest.raises(WorkError, match=r"cannot be downloaded \(.+\)\n.*-o data.path=FOLDER"):
            fetch("tang", tmp_path / "there", address=where, table=table)
