"""How a character sounds: level or oblique, and what it rhymes with.

Tables (see assets/verse/README.md), each for simplified and traditional characters: how often the regulated verse of
Tang and Song has a character where a level or an oblique one belongs, and how often with each rhyme; the 106 rhymes
of 平水韵; the tones of today with the 14 rhymes of 中华新韵 and the 16 of 中华通韵. Verse is believed where it uses a
character often enough, the book where it does not. A character with two readings counts as both.
"""

import collections
import functools
import itertools
from typing import Literal

from kgpt2.assets import verse_table
from kgpt2.errors import RequestError, quoted
from kgpt2.verse.cilin import part_name, part_names, parts_of, parts_of_rhyme

System = Literal["pingshui", "cilin", "modern", "tongyun"]
SYSTEMS: dict[System, str] = {
    "pingshui": "平水韵",
    "cilin": "词林正韵",
    "modern": "中华新韵",
    "tongyun": "中华通韵",
}
# Flags of a tone: 平, 仄.
LEVEL, OBLIQUE = 1, 2
ANY = LEVEL | OBLIQUE
TONE_NAMES = {LEVEL: "平", OBLIQUE: "仄"}
_FLAGS = {"平": LEVEL, "仄": OBLIQUE}
# Level rhymes that sound alike, by the last signs of their names.
_NEIGHBOURS = (
    *("东冬江", "江阳", "支微齐佳灰", "鱼虞", "真文元", "真侵", "元寒删先"),
    *("萧肴豪", "歌麻", "庚青蒸", "覃盐咸"),
)
# What verse says counts from so many uses on; what has a smaller share of them is noise.
_TONE_USES, _RHYME_USES, _SHARE = 20, 15, 0.03
# How many times as often as the other a tone is used that a reader takes for granted.
_SELDOM = 4
# Which share of a character's rhymes makes a neighbour of its own rhyme customary.
_CUSTOM = 0.25


def tone_of(character: str, system: System = "pingshui") -> int:
    """LEVEL, OBLIQUE, both (`ANY`), or 0 where the table does not have the character.

    Args:
        character: one character.
        system: "pingshui", "cilin": as classical verse uses it; "modern", "tongyun": as it is read today.

    Example:
        >>> tone_of("春") == LEVEL, tone_of("月") == OBLIQUE
        (True, True)
    """
    return _tones(system).get(character, 0)


def tone_uses(character: str) -> tuple[int, int]:
    """How often verse has a character where a level one belongs, and where an oblique one does; rhymes not counted.

    Example:
        >>> tone_uses("三")[0] > 50 * tone_uses("三")[1]
        True
    """
    return _uses().get(character, (0, 0))


def is_taken_for(tone: int, character: str, system: System = "pingshui") -> bool:
    """Whether a reader takes a character for one of this tone where no rhyme tells: it has no other, or seldom.

    Args:
        tone: LEVEL or OBLIQUE.
        character: one character.
        system: the tables to go by; how often verse has each tone is counted once, for all of them.

    Example:
        >>> is_taken_for(OBLIQUE, "过"), is_taken_for(OBLIQUE, "笼"), is_taken_for(OBLIQUE, "看")
        (True, False, False)
    """
    both = tone_of(character, system) == ANY or (tone == OBLIQUE and rhymes_of(character, LEVEL, system))
    level, oblique = tone_uses(character)
    usual, other = (level, oblique) if tone == LEVEL else (oblique, level)
    return bool(tone_of(character, system) & tone) and (not both or usual > _SELDOM * other)


def end_tone_of(character: str, system: System = "pingshui") -> int:
    """`tone_of` at the end of a line, where some characters rhyme as level ones that are oblique elsewhere.

    Example:
        >>> tone_of("不") == OBLIQUE, end_tone_of("不") == ANY
        (True, True)
    """
    return tone_of(character, system) | LEVEL * bool(rhymes_of(character, LEVEL, system))


def rhymes_of(character: str, tone: int, system: System = "pingshui") -> frozenset[str]:
    """The names of the rhymes that a character has in a tone (LEVEL or OBLIQUE); none: the table does not have it.

    Example:
        >>> sorted(rhymes_of("流", LEVEL))
        ['下平声十一尤']
    """
    return _rhymes(system, tone).get(character, frozenset())


def rhymes(tone: int, system: System = "pingshui") -> tuple[str, ...]:
    """The names of all rhymes of a tone.

    Example:
        >>> len(rhymes(LEVEL))
        30
        >>> rhymes(LEVEL)[:3]
        ('上平声一东', '上平声二冬', '上平声三江')
    """
    if system == "cilin":
        return part_names(tone == LEVEL)
    return tuple(dict.fromkeys(name for flag, name, _ in _rows(system) if flag == tone))


def rhyme_system(name: str) -> tuple[System, str]:
    """The tables that a rhyme belongs to, and its full name; "" where the name is that of a system.

    Args:
        name: a system (pingshui or 平水韵, …) or off; or a rhyme, with or without its tone and number: 上平声一东,
            一东, 东, 第七部, 三鹅.

    Raises:
        RequestError: there is no such rhyme.

    Example:
        >>> rhyme_system("一东"), rhyme_system("modern")
        (('pingshui', '上平声一东'), ('modern', ''))
    """
    if name == "off":
        return "pingshui", ""
    for system, title in SYSTEMS.items():
        if name in (system, title):
            return system, ""
    for system, tone in itertools.product(SYSTEMS, (LEVEL, OBLIQUE)):
        for rhyme in rhymes(tone, system):
            if is_called(rhyme, name):
                return system, name if system == "cilin" else rhyme
    raise RequestError(
        f"rhyme: {quoted(name)} will not do\nwrite off, {', '.join(SYSTEMS)}, "
        "or the name of a rhyme such as 一东 or 第七部"
    )


def is_called(rhyme: str, name: str) -> bool:
    """Whether a rhyme goes by a name: 上平声一东, 一东 or 东; 第七部平 or, in either tone, 第七部.

    Example:
        >>> is_called("上平声一东", "东"), is_called("第七部仄", "第七部"), is_called("第七部仄", "第八部")
        (True, True, False)
    """
    short = rhyme[:-1] if rhyme.startswith("第") else rhyme[-1]
    return bool(name) and name in (rhyme, rhyme.partition("声")[2], short)


@functools.cache
def families(rhyme: str, system: System) -> frozenset[str]:
    """What level and oblique rhymes have in common that rhyme with one another (平仄通押): a part of 词林正韵.

    Example:
        >>> families("第七部平", "cilin") == families("第七部仄", "cilin"), len(families("上平声十灰", "pingshui"))
        (True, 2)
    """
    if system == "pingshui":
        return frozenset(part_name(part, False)[:-1] for part in parts_of_rhyme(rhyme))
    return frozenset({rhyme[:-1] if system == "cilin" else rhyme})


def rhyme_weight(name: str, system: System = "pingshui") -> int:
    """How often verse rhymes with a level rhyme; 0 for others, and for those of today.

    Example:
        >>> rhyme_weight("上平声三江") < rhyme_weight("上平声十一真") / 20
        True
    """
    return _weights(system)[name]


def readings(level: int, oblique: int, in_book: int) -> int:
    """The tones of a character: LEVEL, OBLIQUE, both, or 0 where nothing is known of it.

    Args:
        level, oblique: how often verse has it where the one or the other belongs.
        in_book: the tones that a book of rhymes gives it, which count where verse has it less than twenty times.

    Example:
        >>> readings(1337, 21, ANY) == LEVEL, readings(1, 2, ANY) == ANY
        (True, True)
    """
    if level + oblique >= _TONE_USES:
        least = _SHARE * (level + oblique)
        return LEVEL * (level >= least) | OBLIQUE * (oblique >= least)
    return in_book or LEVEL * (level > 0) | OBLIQUE * (oblique > 0)


def book_tone(character: str) -> int:
    """The tones that 平水韵 gives a character.

    Example:
        >>> book_tone("东") == LEVEL
        True
    """
    return LEVEL * bool(rhymes_in_book(character, LEVEL)) | OBLIQUE * bool(rhymes_in_book(character, OBLIQUE))


def rhymes_in_book(character: str, tone: int) -> frozenset[str]:
    """The rhymes under which 平水韵 lists a character in a tone.

    Example:
        >>> sorted(rhymes_in_book("流", LEVEL))
        ['下平声十一尤']
    """
    return _listed("pingshui", tone).get(character, frozenset())


@functools.cache
def _rows(system: str) -> tuple[tuple[int, str, str], ...]:
    """(tone, rhyme, characters) of each line of a table."""
    lines = verse_table(system).read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return tuple((_FLAGS[tone], name, characters) for tone, name, characters in rows)


@functools.cache
def _uses() -> dict[str, tuple[int, int]]:
    rows = (line.split("\t") for line in verse_table("tones").read_text("utf-8").splitlines())
    return {character: (int(level), int(oblique)) for character, level, oblique in rows}


@functools.cache
def _tones(system: System) -> dict[str, int]:
    if system == "cilin":
        return _tones("pingshui")
    if system == "pingshui":
        listed = {*_listed(system, LEVEL), *_listed(system, OBLIQUE)}
        return {sign: readings(*tone_uses(sign), book_tone(sign)) for sign in listed | _uses().keys()}
    tones: dict[str, int] = {}
    for tone, _, characters in _rows(system):
        for character in characters:
            tones[character] = tones.get(character, 0) | tone
    return tones


@functools.cache
def _rhymes(system: System, tone: int) -> dict[str, frozenset[str]]:
    if system == "cilin":
        return {
            sign: frozenset(part_name(part, tone == LEVEL) for rhyme in names for part in _parts(sign, rhyme))
            for sign, names in _rhymes("pingshui", tone).items()
        }
    listed = _listed(system, tone)
    if system != "pingshui":
        return listed
    if tone == OBLIQUE:
        return {sign: names for sign, names in listed.items() if tone_of(sign) & OBLIQUE}
    return {sign: names for sign in listed.keys() | rhyme_uses().keys() if (names := _level_rhymes(sign))}


def _parts(character: str, rhyme: str) -> tuple[int, ...]:
    today = rhymes_of(character, LEVEL, "modern") | rhymes_of(character, OBLIQUE, "modern")
    return parts_of(character, rhyme, today)


def _level_rhymes(character: str) -> frozenset[str]:
    uses, book = rhyme_uses().get(character, {}), rhymes_in_book(character, LEVEL)
    total = sum(uses.values())
    if total < _RHYME_USES:
        return (book or frozenset(uses)) if tone_of(character) & LEVEL else frozenset()
    kept = [name for name, count in uses.items() if count >= _SHARE * total]
    # The commoner come first. A neighbour of theirs that no book has is a liberty of the poet, not a sound.
    return frozenset(name for place, name in enumerate(kept) if name in book or not neighbours(name) & {*kept[:place]})


@functools.cache
def neighbours(rhyme: str) -> frozenset[str]:
    """The level rhymes of 平水韵 with which a first line may rhyme instead (孤雁出群).

    Source: 王力, 诗词格律 (1962), chapter 2.

    Example:
        >>> sorted(neighbours("上平声一东"))
        ['上平声三江', '上平声二冬']
    """
    near = {sign for group in _NEIGHBOURS if rhyme[-1] in group for sign in group} - {rhyme[-1]}
    return frozenset(name for name in rhymes(LEVEL) if name[-1] in near)


def liberties(character: str) -> frozenset[str]:
    """The neighbours of its rhyme that verse takes in one of four uses or more, though no book gives them.

    They are not among its rhymes, so that nothing is written with them; but a poem that has one keeps to custom.

    Example:
        >>> sorted(liberties("宗")), sorted(liberties("封"))
        (['上平声一东'], [])
    """
    uses = rhyme_uses().get(character, {})
    total = sum(uses.values())
    often = {name for name, count in uses.items() if total >= _RHYME_USES and count >= _CUSTOM * total}
    return frozenset(often - rhymes_of(character, LEVEL))


@functools.cache
def rhyme_uses() -> dict[str, dict[str, int]]:
    """How often verse rhymes each character with each level rhyme of 平水韵.

    Example:
        >>> max(rhyme_uses()["行"], key=rhyme_uses()["行"].get)
        '下平声八庚'
    """
    rows = (line.split("\t") for line in verse_table("rhymes").read_text("utf-8").splitlines())
    pairs = ((sign, (entry.split(":") for entry in entries.split())) for sign, entries in rows)
    return {sign: {name: int(count) for name, count in entries} for sign, entries in pairs}


def rhyming(name: str) -> dict[str, tuple[str, ...]]:
    """The characters of a rhyme, or of the rhymes of both tones that go by this name, those that verse uses most first.

    Raises:
        RequestError: there is no such rhyme.

    Example:
        >>> rhyming("一东")["上平声一东"][:5]
        ('風', '风', '中', '空', '同')
    """
    system, rhyme = rhyme_system(name)
    if not rhyme:
        raise RequestError(f"{quoted(name)}: is no rhyme; name one, such as 一东 or 第七部")

    def uses(sign: str) -> tuple[int, int, str]:
        return -sum(rhyme_uses().get(sign, {}).values()), -sum(tone_uses(sign)), sign

    found: dict[str, list[str]] = {}
    for tone in (LEVEL, OBLIQUE):
        for sign, names in _rhymes(system, tone).items():
            for one in names:
                if one == rhyme or is_called(one, rhyme):
                    found.setdefault(one, []).append(sign)
    return {one: tuple(sorted(signs, key=uses)) for one, signs in found.items()}


@functools.cache
def _weights(system: System) -> "collections.Counter[str]":
    weights: collections.Counter[str] = collections.Counter()
    if system in ("modern", "tongyun"):
        return weights
    for sign, uses in rhyme_uses().items():
        for rhyme, count in uses.items():
            names = [rhyme] if system == "pingshui" else [part_name(part, True) for part in _parts(sign, rhyme)]
            weights.update(dict.fromkeys(names, count))
    return weights


@functools.cache
def _listed(system: str, tone: int) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for flag, name, characters in _rows(system):
        if flag == tone:
            for character in characters:
                found.setdefault(character, set()).add(name)
    return {character: frozenset(names) for character, names in found.items()}
