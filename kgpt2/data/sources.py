"""From a data SPEC (`NAME/PART`, or a path) to texts."""

import dataclasses
import difflib
from pathlib import Path

from kgpt2.assets import SAMPLES, sample_path
from kgpt2.data.chinese_poetry import PARTS, read_poems
from kgpt2.data.script import convert_script
from kgpt2.data.text_files import read_file
from kgpt2.errors import RequestError

NAMES = ("samples", "chinese_poetry")


@dataclasses.dataclass(frozen=True)
class Texts:
    """Examples in a fixed order, and how many were dropped for which reason."""

    texts: list[str]
    dropped: dict[str, int]


def read_source(
    spec: str,
    *,
    path: str | None = None,
    text: str | None = None,
    limit: int | None = None,
    script: str | None = None,
) -> Texts:
    """Reads a data source whole.

    Args:
        spec: `samples/tang`, `samples/couplets`, `samples/tifu`, `chinese_poetry/tang` (or song, ci), or a file.
        path: where a named source's files lie.
        text: the column or template, for files with columns.
        limit: how many examples to take, from the first on.
        script: "simplified" or "traditional": convert; None: as the source has it.

    Raises:
        RequestError: naming the source, file and line.
    """
    name, _, part = spec.partition("/")
    dropped: dict[str, int] = {}
    if name == "chinese_poetry":
        if path is None:
            raise RequestError(
                f"{spec}: say where its files lie: -o data.path=FOLDER\n"
                "the collection is chinese-poetry on GitHub, or `npm pack chinese-poetry@2.0.1`"
            )
        texts, dropped = read_poems(Path(path).expanduser(), part or next(iter(PARTS)))
    elif name == "samples":
        if part not in SAMPLES:
            known = ", ".join(f"samples/{name}" for name in SAMPLES)
            raise RequestError(f"{spec}: there is no such sample; there are {known}")
        texts = read_file(sample_path(part), text)
    else:
        _refuse_unknown_name(spec)
        if path is not None:
            raise RequestError(f"data.path: {path!r} is for named sources ({', '.join(NAMES)}); {spec} is a file")
        texts = read_file(Path(spec).expanduser(), text)
    if not texts:
        raise RequestError(f"{spec}: no example is left after cleaning ({sum(dropped.values())} dropped)")
    return Texts(convert_script(texts[:limit], script), dropped)


def _refuse_unknown_name(spec: str) -> None:
    path = Path(spec).expanduser()
    if path.exists() or path.suffix:
        return
    close = difflib.get_close_matches(spec.partition("/")[0], NAMES, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise RequestError(f"{spec}: no such data source or file\n{hint}named sources are {', '.join(NAMES)}")
