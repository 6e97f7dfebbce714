"""The page in a browser: both rooms, both languages, by mouse and by keyboard, and for a screen reader."""

import re

import pytest

expect = pytest.importorskip("playwright.sync_api").expect
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

pytestmark = [pytest.mark.browser, pytest.mark.slow]
WRITTEN, TRACED = "#measures:not([hidden])", "#candidates li"
POEM = "verse?form=七绝&title=秋夜&tones=strict&rhyme=pingshui&seed=11"


def poem(page):
    page.wait_for_selector(WRITTEN)
    return "".join(page.locator("#poem p").all_inner_texts()).replace("\n", "")


def test_a_link_writes_what_generate_writes(opened, lm):
    wanted = lm.generate("", form="七绝", title="秋夜", tones="strict", rhyme="pingshui", seed=11)[0]
    assert poem(opened(POEM)) == wanted.text


def test_writing_by_keyboard_and_the_link_back(opened):
    page = opened()
    page.locator("#verse-form input[name=prompt]").focus()
    page.keyboard.type("春风")
    page.keyboard.press("Enter")
    first = poem(page)
    assert first.startswith("春风")
    assert len(first) == 32
    page.locator("#link").focus()
    page.keyboard.press("Enter")
    # Not wait_for_function: where it must wait, it evaluates text, which the page forbids.
    expect(page.locator("#verse-status")).to_contain_text("链接")
    link = page.evaluate("navigator.clipboard.readText()")
    again = opened(link.partition("#")[2])
    assert poem(again) == first
    page.locator("#another").click()
    page.wait_for_selector(WRITTEN, state="hidden")
    assert poem(page) != first


def test_tones_and_measures(opened):
    page = opened(POEM)
    poem(page)
    page.locator("#marks").click()
    assert page.locator("#marks").get_attribute("aria-pressed") == "true"
    marks = page.evaluate("[...document.querySelectorAll('#poem .sign')].map((one) => one.dataset.tone).join('')")
    assert len(marks) == 28
    assert set(marks) <= set("平仄中")
    assert "16／16" in page.locator("#measures").inner_text()
    assert "合律" in page.locator("#measures").inner_text()
    assert len(page.locator("#picture .tones").inner_text().replace("\n", "")) == 32


def test_what_is_refused_is_told(opened):
    page = opened()
    page.locator("#verse-form input[name=prompt]").fill("春风春风春风春风")
    page.locator("#verse-form button[type=submit]").click()
    page.wait_for_selector("#verse-status.wrong")
    assert "第 1 句第 7 字后是 '风'" in page.locator("#verse-status").inner_text()
    page.locator("#language").click()
    page.locator("#verse-form button[type=submit]").click()
    page.wait_for_selector("#verse-status.wrong:has-text('does not fit the form')")


def test_a_fuller_search(opened, lm):
    page = opened()
    page.locator("#search").click()
    text = poem(page)
    seed = int(re.search(r"seed=(\d+)", page.url)[1])
    assert text == lm.generate("", form="七绝", tones="strict", rhyme="pingshui", best_of=24, seed=seed)[0].text


def test_the_lens_goes_on_from_another_candidate(opened):
    page = opened("lens")
    page.wait_for_selector(TRACED)
    signs = page.locator("#lens-text button")
    before = signs.all_inner_texts()
    signs.nth(2).click()
    assert signs.nth(2).get_attribute("aria-pressed") == "true"
    other = page.locator("#candidates button:not(.drawn)").first
    chosen = other.locator(".sign").inner_text()
    other.click()
    page.wait_for_selector("#lens-text button.given")
    after = signs.all_inner_texts()
    assert after[:2] == before[:2]
    assert after[2] == chosen
    page.keyboard.press("Tab")
    page.locator("#compare").click()
    page.wait_for_selector("#side article")
    assert [one.split(" ")[0] for one in page.locator("#side h2").all_inner_texts()] == ["greedy", "top_k", "top_p"]


def test_both_languages(opened):
    page = opened("lens", locale="en-GB")
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("#lens-form button[type=submit]").inner_text() == "Draw"
    page.locator("#language").click()
    assert page.locator("#lens-form button[type=submit]").inner_text() == "采样"
    page.wait_for_selector(TRACED)


@pytest.mark.parametrize("width", [360, 768, 1280, 2200])
@pytest.mark.parametrize("room", ["verse?form=七律&seed=1", "lens"])
def test_nothing_is_wider_than_the_window(opened, width, room):
    page = opened(room, width)
    page.wait_for_selector(TRACED if room == "lens" else WRITTEN)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("room", [POEM, "lens"])
def test_axe_finds_nothing(opened, scheme, room):
    page = opened(room, color_scheme=scheme, bypass_csp=True)
    page.wait_for_selector(TRACED if room == "lens" else WRITTEN)
    if room == "lens":
        page.locator("#compare").click()
        page.wait_for_selector("#side article")
    else:
        page.locator("#marks").click()
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
