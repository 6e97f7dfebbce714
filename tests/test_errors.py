import pytest

from kgpt2.errors import escaped, printable, quoted


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("h.0.ln_1.weight", "h.0.ln_1.weight"),
        ("春眠　不觉晓", "春眠　不觉晓"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\nb\r\tc\x9b", r"a\nb\r\tc\x9b"),
        ("\u202etxt.exe", r"\u202etxt.exe"),
        ("\ud83d", r"\ud83d"),
        ("\u2028", r"\u2028"),
        ("x" * 100, "x" * 80 + "…"),
    ],
)
def test_a_name_is_escaped_and_cut(given, shown):
    assert escaped(given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("春", "'春'"),
        ("\x1b]0;title\x07", r"'\x1b]0;title\x07'"),
        (["a"] * 1000, "['a', 'a', 'a', 'a', 'a', 'a', ...]"),
        (True, "True"),
    ],
)
def test_a_value_is_quoted(given, shown):
    assert quoted(given) == shown


def test_what_cannot_be_written_out_is_named():
    nested = ()
    for _ in range(200):
        nested = (nested, nested)
    assert len(quoted(nested)) < 200
    assert len(quoted("\x1b" * 10_000)) < 400
    assert "int" in quoted(10**5000)


def test_a_message_is_a_few_lines_of_bearable_length():
    lines = printable("\n".join(["\x1b[2J" + "x" * 10_000] * 500)).split("\n")
    assert len(lines) <= 7
    assert all(len(line) <= 2100 and line.isprintable() for line in lines)
    assert printable("one\ntwo") == "one\ntwo"
