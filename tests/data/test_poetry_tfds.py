"""The TFDS builder, on 45 poems, in a process of its own: where tf.data has read, what follows computes slower."""

import json

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import json, pathlib, sys
import tensorflow_datasets as tfds
import kgpt2.data.poetry.builder as poetry_tfds

folder, target = sys.argv[1:]
found = {}
poetry_tfds.fetch = lambda part, destination: pathlib.Path(folder)
config = poetry_tfds.PoetryConfig(name="tang_hans", part="tang", script="simplified")
for source in ("path", "manual", "download"):
    how = {"path": {"path": folder}, "manual": {}, "download": {}}[source]
    options = {}
    if source == "manual":
        options["download_config"] = tfds.download.DownloadConfig(manual_dir=folder)
    builder = poetry_tfds.ChinesePoetry(config=config, data_dir=f"{target}/{source}", **how)
    builder.download_and_prepare(**options)
    rows = {split: tfds.as_numpy(builder.as_dataset(split=split)) for split in builder.info.splits}
    splits = {split: [{key: value.decode() for key, value in row.items()} for row in rows[split]] for split in rows}
    found[source] = {"splits": splits, "configs": list(builder.builder_configs), "name": builder.name}
print(json.dumps(found))
"""


def test_poems_become_a_tensorflow_dataset_from_each_place(poetry, tmp_path, process):
    from kgpt2.data.example import Report
    from kgpt2.data.poetry.collection import read_poems
    from kgpt2.data.poetry.shelves import PARTS
    from kgpt2.data.splits import split_of

    result = process("-c", PROGRAM, poetry, tmp_path / "tfds")
    assert result.status == 0, result.err
    places = json.loads(result.out.splitlines()[-1])
    found = places["path"]
    assert places["manual"] == places["download"] == found
    assert found["name"] == "chinese_poetry"
    assert found["configs"] == list(PARTS)
    poems = list(read_poems(poetry, "tang", "simplified", Report()))
    assert set(found["splits"]) == {split_of(poem.group) for poem in poems}
    for split, rows in found["splits"].items():
        expected = {poem.text: poem for poem in poems if split_of(poem.group) == split}
        assert sorted(row["text"] for row in rows) == sorted(expected)
        for row in rows:
            poem = expected[row["text"]]
            assert row == {key: getattr(poem, key) for key in row}
            assert {"title", "author", "dynasty", "form", "rhythmic", "group"} < set(row)
