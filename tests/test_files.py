import contextlib
import errno
import os
import threading
import time
from pathlib import Path

import pytest

from kgpt2.encodings import told_encoding
from kgpt2.errors import RequestError
from kgpt2.files import home, open_regular, read_json, read_text, user_path
from kgpt2.writing import require_room, settle, sweep, whole_file, whole_folder, write_json, write_text


def test_an_interrupted_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    write_text(path, "old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["summary.json"]


def test_not_a_number_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "summary.json", {"loss": float("nan")})
    assert os.listdir(tmp_path) == []


def test_a_folder_is_replaced_only_when_the_new_one_is_complete(tmp_path):
    folder = tmp_path / "preset"
    with whole_folder(folder) as new:
        (new / "a").write_text("1")
    with contextlib.suppress(RuntimeError), whole_folder(folder) as new:
        (new / "b").write_text("2")
        assert (folder / "a").exists()
        raise RuntimeError
    assert os.listdir(folder) == ["a"]
    with whole_folder(folder) as new:
        (new / "c").write_text("3")
    assert os.listdir(folder) == ["c"]
    assert os.listdir(tmp_path) == ["preset"]


def test_readers_of_a_file_that_is_written_anew_see_one_or_the_other(tmp_path):
    path = tmp_path / "metrics.csv"
    texts = ["a" * 100_000, "b" * 200_000]
    write_text(path, texts[0])
    writer = threading.Thread(target=lambda: [write_text(path, texts[i % 2]) for i in range(50)])
    writer.start()
    while writer.is_alive():
        assert path.read_text() in texts
    writer.join()


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "there is no such"), (b"ok\n\xc4\xe3\xba\xc3", "line 2: not UTF-8")],
)
def test_unreadable_files_are_named(tmp_path, content, words):
    path = tmp_path / "poems.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RequestError, match=words) as error:
        read_text(path)
    assert str(path) in str(error.value)


def test_a_directory_is_no_file_and_a_byte_order_mark_is_no_text(tmp_path):
    with pytest.raises(RequestError, match="this is a directory"):
        read_text(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfhello")
    assert read_text(tmp_path / "a.txt") == "hello"


def test_json_that_is_too_deep_is_an_error_like_any_other(tmp_path):
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(RequestError, match="not JSON"):
        read_json(tmp_path / "a.json")


KILLED = """
import itertools, os, signal, sys
from pathlib import Path
from kgpt2.writing import settle, sweep, whole_folder

EVENTS = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "open", "shutil.rmtree"}
home = Path(sys.argv[1])
preset = home / "preset"


def write(text):
    with whole_folder(preset) as folder:
        for name in ("a", "b"):
            (folder / name).write_text(text)


def killed_at(step):
    # Writes as a child that is killed right before an operation on the disk; returns whether it came so far.
    child = os.fork()
    if not child:
        count = itertools.count(1)
        # Whatever changes the disk is announced to an audit hook before it happens.
        kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(lambda event, _: event in EVENTS and next(count) == step and kill())
        write("new")
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


gaps = 0
for step in itertools.count(1):
    write("old")
    if not killed_at(step):
        break
    gaps += not preset.exists()
    if sys.argv[2] == "reader":
        preset.exists() or settle(preset)
        assert sorted(os.listdir(preset)) == ["a", "b"], (step, os.listdir(home))
        assert {(preset / name).read_text() for name in "ab"} in ({"old"}, {"new"}), step
    elif sys.argv[2] == "sweeper":
        sweep(home)
        assert os.listdir(home) == ["preset"], (step, os.listdir(home))
        assert {(preset / name).read_text() for name in "ab"} in ({"old"}, {"new"}), step
    write("newer")
    sweep(home)
    assert os.listdir(home) == ["preset"], (step, os.listdir(home))
    assert {(preset / name).read_text() for name in "ab"} == {"newer"}, step
print(step, gaps)
"""


@pytest.mark.parametrize("next_start", ["reader", "sweeper", "writer"])
def test_a_kill_before_any_operation_of_an_exchange_loses_nothing(tmp_path, process, next_start):
    done = process("-c", KILLED, tmp_path, next_start)
    assert done.status == 0, done.err
    steps, gaps = map(int, done.out.split())
    assert steps > 12
    assert gaps == 1, "between two renames there is none of that name"


def test_readers_never_miss_a_folder_that_is_exchanged_all_the_time(tmp_path):
    preset, failures, over = tmp_path / "preset", [], threading.Event()

    def write():
        for number in range(200):
            with whole_folder(preset) as folder:
                (folder / "a").write_text(str(number))
        over.set()

    with whole_folder(preset) as folder:
        (folder / "a").write_text("first")
    writer = threading.Thread(target=write)
    writer.start()
    while not over.is_set():
        # More than once: right after one exchange may come the next.
        if not any(preset.exists() or settle(preset) for _ in range(100)):
            failures.append("gone")
    writer.join()
    assert failures == []
    assert (preset / "a").read_text() == "199"
    sweep(tmp_path)
    assert os.listdir(tmp_path) == ["preset"]


def test_a_sweep_takes_what_dead_processes_left_and_nothing_else(tmp_path, process):
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom kgpt2.writing import whole_file, whole_folder\n"
        "home = Path(sys.argv[1])\n"
        "with whole_file(home / 'a') as file, whole_folder(home / 'b') as folder:\n"
        "    (folder / 'half').write_text(''); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert process("-c", program, tmp_path).status < 0
    assert len(os.listdir(tmp_path)) == 2
    (tmp_path / ".hidden").write_text("the user's")
    with whole_file(tmp_path / "a") as file, whole_folder(tmp_path / "b") as folder:
        file.write_text("")
        sweep(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {".hidden", file.name, folder.name}
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".hidden", "a", "b"]


def test_where_nothing_can_be_locked_age_tells_the_dead(tmp_path, monkeypatch):
    monkeypatch.setattr("kgpt2.writing.take", lambda handle: None)
    for name, age in (("young", 3600), ("old", 25 * 3600)):
        path = tmp_path / f".a.{name}_one.kgpt2"
        path.write_text("")
        os.utime(path, (time.time() - age,) * 2)
    sweep(tmp_path)
    assert os.listdir(tmp_path) == [".a.young_one.kgpt2"]


@pytest.mark.parametrize("named", [(), (".a.random_1.kgpt2",)])
@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_an_error_names_the_file_that_was_to_be_written(tmp_path, whole, named):
    with pytest.raises(OSError, match="full") as error, whole(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "full", *named)
    assert error.value.filename == str(tmp_path / "a")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "encoding", "told"),
    [
        ("春眠不觉晓，处处闻啼鸟。", "utf-8", None),
        ("春眠不觉晓，处处闻啼鸟。", "utf-8-sig", None),
        ("hello, world\n", "ascii", None),
        ("naïve café, über alles\n", "latin-1", None),
        ("春眠不觉晓，处处闻啼鸟。", "gb18030", "GB18030"),
        ("GPT-2 床前明月光, hello", "gb18030", "GB18030"),
        ("舉頭望明月，低頭思故鄉。", "gb18030", "GB18030"),
        ("舉頭望明月，低頭思故鄉。", "big5", "BIG5"),
        ("裏墻恒粧嫺，低頭思故鄉。", "cp950", "CP950"),
        ("㗎喺嘅咗啲，低頭思故鄉。", "big5hkscs", "BIG5-HKSCS"),
        *[("春眠不觉晓，hello\n", name, name.upper()) for name in ("utf-16", "utf-32")],
        *[("春眠不觉晓，hello\n", f"utf-16-{end}", f"UTF-16{end.upper()}") for end in ("le", "be")],
        *[("hello, world\n", f"utf-16-{end}", f"UTF-16{end.upper()}") for end in ("le", "be")],
    ],
)
def test_encodings_are_told_apart(text, encoding, told):
    data = text.encode(encoding)
    assert told_encoding(data) == told
    if told:
        assert data.decode(told) == text, "what is told can be read so"
        cut = data + text.encode(encoding)[: len(data) // 2]
        assert told_encoding(cut) == told


@pytest.mark.parametrize("place", range(0, 60, 7))
@pytest.mark.parametrize("byte", [0x80, 0xC3, 0xFF])
def test_utf8_with_a_fault_is_no_other_encoding(place, byte):
    data = bytearray("春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。".encode())
    data[place] = byte
    assert told_encoding(bytes(data)) is None


def test_a_file_that_is_not_utf8_says_how_to_convert_it(tmp_path):
    (tmp_path / "c.yaml").write_bytes("# 舉頭望明月，低頭思故鄉。\n".encode("big5"))
    with pytest.raises(RequestError, match=r"c.yaml, line 1: not UTF-8.*\n.*iconv -f BIG5 -t UTF-8 c.yaml"):
        read_text(tmp_path / "c.yaml")


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 5000])
def test_json_that_python_does_not_take(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(RequestError, match=r"a\.json: not JSON that can be read \((nested|a number)"):
        read_json(tmp_path / "a.json")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["fifo", "device", "loop", "long", "nul"])
def test_only_regular_files_are_opened(tmp_path, kind):
    path = tmp_path / ("a" * 300 if kind == "long" else "a\0b" if kind == "nul" else "a")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind in ("device", "loop"):
        path.symlink_to("/dev/zero" if kind == "device" else path)
    with pytest.raises(RequestError, match=r"no regular file|cannot be read"):
        open_regular(path)


def test_paths_of_users(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/a") == tmp_path / "a"
    for text in ("~nobody-of-this-name/a", "a" * 300, "a\0b"):
        with pytest.raises(RequestError, match=r"no such home|no path"):
            user_path(text)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("Could not determine home")))
    with pytest.raises(RequestError, match="HF_HOME=FOLDER does without one"):
        home(".cache", "HF_HOME")


def test_room_is_looked_for_before_the_work(tmp_path, monkeypatch):
    require_room(tmp_path / "deep/down", 1000)
    monkeypatch.setattr("resource.getrlimit", lambda what: (10_000, 10_000))
    require_room(tmp_path / "a", 5000)
    with pytest.raises(RequestError, match="File too large"):
        require_room(tmp_path / "a", 5000, parts=2)
