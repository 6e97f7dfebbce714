"""Writes the table of hashes that a download of chinese-poetry is checked against.

FOLDER is the collection at the commit that kgpt2/data/poetry_download.py names, in the layout of its repository or of
its npm package (`npm pack chinese-poetry@2.0.1`, whose files are the same bytes in folders with other names).

    python -m benchmarks.verse.pinned_poetry FOLDER > kgpt2/assets/chinese_poetry.sha256
"""

import argparse
import hashlib
from pathlib import Path

from kgpt2.data.poetry.download import COMMIT
from kgpt2.data.poetry.shelves import PARTS, poem_files

HEAD = f"""\
# Files of github.com/chinese-poetry/chinese-poetry at {COMMIT}: SHA-256, bytes, name; a folder
# stands above its files. The collection is under the MIT licence, Copyright (c) 2016 JackeyGao; none of it is here.
# Written by benchmarks/verse/pinned_poetry.py."""


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    print(HEAD)
    folders: dict[str, dict[str, Path]] = {}
    for part in PARTS:
        for shelf, path in poem_files(options.folder, part):
            folders.setdefault(shelf.folders[0], {})[path.name] = path
    for folder, files in folders.items():
        print(f"{folder}/")
        for name, path in files.items():
            data = path.read_bytes()
            print(hashlib.sha256(data).hexdigest(), len(data), name)


if __name__ == "__main__":
    main()
