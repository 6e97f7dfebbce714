import itertools

import numpy as np

from kgpt2.data.poetry.variants import clause_pairs, first_variants

BASE = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"
POEMS = [
    BASE,
    "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。",
    "床前看月光，疑是地上霜。举头望山月，低头思故乡。",
]


def families(texts: list[str]) -> list[int]:
    return first_variants(*clause_pairs(texts), len(texts)).tolist()


def test_two_near_clauses_make_a_family():
    assert families(POEMS) == [0, 1, 0]
    assert families(POEMS[::-1]) == [0, 1, 0]


def test_what_links_two_families_makes_them_one():
    bridge = "疑是地上霜。低头思故乡。白日依山尽，黄河入海流。"
    assert families([*POEMS, bridge]) == [0, 0, 0, 0]


def test_far_few_or_short_clauses_do_not():
    far = "疑是地上霜。一二三四五。五四三二一。一三五二四。低头思故乡。"
    assert families([BASE, far.replace("疑是地上霜。", "疑是地上霜。六七八九十。")]) == [0, 1]
    assert families([BASE, "疑是地上霜。白日依山尽。"]) == [0, 1]
    assert families(["知否，知否，应是绿肥红瘦。", "知否，知否，应是红肥绿瘦。"]) == [0, 1]
    # Clauses of two poems never count together, and their order matters.
    assert families(["疑是地上霜。", "低头思故乡。", "疑是地上霜。低头思故乡。", "低头思故乡。疑是地上霜。"]) == [
        0,
        1,
        2,
        3,
    ]


def test_nothing_has_no_families():
    for texts in ([], [""], ["，。"], ["山"]):
        pairs, owners = clause_pairs(texts)
        assert (pairs.dtype, owners.dtype, pairs.size, owners.size) == (np.uint64, np.int32, 0, 0)
        assert families(texts) == list(range(len(texts)))


def test_equal_clauses_have_equal_hashes_wherever_they_stand():
    rng = np.random.default_rng(0)
    clauses = ["".join(chr(0x4E00 + code) for code in rng.integers(0, 5000, 5)) for _ in range(400)]
    single = np.concatenate(
        [clause_pairs([f"{first}，{second}。"])[0] for first, second in itertools.pairwise(clauses)]
    )
    assert len(set(single.tolist())) == 399
    pairs, owners = clause_pairs(["。".join(clauses), f"山。{clauses[0]}。{clauses[1]}"])
    assert set(single.tolist()) <= set(pairs[owners == 0].tolist())
    assert single[0] in pairs[owners == 1]
