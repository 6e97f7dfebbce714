"""Where the parts of the chinese-poetry collection lie, in the layout of its repository and of its npm package."""

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path

from kgpt2.data.poetry import schemas
from kgpt2.errors import RequestError


@dataclasses.dataclass(frozen=True)
class Shelf:
    """Files of one schema in one folder.

    Attributes:
        folders: the folder's name in the repository and, below `dist`, in the npm package.
        names: the files in their order; one that ends in `*` stands for numbered files, in numerical order.
        schema: how a file is read.
        verse: poems; prose is not asked for complete forms.
        dynasty: where no row names its own.
        traditional: the characters, which converting to traditional ones then leaves alone.
    """

    folders: tuple[str, str]
    names: tuple[str, ...]
    schema: schemas.Schema
    verse: bool = True
    dynasty: str = ""
    traditional: bool = False

    def pick(self, names: Iterable[str]) -> list[str]:
        """Those file names that are the shelf's, in its order."""
        there, found = set(names), []
        for name in self.names:
            if name.endswith("*"):
                numbered = re.compile(re.escape(name[:-1]) + r"\.(\d+)\.json")
                matches = [match for match in map(numbered.fullmatch, there) if match]
                found += [match[0] for match in sorted(matches, key=lambda match: int(match[1]))]
            elif name in there:
                found.append(name)
        return found

    def files(self, folder: Path) -> list[Path]:
        """The shelf's files that lie in a folder."""
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        return [folder / name for name in self.pick(names)]


_MENGXUE = ("蒙学", "mengxue")
_PRIMERS = ("sanzijing-traditional", "sanzijing-new", "baijiaxing", "qianziwen", "dizigui", "zengguangxianwen")
_PROSE = ("guwenguanzhi", "youxueqionglin", "shenglvqimeng")
_HUAJIANJI = tuple(f"huajianji-{number}-juan.json" for number in (*range(1, 10), "x"))


def _json(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}.json" for name in names)


_SHIJING = Shelf(("诗经", "shijing"), ("shijing.json",), schemas.classic, dynasty="先秦")
_CHUCI = Shelf(("楚辞", "chuci"), ("chuci.json",), schemas.classic)
_LUNYU = Shelf(("论语", "lunyu"), ("lunyu.json",), schemas.chapters, verse=False, dynasty="先秦")
_SISHU = Shelf(
    ("四书五经", "sishuwujing"),
    _json("daxue", "zhongyong", "mengzi"),
    schemas.chapters,
    verse=False,
    dynasty="先秦",
    traditional=True,
)
_YOUMENGYING = Shelf(("幽梦影", "youmengying"), ("youmengying.json",), schemas.aphorisms, verse=False, dynasty="清")
_PRIMER_SHELF = Shelf(_MENGXUE, _json(*_PRIMERS, "zhuzijiaxun"), schemas.pieces, verse=False, traditional=True)
_PROSE_SHELF = Shelf(_MENGXUE, _json(*_PROSE), schemas.prose, verse=False, traditional=True)
_TANG_300 = Shelf(_MENGXUE, ("tangshisanbaishou.json",), schemas.pieces, dynasty="唐", traditional=True)
_QIANJIASHI = Shelf(_MENGXUE, ("qianjiashi.json",), schemas.pieces, traditional=True)

# 文字蒙求 is left out: it explains single characters. So are 唐诗三百首.json and 宋词三百首.json, beside the poems they
# repeat.
PARTS: dict[str, tuple[Shelf, ...]] = {
    "tang": (Shelf(("全唐诗", "quantangshi"), ("poet.tang*",), schemas.shi, dynasty="唐", traditional=True),),
    "song": (Shelf(("全唐诗", "quantangshi"), ("poet.song*",), schemas.shi, dynasty="宋", traditional=True),),
    "ci": (Shelf(("宋词", "songci"), ("ci.song*", "ci.song.2019y.json"), schemas.shi, dynasty="宋"),),
    "yuan": (Shelf(("元曲", "yuanqu"), ("yuanqu.json",), schemas.qu, dynasty="元"),),
    "wudai": (
        Shelf(("五代诗词/huajianji", "wudaishici/huajianji"), _HUAJIANJI, schemas.shi, dynasty="五代"),
        Shelf(("五代诗词/nantang", "wudaishici/nantang"), ("poetrys.json",), schemas.shi, dynasty="五代"),
    ),
    "shijing": (_SHIJING,),
    "chuci": (_CHUCI,),
    "lunyu": (_LUNYU,),
    "sishu": (_SISHU,),
    "caocao": (Shelf(("曹操诗集", "caocaoshiji"), ("caocao.json",), schemas.shi, dynasty="汉"),),
    "nalan": (Shelf(("纳兰性德", "nalanxingde"), ("纳兰性德诗集.json",), schemas.classic, dynasty="清"),),
    "youmengying": (_YOUMENGYING,),
    "shuimo": (Shelf(("水墨唐诗", "shuimotangshi"), ("shuimotangshi.json",), schemas.shi, dynasty="唐"),),
    "mengxue": (_PRIMER_SHELF, _PROSE_SHELF, _TANG_300, _QIANJIASHI),
    "ancient": (_SHIJING, _CHUCI, _LUNYU, _SISHU, _YOUMENGYING, _PRIMER_SHELF, _PROSE_SHELF),
}


def poem_files(root: Path, part: str) -> list[tuple[Shelf, Path]]:
    """The files of a part, each with its shelf, in a fixed order.

    They lie in `root` itself, or where either layout keeps them under it; no other folder is searched, since the
    collection repeats itself in some.

    Raises:
        RequestError: there is no such part or folder, or a shelf of the part has no files.
    """
    shelves = shelves_of(part)
    if not root.is_dir():
        kind = "this is a file" if root.exists() else "there is no such folder"
        raise RequestError(f"{root}: {kind} (data.path: the folder of chinese-poetry)")
    if here := [(shelf, path) for shelf in shelves for path in shelf.files(root)]:
        return here
    found: list[tuple[Shelf, Path]] = []
    for shelf in shelves:
        repository, package = shelf.folders
        folders = (root / Path(repository).name, root / repository, root / package, root / "dist" / package)
        files = next((files for folder in folders if (files := shelf.files(folder))), [])
        if not files:
            raise RequestError(
                f"{root}: no files of chinese_poetry/{part} here (data.path)\n"
                f"give the folder that holds {repository}/ (its repository) or dist/{package}/ (its npm package)"
            )
        found += [(shelf, path) for path in files]
    return found


def shelves_of(part: str) -> tuple[Shelf, ...]:
    """The shelves of a part; raises RequestError where there is no such part."""
    if part not in PARTS:
        raise RequestError(f"chinese_poetry/{part}: there is no such part; there are {', '.join(PARTS)}")
    return PARTS[part]
