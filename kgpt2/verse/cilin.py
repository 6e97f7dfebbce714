"""词林正韵: the 19 parts in which ci rhyme, from the 106 rhymes of 平水韵.

Source: 戈载, 词林正韵 (1821, public domain). A part has level and oblique rhymes (上 and 去 together), the last
five have 入声 alone. Nine rhymes are split between two parts; which half a character belongs to, the vowel tells
that it still has in Mandarin, but for the few that are named.
"""

import functools

_PARTS = (
    *("东冬董肿送宋", "江阳讲养绛漾", "支微齐灰纸尾荠贿寘未霁泰队", "鱼虞语麌御遇", "佳灰蟹贿泰卦队"),
    *("真文元轸吻阮震问愿", "寒删先元旱潸铣阮翰谏霰愿", "萧肴豪筿巧皓啸效号", "歌哿个", "佳麻马卦祃"),
    *("庚青蒸梗迥敬径", "尤有宥", "侵寝沁", "覃盐咸感琰豏勘艳陷"),
    *("屋沃", "觉药", "质陌锡职缉", "物月曷黠屑叶", "合洽"),
)
_LEVELS = 14
_NUMBERS = "一二三四五六七八九十"
# Of a rhyme that is split, what Mandarin (中华新韵) has in the one half and the other.
_HALVES = {3: "微", 5: "开皆", 6: "文", 7: "寒", 10: "麻"}
# Characters that Mandarin has moved, and those that count in both halves.
_MOVED = {"徊": (3,), "槐": (3,), "脍": (3,), "膾": (3,), "侩": (3,), "儈": (3,), "块": (3,), "塊": (3,), "倍": (5,)}
_BOTH = "外话話涯崖"
# Parts of which Song ci mix one with another: at least one in ten of those that rhyme on it, and ten or more
# (benchmarks/verse/tunes.py counts them). The third and the fifth are mixed by the rhymes that lie in both.
_CIRCLES = {
    "第六、十一、十三部": ("第六部", "第十一部", "第十三部"),
    "第七、十四部": ("第七部", "第十四部"),
    "第十七、十八、十九部": ("第十七部", "第十八部", "第十九部"),
}
_SPLIT_CIRCLE, _SPLIT = "第三、五部", (3, 5)


@functools.cache
def parts_of_rhyme(rhyme: str) -> tuple[int, ...]:
    """The parts, from 1, in which a rhyme of 平水韵 lies: one, or two where it is split.

    Example:
        >>> parts_of_rhyme("上平声一东"), parts_of_rhyme("上平声十灰")
        ((1,), (3, 5))
    """
    return tuple(number for number, signs in enumerate(_PARTS, 1) if rhyme[-1] in signs)


def parts_of(character: str, rhyme: str, modern: frozenset[str]) -> tuple[int, ...]:
    """The parts in which a character is that has a rhyme of 平水韵.

    Args:
        character: one character.
        rhyme: one of its rhymes.
        modern: its rhymes in 中华新韵, which settle the half; none: it counts in both.

    Example:
        >>> parts_of("来", "上平声十灰", frozenset({"开"})), parts_of("杯", "上平声十灰", frozenset({"微"}))
        ((5,), (3,))
    """
    parts = parts_of_rhyme(rhyme)
    if len(parts) == 1 or character in _BOTH:
        return parts
    if moved := set(_MOVED.get(character, ())) & {*parts}:
        return tuple(moved)
    return tuple(part for part in parts if modern & {*_HALVES[part]}) or parts


def part_name(part: int, level: bool) -> str:
    """What a part is called in a tone.

    Example:
        >>> part_name(7, True), part_name(12, False), part_name(15, False)
        ('第七部平', '第十二部仄', '第十五部入')
    """
    tens, ones = divmod(part, 10)
    number = ("十" if tens else "") + (_NUMBERS[ones - 1] if ones else "")
    return f"第{number}部{'平' if level else '仄' if part <= _LEVELS else '入'}"


def part_names(level: bool) -> tuple[str, ...]:
    """The names of all parts that have a tone.

    Example:
        >>> len(part_names(True)), len(part_names(False))
        (14, 19)
    """
    return tuple(part_name(part, level) for part in range(1, (_LEVELS if level else len(_PARTS)) + 1))


def circles_of_parts(parts: frozenset[str]) -> frozenset[str]:
    """The circles in which Song ci mix parts with others, such as 寒 with 覃.

    Args:
        parts: their names without a tone.

    Example:
        >>> circles_of_parts(frozenset({"第七部", "第一部"}))
        frozenset({'第七、十四部'})
    """
    return frozenset(circle for circle, mixed in _CIRCLES.items() if parts & {*mixed})


def circles_of_rhyme(rhyme: str) -> frozenset[str]:
    """The circle of a rhyme of 平水韵 whose halves Song ci mix, such as 灰 (来 with 回).

    Example:
        >>> circles_of_rhyme("上平声十灰"), circles_of_rhyme("上平声四支")
        (frozenset({'第三、五部'}), frozenset())
    """
    return frozenset({_SPLIT_CIRCLE} if parts_of_rhyme(rhyme) == _SPLIT else ())
