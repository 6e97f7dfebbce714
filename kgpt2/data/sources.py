"""From a data SPEC, `NAME[/PART][:SPLIT]` or files, to a source."""

import dataclasses
import difflib
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from kgpt2.assets import SAMPLES, sample_path
from kgpt2.data.couplets import open_couplets, open_verse_couplets
from kgpt2.data.example import Example, Report, Source
from kgpt2.data.hub_datasets import dataset_of
from kgpt2.data.hub_datasets import fetch as fetch_dataset
from kgpt2.data.marked_verse import PARTS as VERSE_PARTS
from kgpt2.data.marked_verse import open_verse
from kgpt2.data.poetry.collection import open_poetry
from kgpt2.data.poetry.download import fetch
from kgpt2.data.splits import SPLITS, split_of
from kgpt2.data.template import Columns
from kgpt2.data.text_files import open_files
from kgpt2.data.tifu.posts import open_tifu
from kgpt2.errors import RequestError, quoted
from kgpt2.files import user_path
from kgpt2.verse.script import convert_script

# What `kgpt2 data list` tells of each named source.
NAMES = {
    "samples": "samples/tang, samples/couplets, samples/tifu: small ones that come with kgpt2",
    "chinese_poetry": "chinese_poetry/PART: poems and classics of the chinese-poetry collection (tang, song, ci, ...)",
    "couplets": "couplets: in.txt and out.txt, or a table; couplets/verse: those of regulated verse in chinese-poetry",
    "verse": "verse, verse/PART: poems, ci and verse couplets, each behind its genre (tang, song, ci; or all)",
    "reddit_tifu": "reddit_tifu: the posts of the Keras tutorial, through TFDS or from their JSON lines",
}
_HUB = "hf://"
_CHUNK = 1000


@dataclasses.dataclass(frozen=True)
class Options:
    """How to read a source.

    Attributes:
        path: where a named source's files lie; None: they are downloaded where that can be, and kept.
        text, prompt: columns or templates; see `text_files.Columns`.
        unit: what an example of a .txt is: line, block or file.
        script: "simplified" or "traditional": convert; None: as the source has it.
        limit: how many examples to take, from the first on.
        encoding: of files and couplets; None: UTF-8.
    """

    path: str | None = None
    text: str | None = None
    prompt: str | None = None
    unit: str = "line"
    script: str | None = None
    limit: int | None = None
    encoding: str | None = None


def open_source(spec: str | Sequence[str], options: Options = Options()) -> Source:
    """A source, ready to be read.

    Args:
        spec: a SPEC, or a list of files. `:train`, `:validation` and `:test` take a part of it: that of the source's
            own, or 90, 5 and 5 % of the examples by what they say, equal ones and variants together. The spec of a
            dataset of the hub gets its commit.
        options: how to read it.

    Raises:
        RequestError: there is no such source, or its files are not there.
        WorkError: they have to be downloaded and cannot be.
    """
    if not isinstance(spec, str):
        for one in spec:
            if one.startswith(_HUB) or (one.partition("/")[0] in NAMES and not user_path(one).exists()):
                raise RequestError(f"{one}: a named source stands alone; a list is of files")
        return _shaped(_files(spec, options), options)
    if spec.startswith(_HUB):
        return _shaped(_hub_dataset(spec, options), options)
    whole, split = _cut_split(spec)
    name, _, part = whole.partition("/")
    converts = False
    if name in NAMES and not user_path(whole).exists():
        if options.encoding is not None and whole != "couplets":
            raise RequestError(f"data.encoding: {quoted(options.encoding)} is for files and couplets, not for {whole}")
        source = _NAMED[name](part, split, options)
        # Poems know which of their files are traditional already: a second conversion would spoil them.
        converts = name in ("chinese_poetry", "verse") or part.startswith("verse")
    else:
        _refuse_unknown_name(whole)
        _refuse_path(options, f"{spec} is a file")
        source = _files([whole], options)
    if split and not source.spec.endswith(f":{split}"):
        source = _part(source, split)
    options = dataclasses.replace(options, script=None) if converts else options
    return _shaped(dataclasses.replace(source, spec=spec), options)


def _refuse_path(options: Options, why: str) -> None:
    if options.path is not None:
        raise RequestError(f"data.path: {quoted(options.path)} is for named sources ({', '.join(NAMES)}); {why}")


def _hub_dataset(spec: str, options: Options) -> Source:
    _refuse_path(options, f"{spec} lies on the hub")
    wanted = dataset_of(spec)
    files, found = fetch_dataset(wanted)
    source = dataclasses.replace(_files([str(file) for file in files], options), spec=str(found))
    if not wanted.split or found.split:
        return source
    if wanted.split not in SPLITS:
        raise RequestError(f"{spec}: there is no such split; the dataset has none, so there are {', '.join(SPLITS)}")
    return dataclasses.replace(_part(source, wanted.split), spec=f"{found}:{wanted.split}")


def _files(specs: Sequence[str], options: Options) -> Source:
    return open_files(specs, Columns(options.text, options.prompt), options.unit, options.encoding)


def inline(texts: Sequence[str]) -> Source:
    """Texts that stand in the configuration itself.

    Example:
        >>> [example.text for example in inline(["春", "秋"]).read(Report())]
        ['春', '秋']
    """
    digest = hashlib.sha256(repr(tuple(texts)).encode()).hexdigest()
    return Source("data.texts", lambda: digest, lambda report: map(Example, texts))


def _cut_split(spec: str) -> tuple[str, str]:
    whole, _, split = spec.rpartition(":")
    if whole and split in SPLITS:
        return whole, split
    name = spec.partition("/")[0].partition(":")[0]
    if whole and name in NAMES:
        raise RequestError(f"{spec}: {quoted(split)} is no split; there are {', '.join(SPLITS)}")
    return spec, ""


def _sample(part: str, split: str, options: Options) -> Source:
    if part not in SAMPLES:
        known = ", ".join(f"samples/{name}" for name in SAMPLES)
        raise RequestError(f"samples/{part}: there is no such sample; there are {known}")
    return open_files([str(sample_path(part))], Columns(options.text, options.prompt))


def _poetry(part: str, split: str, options: Options) -> Source:
    part = part or "tang"
    return open_poetry(_poems(options, part), part, options.script)


def _poems(options: Options, part: str) -> Path:
    """The folder of the collection: the user's, or a download into the cache."""
    return fetch(part) if options.path is None else user_path(options.path)


def _couplets(part: str, split: str, options: Options) -> Source:
    if part.partition("/")[0] == "verse":
        poems = part.partition("/")[2]
        return open_verse_couplets(_poems(options, poems or "tang"), poems, options.script)
    if part:
        raise RequestError(f"couplets/{part}: there is couplets (files of couplets) and couplets/verse (out of poems)")
    if options.path is None:
        raise RequestError(
            "couplets: say where they lie, a folder with in.txt and out.txt or a table: data.path, or --path\n"
            "couplets/verse takes them out of poems, samples/couplets are 296 that come with kgpt2"
        )
    path = user_path(options.path)
    own = [name for name in SPLITS if (path / name / "in.txt").exists()]
    if split and own and split not in own:
        raise RequestError(f"couplets:{split}: {path} has {' and '.join(own)} and no {split}")
    source = open_couplets(path / split if split and own else path, options.text, options.encoding)
    return dataclasses.replace(source, spec=f"couplets:{split}") if split and own else source


def _verse(part: str, split: str, options: Options) -> Source:
    if part and part not in VERSE_PARTS:
        raise RequestError(
            f"verse/{part}: there is verse, and of it {', '.join(f'verse/{one}' for one in VERSE_PARTS)}"
        )
    return open_verse({one: _poems(options, one) for one in ([part] if part else VERSE_PARTS)}, options.script)


def _tifu(part: str, split: str, options: Options) -> Source:
    path = user_path(options.path) if options.path else None
    return open_tifu(part or "short", path, options.text, options.prompt)


_NAMED: dict[str, Callable[[str, str, Options], Source]] = {
    "samples": _sample,
    "chinese_poetry": _poetry,
    "couplets": _couplets,
    "verse": _verse,
    "reddit_tifu": _tifu,
}


def _part(source: Source, split: str) -> Source:
    def read(report: Report) -> Iterator[Example]:
        for example in source.read(report):
            if split_of(example.group or example.prompt + example.text) == split:
                yield example

    return dataclasses.replace(source, identity=lambda: f"{source.identity()} {split}", read=read)


def _shaped(source: Source, options: Options) -> Source:
    """A source in the script asked for and no longer than asked for."""

    def read(report: Report) -> Iterator[Example]:
        examples = source.read(report)
        if options.script:
            examples = _converted(examples, options.script)
        return itertools.islice(examples, options.limit)

    return dataclasses.replace(
        source, identity=lambda: f"{source.identity()} {options.script} {options.limit}", read=read
    )


def _converted(examples: Iterator[Example], script: str) -> Iterator[Example]:
    while chunk := list(itertools.islice(examples, _CHUNK)):
        texts = convert_script([example.text for example in chunk], script)
        prompts = convert_script([example.prompt for example in chunk], script)
        for example, text, prompt in zip(chunk, texts, prompts, strict=True):
            yield Example(text, prompt, example.group)


def _refuse_unknown_name(spec: str) -> None:
    path = user_path(spec)
    if path.exists() or path.suffix:
        return
    close = difflib.get_close_matches(spec.partition("/")[0], NAMES, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise RequestError(f"{spec}: no such data source or file\n{hint}named sources are {', '.join(NAMES)}")
