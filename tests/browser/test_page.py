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
    assert "韵部" in page.locator("#measures").inner_text()
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
    assert text == lm.generate("", form="七绝", best_of=24, seed=seed)[0].text


def test_a_tune_is_chosen_from_a_list(opened, lm):
    page = opened()
    page.locator("#forms label", has_text="词牌").click()
    page.locator("select[name=tune]").select_option("浣溪沙")
    expect(page.locator("#picture .r")).to_have_count(5)
    expect(page.locator("select[name=tones]")).to_be_disabled()
    page.locator("#verse-form button[type=submit]").click()
    text = poem(page)
    seed = int(re.search(r"seed=(\d+)", page.url)[1])
    assert text == lm.generate("", form="浣溪沙", seed=seed)[0].text
    assert "浣溪沙" in page.locator("#measures").inner_text()
    offered = page.locator("select[name=tune] option").all_inner_texts()
    assert "水调歌头" in offered
    assert "六州歌头" not in offered  # 181 characters and marks, the model's context is 128
    again = opened(page.url.partition("#")[2])
    assert poem(again) == text


def test_another_form_has_its_own_rules(opened):
    page = opened()
    tones, rhyme = (page.locator(f"select[name={name}]") for name in ("tones", "rhyme"))
    tones.select_option("off")
    rhyme.select_option("modern")
    page.locator("#forms label", has_text="自定").click()
    assert (tones.input_value(), rhyme.input_value()) == ("", "")
    page.locator("#forms label", has_text="七律").click()
    page.locator("#verse-form button[type=submit]").click()
    assert len(poem(page)) == 64
    assert "tones=" not in page.url
    assert "rhyme=" not in page.url
    assert "合律" in page.locator("#measures").inner_text()


def test_faults_are_named_as_a_reader_names_them(opened):
    asked = "verse?form=五绝&prompt=疑是地上霜，&seed=1"
    page = opened(asked)
    poem(page)
    assert re.search(r"第一句第.字「.」", page.locator("#measures").inner_text())
    free = opened(f"{asked}&tones=off")
    poem(free)
    assert "出律" not in free.locator("#measures").inner_text()
    english = opened(asked, locale="en-GB")
    poem(english)
    assert re.search(r"line 1 character \d .", english.locator("#measures").inner_text())


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
