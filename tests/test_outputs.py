"""What is wrong with a destination is found before the work, and nothing is replaced that should stay."""

import contextlib
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from kgpt2.errors import RequestError
from kgpt2.outputs import claimed_file, claimed_folder, require_folder
from kgpt2.writing import whole_file, whole_folder, write_text

AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@contextlib.contextmanager
def read_from(fifo):
    """Reads a FIFO to its end; the list gets what came."""
    came = []
    reader = threading.Thread(target=lambda: came.append(fifo.read_bytes()))
    reader.start()
    yield came
    reader.join(10)
    assert not reader.is_alive()


def test_a_link_stays_and_its_target_is_replaced_whole(tmp_path):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o640)
    (tmp_path / "between").symlink_to("far/target")
    link.symlink_to("between")
    with contextlib.suppress(RuntimeError), whole_file(link) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    write_text(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "between").is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    (tmp_path / "dangling").symlink_to("far/other")
    write_text(tmp_path / "dangling", "made")
    assert (tmp_path / "far/other").read_text() == "made"
    assert sorted(os.listdir(tmp_path / "far")) == ["other", "target"]


def test_a_folder_that_is_a_link_stays_one(tmp_path):
    (tmp_path / "disk/preset").mkdir(parents=True)
    (tmp_path / "disk/preset/old").write_text("")
    (tmp_path / "disk/preset").chmod(0o750)
    link = tmp_path / "preset"
    link.symlink_to("disk/preset")
    with whole_folder(link) as folder:
        (folder / "new").write_text("")
    assert link.is_symlink()
    assert os.listdir(tmp_path / "disk/preset") == ["new"]
    assert stat.S_IMODE((tmp_path / "disk/preset").stat().st_mode) == 0o750
    assert os.listdir(tmp_path / "disk") == ["preset"]


def test_a_fifo_is_written_through_and_stays(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    for name in ("fifo", "link"):
        with read_from(tmp_path / "fifo") as came, claimed_file(tmp_path / name, "--out"):
            write_text(tmp_path / name, "春")
        assert came == ["春".encode()]
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["fifo", "link"]


@pytest.mark.skipif(not AS_ROOT, reason="makes a device node of its own")
def test_a_device_is_written_through_and_stays(tmp_path):
    null = tmp_path / "null"
    try:
        os.mknod(null, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        null.write_bytes(b"")
    except OSError:
        pytest.skip("no device nodes here")
    with claimed_file(null, "--out"):
        write_text(null, "gone")
    assert stat.S_ISCHR(null.stat().st_mode)


def test_the_standard_output_by_its_name_goes_where_it_goes(tmp_path):
    program = (
        "from pathlib import Path\nfrom kgpt2.writing import write_text\n"
        "print('first', flush=True)\nwrite_text(Path('/dev/stdout'), 'second\\n')\nprint('third')"
    )
    if not os.path.exists("/dev/stdout"):
        pytest.skip("there is no /dev/stdout")
    with open(tmp_path / "out", "wb") as out:
        subprocess.run([sys.executable, "-c", program], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "first\nsecond\nthird\n"
    piped = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert piped.stdout == b"first\nsecond\nthird\n"


def destinations(tmp_path):
    """Names that cannot be written, with what the refusal says."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to("circle")
    return {
        "folder": "folder, a file is wanted",
        "file/below": "a name above it is that of a file",
        "file/far/below": "a name above it is that of a file",
        "x" * 256: "too long",
        "x" * 245: "too long",  # of the temporary beside it
        "字" * 82: "too long",
        "new/" + "x" * 256 + "/file": "too long",
        "circle": "in a circle",
        "/proc/none/file": "cannot be written",
    }


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path):
    before = None
    for name, words in destinations(tmp_path).items():
        before = before or sorted(os.listdir(tmp_path))
        with pytest.raises(RequestError, match=words) as error, claimed_file(tmp_path / name, f"--out {name}"):
            pytest.fail("the work has begun")
        assert str(error.value).startswith(f"--out {name}: ")
        assert len(str(error.value).splitlines()) <= 2
        assert sorted(os.listdir(tmp_path)) == before


def test_folders_too(tmp_path):
    names = destinations(tmp_path)
    del names["folder"]
    for name, words in names.items():
        words = f"{words}|a folder is wanted"
        for replaced in (True, False):
            if not replaced and name in ("x" * 245, "字" * 82):
                continue  # nothing is written beside it
            with pytest.raises(RequestError, match=words):
                require_folder(tmp_path / name, "DST", replaced=replaced)
    assert sorted(os.listdir(tmp_path)) == ["circle", "file", "folder"]
    with pytest.raises(RequestError, match="a folder is wanted"), claimed_folder(tmp_path / "file", "D", replaced=True):
        pytest.fail("the work has begun")


def test_a_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket")
        with pytest.raises(RequestError, match="a socket"), claimed_file(tmp_path / "socket", "--out"):
            pytest.fail("the work has begun")
    with pytest.raises(OSError, match="not a file"):
        write_text(tmp_path / "socket", "")
    assert stat.S_ISSOCK((tmp_path / "socket").lstat().st_mode)


def test_what_may_not_be_written_is_refused(process):
    program = """
import os, sys
from kgpt2.errors import RequestError
from kgpt2.outputs import Path, claimed_file, claimed_folder
home = Path(sys.argv[1])
if os.geteuid() == 0:  # who may write everywhere
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
for claim in (
    claimed_file(home / "protected/x", "L"),
    claimed_file(home / "mine", "L"),
    claimed_folder(home / "protected/x", "L", replaced=True),
    claimed_folder(home / "protected", "L", replaced=False),
    claimed_folder(home / "protected", "L", replaced=True),
):
    try:
        with claim:
            print("written")
    except RequestError as error:
        print(error)
"""
    with tempfile.TemporaryDirectory() as name:  # where another user can come: a test's own folder is private
        home = Path(name)
        home.chmod(0o755)
        (home / "protected").mkdir(0o555)
        (home / "mine").write_text("mine")
        (home / "mine").chmod(0o444)
        said = process("-c", program, home)
        assert said.out.splitlines() == [
            "L: cannot be written (Permission denied); choose another place",
            "L: write-protected; remove it or choose another name",
            "L: cannot be written (Permission denied); choose another place",
            "L: cannot be written (Permission denied); choose another place",
            "L: write-protected; remove it or choose another name",
        ], said.err


def test_two_processes_do_not_write_one_file(tmp_path, process):
    link = tmp_path / "link"
    link.symlink_to("out")
    program = (
        "import sys\nfrom pathlib import Path\nfrom kgpt2.outputs import claimed_file\n"
        "with claimed_file(Path(sys.argv[1]), '--out'): print('written')"
    )
    with claimed_file(tmp_path / "out", "--out"):
        for name in ("out", "link"):
            other = process("-c", program, tmp_path / name)
            assert "--out: another process is writing there" in other.err
    assert process("-c", program, tmp_path / "out").out == "written\n"
    assert os.listdir(tmp_path) == ["link"]


def test_a_lock_ends_with_its_process_however_it_ends(tmp_path):
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom kgpt2.outputs import claimed_folder\n"
        "with claimed_folder(Path(sys.argv[1]), 'D', replaced=True): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path / "out")]).returncode < 0
    assert os.listdir(tmp_path) == [".out.lock.kgpt2"]
    with claimed_folder(tmp_path / "out", "D", replaced=True):
        pass
    assert os.listdir(tmp_path) == []


def test_folders_made_for_nothing_go_again(tmp_path):
    with contextlib.suppress(RuntimeError), claimed_file(tmp_path / "a/b/out", "--out"):
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    with claimed_file(tmp_path / "a/b/out", "--out"):
        write_text(tmp_path / "a/b/out", "kept")
    assert (tmp_path / "a/b/out").read_text() == "kept"
