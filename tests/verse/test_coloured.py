"""A checked text in a notebook: its tones coloured, its faults underlined, and nothing of it taken for HTML."""

import dataclasses
import html.parser
import re

from kgpt2.verse.check import check
from kgpt2.verse.coloured import COLOURS

POEM = "渭城朝雨浥轻尘，客舍青青柳色新。劝君更尽一杯酒，西出阳关无故人。"


def test_each_character_has_the_colour_of_its_tone():
    found = check(POEM)
    signs = re.findall(r'<ruby style="([^"]*)" title="[^"]*">(.)<rt>(.)</rt>', found._repr_html_())
    assert "".join(sign for _, sign, _ in signs) == "".join(line.text for line in found.lines)
    assert "".join(tone for *_, tone in signs) == "".join(line.tones for line in found.lines)
    assert all(COLOURS[tone] in style for style, _, tone in signs if tone in COLOURS)


def test_a_fault_is_underlined_at_its_place():
    page = check("白日依山尽，黄河入海去。欲穷千里目，更上一层楼。")._repr_html_()
    faults = [fault for fault in check("白日依山尽，黄河入海去。欲穷千里目，更上一层楼。").faults if fault.place]
    assert page.count("wavy") == len({(fault.line, fault.place) for fault in faults}) > 0
    assert "wavy" not in check("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。")._repr_html_()


def test_a_text_that_was_held_to_no_rules_breaks_none():
    assert "no rules checked" in check("春天的花开了，我很高兴")._repr_html_()
    assert "not regulated" in check("白日依山尽，黄河入海去。欲穷千里目，更上一层楼。")._repr_html_()


def test_what_is_shown_is_escaped_and_well_formed():
    found = check(POEM)
    bad = "<script>&"
    lines = (dataclasses.replace(found.lines[0], text="<&", tones="平？", faults=(bad,)),)
    page = dataclasses.replace(found, form=bad, lines=lines, faults=())._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;&amp;" in page

    class Tags(html.parser.HTMLParser):
        depth = 0

        def handle_starttag(self, tag, attributes):
            self.depth += 1

        def handle_endtag(self, tag):
            self.depth -= 1

    tags = Tags()
    tags.feed(page)
    assert tags.depth == 0
