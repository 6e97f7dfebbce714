from kgpt2.verse.words import some_words, words_in

SPRING = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"


def test_words_do_not_overlap_and_come_once():
    assert words_in("明月明月，山明月出") == ["明月"]
    assert words_in("江南春风明月") == ["江南", "春风", "明月"]
    assert words_in("不得") == words_in("月，明") == words_in("") == []
    assert words_in("東風") == ["東風"]


def test_a_draw_is_the_same_for_a_seed():
    words = words_in(SPRING)
    assert len(words) > 2
    drawn = [some_words(SPRING, 2, seed) for seed in range(20)]
    assert drawn == [some_words(SPRING, 2, seed) for seed in range(20)]
    assert {len(set(one)) for one in drawn} == {2}
    assert {word for one in drawn for word in one} == set(words)
    assert sorted(some_words(SPRING, 99, 0)) == sorted(words)
