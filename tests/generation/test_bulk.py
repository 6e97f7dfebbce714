"""Prompts in bulk: order, flat windows, and going on after any kill."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

WORDS = ("春眠", "白日依山", "千", "床前明月光，疑是", "花落知多少。夜来", "孤舟蓑笠翁，")


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("".join(f"{WORDS[number % 6][: 1 + number % 7]}\n" for number in range(60)), "utf-8")
    return path


def arguments(model, prompts, out, *more):
    settings = ["--sampler", "random", "--seed", "7", "--max-new-tokens", "9", "--batch-size", "2"]
    return ["generate", "--model", model, "--prompts", prompts, "--out", out, *settings, *more]


def test_results_come_in_the_order_of_the_prompts_and_as_without_a_file(kgpt2, chinese_preset, prompts, tmp_path):
    out = tmp_path / "out.jsonl"
    result = kgpt2(*arguments(chinese_preset, prompts, out, "--json", "-n", "2"))
    assert result.status == 0, result.err
    shown = kgpt2(*arguments(chinese_preset, prompts, out, "--json", "-n", "2")[:5], "--sampler", "random", "--seed",
                  "7", "--max-new-tokens", "9", "--json", "-n", "2")  # fmt: skip
    assert out.read_text("utf-8") == shown.out
    found = [(line["prompt"], line["index"]) for line in map(json.loads, shown.out.splitlines())]
    assert found == [(prompt, index) for prompt in prompts.read_text("utf-8").split() for index in (0, 1)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "prompts.txt"]


def interrupted(kgpt2, monkeypatch, windows, *command):
    """Ends the command, as a kill would, when so many windows are on the disk."""
    from kgpt2.generation import bulk

    append, count = bulk.Part.append, 0

    def append_and_die(self, *values):
        nonlocal count
        append(self, *values)
        count += 1
        if count == windows:
            with open(self._path, "ab") as file:
                file.write(b"half a li")  # what a kill may leave
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bulk.Part, "append", append_and_die)
        return kgpt2(*command)


def test_resume(kgpt2, chinese_preset, prompts, tmp_path, monkeypatch):
    whole, out = tmp_path / "whole.txt", tmp_path / "out.txt"
    kgpt2(*arguments(chinese_preset, prompts, whole))
    command = arguments(chinese_preset, prompts, out)
    result = interrupted(kgpt2, monkeypatch, 2, *command)
    assert result.status == 1
    assert "32 of 60 prompts are done: the same command with --resume" in result.err
    assert not out.exists()
    again = kgpt2(*command)
    assert again.status == 2
    assert "holds the results of 32 prompts" in again.err
    result = kgpt2(*command, "--resume")
    assert result.status == 0, result.err
    assert "going on after 32 of 60 prompts" in result.err
    assert out.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob("*.part*"))
    result = kgpt2(*command, "--resume")
    assert result.status == 0
    assert "nothing of it is left to do" in result.err


def test_a_drawn_seed_outlives_a_kill(kgpt2, chinese_preset, prompts, tmp_path, monkeypatch):
    out = tmp_path / "out.jsonl"
    command = [word for word in arguments(chinese_preset, prompts, out, "--json") if word not in ("--seed", "7")]
    interrupted(kgpt2, monkeypatch, 1, *command)
    assert kgpt2(*command, "--resume").status == 0
    assert len({json.loads(line)["seed"] for line in out.read_text("utf-8").splitlines()}) == 1


@pytest.mark.parametrize("change", ["--temperature", "prompts", "--json"])
def test_another_request_is_refused_by_name(kgpt2, chinese_preset, prompts, tmp_path, monkeypatch, change):
    command = arguments(chinese_preset, prompts, tmp_path / "out.txt")
    interrupted(kgpt2, monkeypatch, 1, *command)
    if change == "prompts":
        prompts.write_text(prompts.read_text("utf-8") + "春\n", "utf-8")
    else:
        command += [change, "0.5"] if change == "--temperature" else [change]
    result = kgpt2(*command, "--resume")
    assert result.status == 2
    assert f"another request: {change.strip('-')}" in result.err


@pytest.mark.parametrize("damage", ["{", '{"prompts": 3}', "short"])
def test_damaged_parts_are_refused(kgpt2, chinese_preset, prompts, tmp_path, monkeypatch, damage):
    command = arguments(chinese_preset, prompts, tmp_path / "out.txt")
    interrupted(kgpt2, monkeypatch, 1, *command)
    if damage == "short":
        (tmp_path / "out.txt.part").write_text("x")
    else:
        (tmp_path / "out.txt.part.json").write_text(damage)
    result = kgpt2(*command, "--resume")
    assert result.status == 2
    assert "out.txt.part" in result.err
    assert len(result.err.splitlines()) <= 2


def test_resume_wants_a_file_and_begins_where_there_is_none(kgpt2, chinese_preset, prompts, tmp_path):
    assert "--out" in kgpt2("generate", "春", "--model", chinese_preset, "--resume").err
    result = kgpt2(*arguments(chinese_preset, prompts, tmp_path / "out.txt", "--resume"))
    assert result.status == 0
    assert len((tmp_path / "out.txt").read_text("utf-8").splitlines()) == 60


def test_a_prompt_that_is_not_text_is_named_before_anything_is_written(kgpt2, chinese_preset, prompts, tmp_path):
    prompts.write_bytes("春\n".encode() + "花".encode("gb18030") + b"\n")
    result = kgpt2(*arguments(chinese_preset, prompts, tmp_path / "out.txt"))
    assert result.status == 2
    assert "prompts.txt, line 2: not UTF-8" in result.err


@pytest.mark.slow
def test_killed_again_and_again(chinese_preset, tmp_path):
    prompts, out = tmp_path / "prompts.txt", tmp_path / "out.jsonl"
    draw = random.Random(0)
    lines = ["".join(draw.choices("春眠不觉晓处闻啼鸟", k=draw.randint(1, 12))) for _ in range(2000)]
    prompts.write_text("\n".join(lines) + "\n", "utf-8")
    command = [sys.executable, "-m", "kgpt2", *arguments(chinese_preset, prompts, out, "--json", "--resume")]
    kills = 0
    for _ in range(40):
        process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        began = time.monotonic()
        limit = draw.uniform(0.5, 3) if kills < 4 else 600
        while process.poll() is None and time.monotonic() - began < limit:
            time.sleep(0.02)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        if process.wait() == 0:
            break
    assert kills >= 3
    found = [json.loads(line)["prompt"] for line in out.read_text("utf-8").splitlines()]
    assert found == lines
