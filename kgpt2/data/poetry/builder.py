"""The chinese-poetry collection as a TensorFlow dataset, with the features that the examples for training leave out.

import tensorflow_datasets as tfds
import kgpt2.data.poetry.builder  # registers chinese_poetry

tfds.load("chinese_poetry/tang", split="train")
tfds.load("chinese_poetry/tang", builder_kwargs={"path": "FOLDER"})
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from kgpt2.data.example import Report
from kgpt2.data.poetry.collection import REVISION, Poem, read_poems
from kgpt2.data.poetry.download import COMMIT, fetch
from kgpt2.data.poetry.shelves import PARTS
from kgpt2.data.splits import split_of
from kgpt2.files import user_path

_FEATURES = ("text", "title", "author", "dynasty", "form", "rhythmic", "group")
_SPLITS = ("train", "validation", "test")

Examples = Iterator[tuple[int, dict[str, str]]]


@dataclasses.dataclass
class PoetryConfig(tfds.core.BuilderConfig):
    """A part of the collection.

    Attributes:
        part: one of `kgpt2.data.poetry.shelves.PARTS`.
        script: "simplified" or "traditional"; None: as the collection has it.
    """

    part: str = ""
    script: str | None = None


class ChinesePoetry(tfds.core.GeneratorBasedBuilder):
    """Cleaned poems, each once; variants of one poem lie in the same split (90, 5 and 5 of 100 families).

    The files are read from `path`, or else from the manual folder, or else downloaded (the pinned commit).
    """

    VERSION = tfds.core.Version(f"1.{REVISION}.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Not needed: a missing collection is downloaded. To use one that is there, put its folders (全唐诗, 宋词, …, "
        "or the npm package's dist) here, or pass path=FOLDER to the builder."
    )
    BUILDER_CONFIGS = [  # noqa: RUF012
        PoetryConfig(name=part, description=f"chinese-poetry, part {part}", part=part) for part in PARTS
    ]

    def __init__(self, *, path: str | Path | None = None, **options: Any):
        """As TFDS, and `path`: the folder of chinese-poetry, in the layout of its repository or of its npm package."""
        super().__init__(**options)
        self._path = None if path is None else user_path(str(path))

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description="Classical Chinese poems and prose from github.com/chinese-poetry/chinese-poetry, cleaned.",
            features=tfds.features.FeaturesDict({name: tfds.features.Text() for name in _FEATURES}),
            homepage="https://github.com/chinese-poetry/chinese-poetry",
            license="MIT, Copyright (c) 2016 JackeyGao",
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, str]]]]:
        root = self._path or _manual(dl_manager)
        if root is None:
            root = fetch(self.builder_config.part, Path(dl_manager.download_dir) / f"chinese-poetry-{COMMIT[:7]}")
        present = set()
        for poem in self._poems(root):
            present.add(split_of(poem.group))
            if len(present) == len(_SPLITS):
                break
        # TFDS refuses a split without examples, and the smallest parts have some.
        return {split: self._generate_examples(root, split) for split in _SPLITS if split in present}

    def _generate_examples(self, root: Path, split: str) -> Examples:
        for number, poem in enumerate(self._poems(root)):
            if split_of(poem.group) == split:
                yield number, {name: getattr(poem, name) for name in _FEATURES}

    def _poems(self, root: Path) -> Iterator[Poem]:
        return read_poems(root, self.builder_config.part, self.builder_config.script, Report())


def _manual(dl_manager: tfds.download.DownloadManager) -> Path | None:
    try:
        return Path(dl_manager.manual_dir)
    except AssertionError:
        # So TFDS says that the folder is missing or empty.
        return None
