"""Which files of a dataset's repository make a split: by `configs` in its README.md, else by words in their names.

Source: https://huggingface.co/docs/hub/datasets-manual-configuration and datasets-file-names-and-splits.
"""

import collections
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from kgpt2.errors import RequestError, quoted

CARD = "README.md"
# One kind of file is read: the first of these that there is.
KINDS = (".parquet", ".jsonl", ".json", ".csv", ".tsv", ".txt")
_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_SHARD = re.compile(r"(\w[\w.-]*?)-\d{5}-of-\d{5}\.\w[^/]*$")
_NO_DATA = re.compile(r"(licen[cs]e|notice|requirements|readme)[\w.-]*\.txt|dataset_infos?\.json|[._].*", re.I)
_FRONT = re.compile(r"---\r?\n(.*?)\r?\n---\s*(?:\n|\Z)", re.S)
_WILD = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}

Splits = Mapping[str, Sequence[str]]


def files_of(names: Iterable[str], card: str, path: str, split: str, where: str) -> tuple[list[str], str]:
    """The files of a split, and its name.

    Args:
        names: of all files of a repository.
        card: the text of its README.md; "": it has none.
        path: a folder or a file to which the search is limited; "": none.
        split: the one that is asked for; "": train, or the only one, or all files where no name tells of splits.
        where: what an error begins with.

    Returns:
        Files in the order of their names; "" for the split where the repository has none.

    Raises:
        RequestError: there is no such path or split, no file that kgpt2 reads, or the README.md leaves several parts.

    Example:
        >>> files_of(["README.md", "train.csv", "test.csv"], "", "", "test", "hf://datasets/someone/poems")
        (['test.csv'], 'test')
    """
    names = sorted(names)
    inside = [name for name in names if not path or name == path or name.startswith(f"{path}/")]
    if not inside:
        raise RequestError(f"{where}: the repository has no {quoted(path)}; there is {_listed(names)}")
    configured = {} if path else _configured(names, card, where)
    splits = configured or _by_names(_data(inside), path)
    if not splits:
        script = any(name.endswith(".py") for name in names)
        hint = (
            "no script is run; @refs/convert/parquet has the data of many" if script else f"there is {_listed(names)}"
        )
        raise RequestError(f"{where}: no file that kgpt2 reads ({', '.join(KINDS)})\n{hint}")
    if list(splits) == [""]:
        return list(splits[""]), ""
    chosen = split or ("train" if "train" in splits else next(iter(splits)) if len(splits) == 1 else "")
    if chosen not in splits:
        what = f"no split {quoted(split)}" if split else "which split?"
        raise RequestError(f"{where}: {what}; there is {', '.join(map(quoted, sorted(splits)))}")
    return list(splits[chosen]), chosen


def _data(names: Iterable[str]) -> list[str]:
    """The files of the first kind that there is."""
    plain = [name for name in names if not any(_NO_DATA.fullmatch(part) for part in name.split("/"))]
    for kind in KINDS:
        if found := [name for name in plain if name.lower().removesuffix(".gz").endswith(kind)]:
            return found
    return []


def _by_names(files: Sequence[str], path: str = "") -> Splits:
    """Splits by shards' names, NAME-00000-of-00001, and by words; files that tell of none are left out if others do."""
    splits: dict[str, list[str]] = collections.defaultdict(list)
    for file in files:
        splits[_split_in(file.removeprefix(path) if file != path else file)].append(file)
    return {name: found for name, found in splits.items() if name or len(splits) == 1}


def _split_in(file: str) -> str:
    if shard := _SHARD.search(file):
        return _WORDS.get(shard[1].lower(), shard[1])
    words = [word for part in reversed(file.split("/")) for word in re.split(r"[^A-Za-z]+", part.lower())]
    return next((_WORDS[word] for word in words if word in _WORDS), "")


def _configured(names: Sequence[str], card: str, where: str) -> Splits:
    """Splits as README.md has them; none where it has nothing to say."""
    configs = [config for config in _configs(card) if config.get("data_files") or config.get("data_dir")]
    default = [config for config in configs if config.get("default") is True or config.get("config_name") == "default"]
    if len(configs) > 1 and not default:
        parts = ", ".join(quoted(config.get("config_name")) for config in configs[:8])
        raise RequestError(f"{where}: it has the parts {parts}; name the folder or file of one: .../NAME/PATH")
    if not configs:
        return {}
    config = (default or configs)[0]
    folder = str(config.get("data_dir") or "").strip("/")
    found = config.get("data_files")
    if not found:
        return _by_names(_data(name for name in names if name.startswith(f"{folder}/")), folder)
    splits: dict[str, set[str]] = collections.defaultdict(set)
    for entry in found if isinstance(found, list) else [found]:
        split, patterns = _entry(entry)
        wanted = [_pattern(f"{folder}/{pattern}" if folder else pattern) for pattern in patterns]
        splits[split].update(name for name in names if any(one.fullmatch(name) for one in wanted))
    return {split: files for split, matched in splits.items() if (files := _data(sorted(matched)))}


def _entry(entry: Any) -> tuple[str, list[str]]:
    """Split and patterns of an entry: a pattern, or {split: ..., path: a pattern or several}."""
    split, paths = (entry.get("split"), entry.get("path")) if isinstance(entry, dict) else (None, entry)
    patterns = paths if isinstance(paths, list) else [paths]
    return str(split or "train"), [one for one in patterns if isinstance(one, str)]


def _configs(card: str) -> list[dict[str, Any]]:
    match = _FRONT.match(card.removeprefix("\ufeff"))
    try:
        front = yaml.safe_load(match[1]) if match else None
    except (yaml.YAMLError, RecursionError, ValueError):
        return []
    configs = front.get("configs") if isinstance(front, dict) else None
    return [config for config in configs if isinstance(config, dict)] if isinstance(configs, list) else []


def _pattern(text: str) -> re.Pattern[str]:
    """A shell pattern over paths: `*` stays within a folder, `**` does not."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", text.removeprefix("./"))
    return re.compile("".join(_WILD.get(part) or re.escape(part) for part in parts))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(quoted, names[:6])) + (f" and {len(names) - 6} more" if len(names) > 6 else "") or "none"
