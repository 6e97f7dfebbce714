"""A valid sample of each format, what reads it, and how dice damage it."""

import csv
import dataclasses
import gzip
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kgpt2.checkpoints.names import read_model
from kgpt2.checkpoints.tensors import read_all
from kgpt2.config.recipes import load_config
from kgpt2.conversion.convert import convert
from kgpt2.data.account import account
from kgpt2.data.sources import open_source
from kgpt2.data.token_cache import counted_tokenizer, tokenise
from kgpt2.errors import RequestError
from tests import hugging_face

ROOT = Path(__file__).parents[2]
LINES = ["春眠不觉晓，处处闻啼鸟。", "夜来风雨声，花落知多少。", "白日依山尽，黄河入海流。", "欲穷千里目，更上一层楼。"]
SHAPE = {"n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 16}
VALUES = (None, [], {}, "", "x", -1, 0, 10**400, 1e99, float("nan"), True, [[]], {"a": []}, "\ud800", "\x1b[31m" * 999)


@dataclasses.dataclass(frozen=True)
class Sample:
    """Files that are read as one.

    Attributes:
        folder: what an error must name.
        files: those that are damaged.
        read: reads them to the end.
    """

    folder: Path
    files: list[Path]
    read: Callable[[], None]


def read_weights(folder: Path) -> Callable[[], None]:
    """Reads a model and all its tensors."""

    def read() -> None:
        with read_model(str(folder)).open_weights() as tensors:
            for _ in read_all(tensors, str(folder)):
                pass

    return read


def _weights(layout: str) -> Callable[[Path], Sample]:
    def make(folder: Path) -> Sample:
        model = hugging_face.write_uer_model(folder, 220, **SHAPE)
        return Sample(folder, [hugging_face.write_weights(folder, model, layout)], read_weights(folder))

    return make


def _preset(*names: str) -> Callable[[Path], Sample]:
    def make(folder: Path) -> Sample:
        source = folder.with_name(f"{folder.name}-source")
        hugging_face.write_uer_model(source, 220, "safetensors", **SHAPE)
        convert(read_model(str(source)), folder, "keras")
        return Sample(folder, [folder / name for name in names], read_weights(folder))

    return make


def _descriptions(family: str, *names: str) -> Callable[[Path], Sample]:
    def make(folder: Path) -> Sample:
        tokens = hugging_face.write_tokenizer(folder, family)
        model = hugging_face.random_model(len(tokens), **SHAPE)
        hugging_face.write_config(folder, model)
        hugging_face.write_weights(folder, model, "safetensors")
        if "tokenizer.json" in names:
            from transformers import AutoTokenizer

            AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
            for old in ("vocab.txt", "vocab.json", "merges.txt"):
                (folder / old).unlink(missing_ok=True)
        extras = {"generation_config.json": {"top_k": 5}, "added_tokens.json": {}, "special_tokens_map.json": {}}
        for name, content in extras.items():
            (folder / name).write_text(json.dumps(content), "utf-8")
        return Sample(folder, [folder / name for name in names], read_weights(folder))

    return make


def _recipe(folder: Path) -> Sample:
    folder.mkdir()
    path = folder / "run.yaml"
    path.write_text((ROOT / "configs/couplets.yaml").read_text("utf-8"), "utf-8")
    return Sample(folder, [path], lambda: load_config(path))


def _data(name: str, content: bytes) -> Callable[[Path], Sample]:
    def make(folder: Path) -> Sample:
        folder.mkdir()
        path = folder / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return Sample(folder, [path], lambda: _tokenised(path))

    return make


def _tokenised(path: Path) -> None:
    source = open_source(str(path))
    account(tokenise(source, counted_tokenizer([source]), strict=False))


def _token_cache(folder: Path) -> Sample:
    """Damage is found and made good, so this is read, whatever the dice do."""
    import os

    folder.mkdir()
    path, cache = folder / "poems.txt", folder / "cache"
    path.write_text("\n".join(LINES), "utf-8")
    os.environ["KGPT2_CACHE"] = str(cache)
    _tokenised(path)
    return Sample(folder, [one for one in cache.rglob("*") if one.is_file()], lambda: _tokenised(path))


def _checkpoint(folder: Path) -> Sample:
    import keras

    from kgpt2.config.sections import Config
    from kgpt2.training.snapshots import latest_snapshot, save_snapshot

    config = Config.model_validate(
        {"model": {"from_scratch": {}}, "data": {"source": "samples/tang"}, "train": {"steps": 9}}
    )
    variables = [keras.Variable([1.0, 2.0]), keras.Variable(3, dtype="int32")]
    row = {"step": 1, "loss": 0.5}
    progress = {
        "meter": {"batches": 1, "compile_seconds": 0.5},
        "recorded": {"rows": [row, row], "train": row, "validation": None, "waited": 0},
        "samples": {"entries": [{"step": 1, "heading": "step 1", "texts": ["春"]}]},
        "seconds": 1.5,
    }
    save_snapshot(folder, 1, variables, progress, config, "data", 1)
    (place,) = (folder / "checkpoints").iterdir()

    def read() -> None:
        if found := latest_snapshot(folder, config, "data", lambda told: None):
            found.restore(variables)

    return Sample(folder, [place / "progress.json", place / "state.zip"], read)


def _unfinished(folder: Path) -> Sample:
    from kgpt2.generation.bulk import Part

    folder.mkdir()
    out = folder / "out.txt"
    request = {"seed": 1, "model": "mini_zh"}
    part = Part(out, request, resume=False)
    part.append(["春\n"], 1, 1)

    def read() -> None:
        try:
            Part(out, request, resume=True)
        except RequestError as error:
            raise RequestError(f"{folder}: {error}") from None  # one of its errors begins with the option

    return Sample(folder, [folder / "out.txt.part.json"], read)


def _table() -> bytes:
    import io

    text = io.StringIO()
    csv.writer(text).writerows([["title", "text"], *(["题, 一", f"{line}\n“又”"] for line in LINES)])
    return text.getvalue().encode()


_JSONL = "".join(json.dumps({"title": "题", "text": line}, ensure_ascii=False) + "\n" for line in LINES * 9).encode()
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json", "added_tokens.json")
FORMATS: dict[str, Callable[[Path], Sample]] = {
    "safetensors": _weights("safetensors"),
    "torch_zip": _weights("bin"),
    "torch_legacy": _weights("legacy_bin"),
    "tensorflow_h5": _weights("h5"),
    "keras_h5": _preset("model.weights.h5"),
    "keras_json": _preset("config.json", "tokenizer.json", "preprocessor.json", "metadata.json", "task.json"),
    "bert_json": _descriptions("bert", *_TOKENIZER),
    "bpe_json": _descriptions("bpe", *_TOKENIZER),
    "vocab_txt": _descriptions("bert", "vocab.txt", "special_tokens_map.json"),
    "merges_txt": _descriptions("bpe", "merges.txt", "vocab.json"),
    "yaml": _recipe,
    "csv": _data("a.csv", _table()),
    "jsonl": _data("a.jsonl", _JSONL),
    "json": _data("a.json", json.dumps([{"text": line} for line in LINES]).encode()),
    "gzip": _data("a.jsonl.gz", _JSONL),
    "txt": _data("a.txt", "\n".join(LINES).encode()),
    "token_cache": _token_cache,
    "checkpoint": _checkpoint,
    "unfinished": _unfinished,
}


def damaged(good: bytes, is_json: bool, dice: random.Random) -> bytes:
    """A file with bytes changed, cut out, doubled or cut off; of JSON mostly with a value of another type."""
    if is_json and dice.random() < 0.7:
        document = json.loads(good)
        place = dice.choice(list(places(document)))
        return json.dumps(replaced(document, place, dice.choice(VALUES))).encode()
    mutant = bytearray(good)
    # The descriptions lie at the two ends of many files, so that is where most of the dice fall.
    reach = dice.choice([200, 2000, len(good) + 1])
    for _ in range(dice.choice([1, 1, 3, 20])):
        size = max(1, min(reach, len(mutant)))
        place = dice.choice([dice.randrange(size), max(0, len(mutant) - 1 - dice.randrange(size))])
        kind = dice.random()
        if kind < 0.7 and mutant:
            mutant[place] = dice.choice([dice.randrange(256), 0, 0xFF, mutant[place] ^ (1 << dice.randrange(8))])
        elif kind < 0.8:
            del mutant[place : place + dice.randrange(1, 40)]
        elif kind < 0.95:
            mutant[place:place] = mutant[place : place + dice.randrange(1, 40)]
        else:
            del mutant[place:]
    return bytes(mutant)


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Every place in a JSON document, as the keys that lead to it."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(document: Any, path: tuple, value: Any) -> Any:
    """The document with another value at a place."""
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = replaced(document[path[0]], path[1:], value)
    return copy
