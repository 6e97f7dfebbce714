"""Small models and folders that the tests share, and a way to run the command in this process."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

if os.environ.get("KERAS_BACKEND") == "jax":
    # Networks are small here and most of the time is XLA's, which compiles in two thirds of it so.
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

ROOT = Path(__file__).parent.parent
LINES = [
    "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。",
    "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。",
    "床前明月光，疑是地上霜。举头望明月，低头思故乡。",
    "千山鸟飞绝，万径人踪灭。孤舟蓑笠翁，独钓寒江雪。",
]


def pytest_collection_modifyitems(config, items):
    """What needs the network is left out unless it is asked for by its marker; slow tests come first."""
    if "online" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("online")]
        items[:] = [item for item in items if not item.get_closest_marker("online")]
        config.hook.pytest_deselected(items=left_out)
    # First, so that no process is left alone with them at the end.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session", autouse=True)
def _cache_apart(tmp_path_factory):
    """Compiled models of the tests stay out of the user's cache."""
    os.environ["KGPT2_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _no_width(monkeypatch):
    """Screens are those of a file, whatever width the environment or another test has left behind."""
    monkeypatch.delenv("COLUMNS", raising=False)


@dataclasses.dataclass
class Result:
    status: int
    out: str
    err: str


@pytest.fixture
def kgpt2(capfd, monkeypatch):
    """Runs a kgpt2 command in this process."""
    from kgpt2.cli.console import DEBUG
    from kgpt2.cli.main import main

    def run(*arguments) -> Result:
        monkeypatch.setattr(sys, "argv", ["kgpt2", *map(str, arguments)])
        monkeypatch.setattr(DEBUG, "on", False)
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit:
            main()
        captured = capfd.readouterr()
        return Result(exit.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def process():
    """Runs Python in a process of its own, with changes to the environment."""

    def run(*arguments, **environment) -> Result:
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=ROOT,
            env={**os.environ, **environment},
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def chinese_preset(tmp_path_factory) -> Path:
    """A random Chinese model, sharp enough that its best tokens stand out: 2 layers, width 32, context 64."""
    import keras

    import kgpt2.models as models
    from kgpt2.checkpoints.vocabulary import count_vocabulary

    keras.utils.set_random_seed(0)
    task = models.from_scratch(
        count_vocabulary(LINES), layers=2, heads=2, width=32, sequence_length=64, dtype="float32", dropout=0.1
    )
    folder = tmp_path_factory.mktemp("models") / "chinese"
    return _sharpened(task, folder)


@pytest.fixture(scope="session")
def verse_preset(tmp_path_factory) -> Path:
    """A random Chinese model with the characters of the packaged poems: 1 layer, width 32, context 96."""
    import keras

    import kgpt2.models as models
    from kgpt2.assets import sample_path
    from kgpt2.checkpoints.vocabulary import count_vocabulary

    keras.utils.set_random_seed(0)
    texts = [sample_path(name).read_text("utf-8") for name in ("tang", "couplets")]
    vocabulary = count_vocabulary([*texts, "-"])
    shape = {"layers": 1, "heads": 2, "width": 32, "sequence_length": 96, "dtype": "float32", "dropout": 0.0}
    return _sharpened(models.from_scratch(vocabulary, **shape), tmp_path_factory.mktemp("models") / "verse")


@pytest.fixture(scope="session")
def english_files(tmp_path_factory) -> Path:
    """A byte-level BPE vocabulary with a few merges, as vocabulary.json and merges.txt."""
    from tokenizers.pre_tokenizers import ByteLevel

    merges = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "l d", "Ġwor ld"]
    tokens = sorted(ByteLevel.alphabet()) + [merge.replace(" ", "") for merge in merges] + ["<|endoftext|>"]
    folder = tmp_path_factory.mktemp("bpe")
    (folder / "vocabulary.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")
    return folder


@pytest.fixture(scope="session")
def english_preset(tmp_path_factory, english_files) -> Path:
    """A random stock KerasHub GPT-2: 2 layers, width 32, context 64."""
    import keras
    import keras_hub

    import kgpt2.models  # noqa: F401

    keras.utils.set_random_seed(0)
    tokenizer = keras_hub.models.GPT2Tokenizer(
        str(english_files / "vocabulary.json"), str(english_files / "merges.txt")
    )
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=2,
        num_heads=2,
        hidden_dim=32,
        intermediate_dim=128,
        max_sequence_length=64,
    )
    preprocessor = keras_hub.models.GPT2CausalLMPreprocessor(tokenizer, sequence_length=64)
    task = keras_hub.models.GPT2CausalLM(backbone=backbone, preprocessor=preprocessor)
    return _sharpened(task, tmp_path_factory.mktemp("models") / "english")


def _sharpened(task, folder: Path) -> Path:
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    for weight in task.backbone.weights:
        weight.assign(keras.ops.convert_to_numpy(weight) + rng.normal(0, 0.2, weight.shape).astype("float32"))
    task.save_to_preset(str(folder))
    return folder


@pytest.fixture
def poetry(tmp_path) -> Path:
    """A chinese-poetry folder in the layout of its repository: 45 traditional poems in two files, and a fake."""
    folder = tmp_path / "chinese-poetry" / "全唐诗"
    folder.mkdir(parents=True)
    characters = "山水風雲日月花鳥春秋江海人天地雪雨霜露松竹梅蘭菊"

    def poem(number: int) -> dict:
        line = "".join(characters[(number * 7 + i * (number % 5 + 1)) % len(characters)] for i in range(20))
        lines = [f"{line[i : i + 5]}，{line[i + 5 : i + 10]}。" for i in (0, 10)]
        return {"author": "佚名", "title": f"詩{number}", "paragraphs": lines, "id": str(number)}

    for start in (0, 1000):
        rows = [poem(start + i) for i in range(25 if start else 20)]
        (folder / f"poet.tang.{start}.json").write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    (folder / "authors.tang.json").write_text("[]", "utf-8")
    return folder.parent
