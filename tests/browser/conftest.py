"""A Chromium, and the server that its pages come from."""

import shutil
import warnings

import pytest

pytest.importorskip("playwright")
pytest.importorskip("fastapi")

from playwright.sync_api import Error, sync_playwright

from tests.serve.conftest import address, application, lm  # noqa: F401


@pytest.fixture(scope="session")
def chromium():
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except Error as error:
            reason = "there is no Chromium here, the page is NOT tested: apt-get install chromium"
            warnings.warn(f"{reason} ({error.message.splitlines()[0]})", stacklevel=1)
            pytest.skip(reason)
        yield browser
        browser.close()


def is_fault(message):
    """Whether the page did something wrong; that the server refuses a request is told on the page."""
    return message.type == "error" and "status of 400" not in message.text


@pytest.fixture
def opened(chromium, address):  # noqa: F811
    """Opens a room of the page; at the end nothing may have gone wrong in it, or been asked for elsewhere."""
    contexts, wrong = [], []

    def open_page(room="verse", width=1280, **options):
        context = chromium.new_context(
            viewport={"width": width, "height": 800}, **{"locale": "zh-CN", "reduced_motion": "reduce", **options}
        )
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if is_fault(message) else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda one: None if one.url.startswith(address) else wrong.append(one.url))
        page.goto(f"{address}/#{room}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
