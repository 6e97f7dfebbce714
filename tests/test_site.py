"""The built documentation site: the page of the Python API says what the declarations say."""

import importlib.util
import re
import subprocess
import sys

import pytest

from kgpt2 import __all__ as names
from kgpt2.config.settings import FIELDS
from tests.conftest import ROOT


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("zensical") is None, reason="the extra docs is not installed")
def test_the_page_of_the_api_is_complete():
    done = subprocess.run([sys.executable, "docs/build.py"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    page = (ROOT / "build/site/api.html").read_text("utf-8")
    headings = re.findall(r'<h[23] id="kgpt2\.([\w.]+)"', page)
    assert {heading.rpartition(".")[2] for heading in headings} >= set(names)
    assert [name for name in FIELDS if f"<td><code>{name}</code></td>" not in page] == []
    assert "<p>::</p>" not in page
    assert not re.search("has_form|bans_repeats|says_what_to_write", page)
    for method in ("generate", "stream"):
        heading = page.index(f'id="kgpt2.generation.language_model.LanguageModel.{method}"')
        signature = re.sub(r"<[^>]+>", "", page[heading : page.index("</pre>", heading)])
        assert re.search(r"settings: Settings \| None = None,\s+\*\*keywords", signature), signature
