"""Builds the documentation site into build/site, and fails where a link leads nowhere or a page would ask the network.

python docs/build.py        # needs pip install ".[docs]"
"""

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES, SITE = ROOT / "build/pages", ROOT / "build/site"
# What pages link to beside docs/; it stands on the site where it stands in the repository.
BESIDE = (
    "benchmarks/RESULTS.md",
    "benchmarks/records",
    "configs",
    "notebooks",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
)
# What a browser would load by itself from elsewhere; links that a reader clicks are no concern here.
LOADS = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//"""
    r"""|<link\b[^>]*rel=["']?stylesheet[^>]*\bhref=["']?(?:https?:)?//"""
)


SETTINGS = "<!-- settings -->"


def main() -> None:
    """Lays out the pages, builds them strictly, and looks at the result."""
    lay_out()
    program = shutil.which("zensical", path=str(Path(sys.executable).parent)) or "zensical"
    done = subprocess.run([program, "build", "--strict", "--clean"], cwd=ROOT)
    faults = [*dead_links(), *outside_loads()]
    print(*faults, sep="\n", file=sys.stderr)
    sys.exit(done.returncode or int(bool(faults)))


def lay_out() -> None:
    """Puts the pages and what they link to into one folder."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for name in BESIDE:
        source, place = ROOT / name, PAGES / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, place) if source.is_dir() else shutil.copy(source, place)
    for page in PAGES.glob("*.md"):
        text = page.read_text("utf-8")
        if page.name in BESIDE:
            text = re.sub(r"\]\(docs/", "](", text)
        text = text.replace(SETTINGS, settings_table())
        # GitHub wants a bar escaped in a table's code, Python-Markdown shows the escape.
        text = re.sub(r"^\|.*", lambda row: re.sub(r"`[^`]+`", unescaped, row[0]), text, flags=re.M)
        page.write_text(re.sub(r"\]\(\.\./", "](", text), "utf-8")


def settings_table() -> str:
    """Names, types, defaults and meanings of the settings of generation, from their declarations."""
    from kgpt2.config.settings import FIELDS

    lines = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    for name, field in FIELDS.items():
        # The help of a switch that is on says what its option does, which turns it off.
        meaning = f"False: {field.meaning.help}" if field.default is True else field.meaning.help
        kind = inspect.formatannotation(field.annotation)
        lines.append(f"| `{name}` | `{kind}` | `{field.default!r}` | {meaning} |")
    return "\n".join(lines)


def unescaped(code: re.Match[str]) -> str:
    """Code of a table without escaped bars."""
    return code[0].replace("\\|", "|")


def dead_links() -> list[str]:
    """Links of the built pages to files that are not there; Zensical looks at pages alone."""
    found = []
    for page in SITE.rglob("*.html"):
        if page.name != "404.html":
            for target in re.findall(r'\b(?:href|src)="?([^"\s>#?]+)', page.read_text("utf-8")):
                if not re.match(r"\w+:|//", target) and not (page.parent / target).exists():
                    found.append(f"{page.relative_to(SITE)}: {target} is not there")
    return found


def outside_loads() -> list[str]:
    """Built pages that would load something from elsewhere."""
    pages = [page for page in SITE.rglob("*.html") if LOADS.search(page.read_text("utf-8"))]
    return [f"{page.relative_to(SITE)}: loads from elsewhere" for page in pages]


if __name__ == "__main__":
    main()
