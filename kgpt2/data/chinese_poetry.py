"""The chinese-poetry collection as poems of one line each, from a folder in either of its layouts.

The collection (MIT, github.com/chinese-poetry/chinese-poetry) comes as `全唐诗/poet.tang.0.json` from its repository
and as `dist/quantangshi/poet.tang.0.json` from its npm package.
"""

import collections
import dataclasses
import re
from pathlib import Path

from kgpt2.errors import RequestError
from kgpt2.files import read_json


@dataclasses.dataclass(frozen=True)
class Part:
    """One collection: the folder's name in either layout, and how its files are called."""

    folders: tuple[str, str]
    files: re.Pattern


PARTS = {
    "tang": Part(("全唐诗", "quantangshi"), re.compile(r"poet\.tang\.(\d+)\.json")),
    "song": Part(("全唐诗", "quantangshi"), re.compile(r"poet\.song\.(\d+)\.json")),
    "ci": Part(("宋词", "songci"), re.compile(r"ci\.song\.(\d+)\.json")),
}

# Innermost first, so that a note inside a note goes too: editors' notes, footnote marks, musical directions.
_NOTE = re.compile(r"（[^（）]*）|〖[^〖〗]*〗|〔[^〔〕]*〕|\([^()]*\)")
_SUPPLIED = re.compile(r"\[([^\[\]]*)\]")
_SPACE = re.compile(r"\s+")
_REPEATED_STOP = re.compile(r"([，。？！；：、])。+")
_VERSE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af，。？！；：、「」『』《》“”‘’…·]+")


def read_poems(root: Path, part: str) -> tuple[list[str], dict[str, int]]:
    """The poems of a part in the order of their files, cleaned, each once.

    Returns:
        The poems, a line each, and how many were dropped for which reason.

    Raises:
        RequestError: the folder has no such part, or a file of it is not what it should be.
    """
    poems: dict[str, None] = {}
    dropped: collections.Counter[str] = collections.Counter()
    for path in poem_files(root, part):
        rows = read_json(path, "poem file")
        if not isinstance(rows, list):
            raise RequestError(f"{path}: not a file of chinese-poetry (a list of poems was expected)")
        for number, row in enumerate(rows, 1):
            paragraphs = row.get("paragraphs") if isinstance(row, dict) else None
            if not isinstance(paragraphs, list) or not all(isinstance(line, str) for line in paragraphs):
                raise RequestError(f"{path}: poem {number} has no paragraphs (a list of lines was expected)")
            poem, reason = clean(paragraphs)
            if poem in poems:
                reason = "duplicate"
            if reason:
                dropped[reason] += 1
            else:
                poems[poem] = None
    return list(poems), dict(dropped)


def poem_files(root: Path, part: str) -> list[Path]:
    """The files of a part in numerical order, wherever under `root` either layout keeps them."""
    if part not in PARTS:
        raise RequestError(f"chinese_poetry/{part}: there is no such part; there are {', '.join(PARTS)}")
    if not root.is_dir():
        kind = "this is a file" if root.exists() else "there is no such folder"
        raise RequestError(f"{root}: {kind} (data.path: the folder of chinese-poetry)")
    spec = PARTS[part]
    for folder in (root, *(root / name for name in spec.folders), *(root / "dist" / name for name in spec.folders)):
        numbered = [
            (int(match[1]), path)
            for path in (folder.iterdir() if folder.is_dir() else ())
            if (match := spec.files.fullmatch(path.name))
        ]
        if numbered:
            return [path for _, path in sorted(numbered)]
    raise RequestError(
        f"{root}: no files of chinese_poetry/{part} here (data.path)\n"
        f"give the folder that holds {spec.folders[0]}/ (its repository) or dist/{spec.folders[1]}/ (its npm package)"
    )


def clean(paragraphs: list[str]) -> tuple[str, str]:
    """One poem as one line of verse, and why it was dropped ("" where it is good).

    Notes run over paragraphs, so the paragraphs are joined first. Characters that an editor supplied in [brackets]
    stay. A poem with a gap, a described character or anything else that is no verse is dropped whole.
    """
    text = _SPACE.sub("", "".join(paragraphs))
    while (shorter := _NOTE.sub("", text)) != text:
        text = shorter
    text = _REPEATED_STOP.sub(r"\1", _SUPPLIED.sub(r"\1", text))
    if not text:
        return "", "empty"
    if not _VERSE.fullmatch(text):
        return "", "gaps, unbalanced notes or characters that are no verse"
    if text[0] in "，。？！；：、":
        return "", "a fragment"
    return text, ""
