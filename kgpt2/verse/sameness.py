"""合掌: the two lines of a couplet that say the same in other words, like palms laid together.

The groups of characters that mean the same are our own; they are few, so that real couplets
are not taken for it (none of 255,672 is).
"""

import functools

# Characters of one meaning, traditional ones behind the simplified.
_GROUPS = (
    *(
        "看望见视观瞻睹眺見視觀",
        "听闻聽聞",
        "行走步",
        "归还返回歸還",
        "来至到臨临來",
        "去往赴",
        "言语说道語說",
        "知晓识曉識",
    ),
    *("思念怀想忆懷憶", "悲哀伤愁忧傷憂", "喜乐欢悦樂歡悅", "爱怜惜愛憐", "飞翔飛", "落坠堕墜墮", "开启绽開啟綻"),
    *("家宅屋室舍", "国邦國", "路道途径徑", "江河川水", "山岭峰嶺", "天空穹霄", "土地", "树木樹", "花葩华華"),
    *("草卉", "舟船艇舫", "车舆車輿", "日阳陽", "月蟾", "夜宵夕", "朝晨旦早晓曉", "年岁載载歲", "时辰時"),
    *("人民", "友朋", "目眼眸", "首头頭", "面颜脸顏臉", "心肠腸", "身体躯體軀", "声音響响聲", "色彩"),
    *("大巨宏", "小微细細", "高崇", "长永修長", "远遥迢遠遙", "近邻鄰", "新初", "旧故古舊", "明亮朗", "暗昏冥"),
    *("红赤丹朱绛紅絳", "绿翠青碧綠", "白素皓", "黑玄墨", "寒冷凉涼", "热暑熱", "香馨芳", "美丽艳麗豔", "孤独单獨單"),
    *("千万亿萬億", "一孤独獨", "二两双兩雙", "不非未无莫無", "皆俱都尽盡", "常恒恆", "又复再復", "中里内內"),
    *("举全舉", "庆贺祝慶賀", "出升起昇", "尽终完盡終", "流淌"),
)


def say_the_same(one: str, other: str) -> bool:
    """Whether two lines mean the same at all places but one, or at all.

    Args:
        one, other: lines of equal length, without marks; lines of fewer than four characters are too short to tell.

    Example:
        >>> say_the_same("朝看红日出", "晓望赤阳升"), say_the_same("白日依山尽", "黄河入海流")
        (True, False)
    """
    if len(one) != len(other) or len(one) < 4:
        return False
    return sum(not _mean_the_same(a, b) for a, b in zip(one, other, strict=True)) <= 1


def _mean_the_same(one: str, other: str) -> bool:
    nothing: frozenset[int] = frozenset()
    return one == other or bool(_meanings().get(one, nothing) & _meanings().get(other, nothing))


@functools.cache
def _meanings() -> dict[str, frozenset[int]]:
    """The groups that each character is in."""
    found: dict[str, set[int]] = {}
    for number, group in enumerate(_GROUPS):
        for sign in group:
            found.setdefault(sign, set()).add(number)
    return {sign: frozenset(numbers) for sign, numbers in found.items()}
