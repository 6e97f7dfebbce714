"""Makes the table of words that kgpt2 ships (kgpt2/assets/verse/words.tsv): what keywords of a poem can be.

    python -m benchmarks.verse.verse_words FOLDER

FOLDER is chinese-poetry. A word is two characters that often open a line of five or seven, or stand third and fourth of
seven, where the caesuras of verse let words begin and end; that stand together more often than chance has it; and of
which none is a particle, pronoun, adverb or auxiliary (those say how a poem speaks, not what of). Counted in simplified
characters and in the collection's own.
"""

import argparse
import collections
import math
import re
from pathlib import Path

from kgpt2.assets import verse_table
from kgpt2.data.example import Report
from kgpt2.data.poetry.collection import read_poems
from kgpt2.verse.han import HAN
from kgpt2.writing import write_text

LEAST = 100  # times that a word opens a line or stands behind its first caesura
TOGETHER = 1.0  # nats of pointwise mutual information
FUNCTION = set(
    "不无無未非莫勿休何奚胡曷焉那孰谁誰岂豈宁寧几幾如若似犹猶由因为為与與于於以之其此彼兹茲斯所而且乃则則即便就"
    "也矣哉乎兮耶邪欤歟已曾尝嘗既方正将將欲当當应應须須可能得堪肯敢要会會是有在只惟唯但更又复復还還再亦皆俱都总總"
    "却卻虽雖纵縱况況甚太最尤颇頗每自从從向被把对對同共我吾余予汝尔爾他伊乃令使教让讓见見知道闻聞言說说谓謂"
    "觉覺恐怕想料疑聊暂暫忽渐漸已才纔始终終遂竟空徒谩漫试試请請愿願今昔"
)


def main() -> None:
    """Writes the table, and prints how many words it has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    found: dict[str, int] = {}
    for script in ("simplified", None):
        texts = [poem.text for part in ("tang", "song", "ci") for poem in read_poems(folder, part, script, Report())]
        for word, count in words_of(texts).items():
            found.setdefault(word, count)
    rows = sorted(found.items(), key=lambda row: (-row[1], row[0]))
    write_text(verse_table("words"), "".join(f"{word}\t{count}\n" for word, count in rows))
    print(f"{len(rows):,} words")


def words_of(texts: list[str]) -> dict[str, int]:
    """The words of some poems, with how often each stands at a place of a word."""
    characters, pairs, words = (collections.Counter() for _ in range(3))
    for text in texts:
        for line in re.findall(f"[{HAN}]+", text):
            characters.update(line)
            pairs.update(line[place : place + 2] for place in range(len(line) - 1))
            words.update(line[place : place + 2] for place in {5: (0,), 7: (0, 2)}.get(len(line), ()))
    total = characters.total()

    def together(word: str) -> float:
        return math.log(pairs[word] * total / (characters[word[0]] * characters[word[1]]))

    return {
        word: count
        for word, count in words.items()
        if count >= LEAST and FUNCTION.isdisjoint(word) and together(word) >= TOGETHER
    }


if __name__ == "__main__":
    main()
