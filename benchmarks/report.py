"""benchmarks/RESULTS.md and docs/images/speed.svg, made of the JSON files in benchmarks/records, not by hand.

python -m benchmarks.report
python -m benchmarks.report --check   # exit status 1 where they are not what the files say
python -m benchmarks.report generation gpu_decode   # every figure of some records, as tables
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.pictures import IMAGES, speed
from kgpt2.bench.environment import PACKAGES

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
MACHINE = ("machine", "system", "device", "date", "python", *PACKAGES)
# Recorded for the reader of the JSON; too long, or the same in every row, for a table.
LEFT_OUT = ("killed_after_seconds", "resumed_from", "range", "memory_mb")
# So many figures of a record stand on the page.
SHOWN = 6
INTRODUCTION = """# Recorded results

Made by `python -m benchmarks.report` from the files in `benchmarks/records`, of which each holds all figures
and their ranges; `python -m benchmarks.report NAME` shows those of one as tables. What was measured, and how, is
in the script that is named. Figures of one record were measured together; those of different records may be from
different days and machines, and are not to be compared. Ratios are medians of the rounds' own.
"""


def main() -> None:
    """Writes the page, compares it, or shows records."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="records to show")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.names:
        print(document([HERE / "records" / f"{name}.json" for name in options.names]))
        return
    made = {RESULTS: page(sorted((HERE / "records").glob("*.json"))), IMAGES / "speed.svg": speed()}
    if options.check:
        raise SystemExit(int(any(not path.exists() or path.read_text("utf-8") != text for path, text in made.items())))
    for path, text in made.items():
        path.write_text(text, "utf-8")


def page(paths: Sequence[Path]) -> str:
    """A line for each record."""
    lines = [INTRODUCTION, "| record | what | some figures | where, when |", "|---|---|---|---|"]
    for path in paths:
        contents = contents_of(path)
        what = title_of(path).removesuffix(".")
        lines.append(f"| [{path.stem}](records/{path.name}) | {what} | {figures(contents)} | {where(contents[0])} |")
    return "\n".join(lines) + "\n"


def figures(contents: Sequence[Mapping]) -> str:
    """The ratios of a record, or its first numbers."""
    found = [part for content in contents for part in ratios(content)]
    if not found:
        numbers = [pair for content in contents for pair in leaves(content) if is_number(pair[1])]
        found = [f"{words(name)} {number(value)}" for name, value in numbers]
    return "; ".join(found[:SHOWN]) + ("; …" if len(found) > SHOWN else "")


def leaves(content: Mapping) -> Iterator[tuple[str, object]]:
    """The values of a record without what it was measured on, its rows one after the other."""
    for key, value in content.items():
        if key in (*MACHINE, "environment"):
            continue
        rows = value if isinstance(value, list) else [value]
        for row in rows:
            yield from flatten(row, key if key != "rows" else "") if isinstance(row, dict) else [(key, row)]


def ratios(content: Mapping) -> Iterator[str]:
    """What routes reach beside the one that they are compared with, each row with its plain values in front."""
    rows = content.get("rows")
    for row in [content, *(rows if isinstance(rows, list) else [])]:
        for key in row if isinstance(row, dict) else ():
            if key.startswith("ratio_to_"):
                base = key.removeprefix("ratio_to_")
                told = ", ".join(f"{route} {value:g} x" for route, value in row[key].items() if route != base)
                plain = [f"{words(name)} {row[name]}" for name in ("shape", "batch") if name in row]
                yield f"{' '.join(plain)}{': ' if plain else ''}{told} {base}"


def is_number(value: object) -> bool:
    """Whether a value is a figure."""
    return (isinstance(value, int | float) and not isinstance(value, bool)) or is_range(value)


def where(content: Mapping) -> str:
    """Machine, device and date."""
    content = {**content.get("environment", {}), **content}
    return ", ".join(str(content[key]) for key in ("machine", "device", "date") if key in content) or "not recorded"


def document(paths: Sequence[Path]) -> str:
    """Every figure of some records."""
    sections = []
    for path in paths:
        sections.append(f"## {path.stem}\n\n{title_of(path)}")
        for one in contents_of(path):
            sections.extend(section(one))
    return "\n\n".join(part.strip() for part in sections) + "\n"


def contents_of(path: Path) -> list[Mapping]:
    """What a record holds: one run, or several."""
    content = json.loads(path.read_text("utf-8"))
    return content if isinstance(content, list) else [content]


def title_of(path: Path) -> str:
    """What a record is of, and its script."""
    script = script_of(path.stem)
    if script is None:
        return command_title(path.stem)
    first = script.read_text("utf-8").split('"""')[1].splitlines()[0]
    return f"{first} (`benchmarks/{script.relative_to(HERE)}`)"


def script_of(stem: str) -> Path | None:
    """The script of a result: the one whose name it begins with; None for what a command of kgpt2 recorded."""
    names = [path for path in HERE.glob("*/*.py") if (stem + "_").startswith(path.stem + "_")]
    return max(names, key=lambda path: len(path.stem), default=None)


def command_title(stem: str) -> str:
    """`kgpt2 bench` and `kgpt2 compare` record files that begin with the command's name."""
    return f"`kgpt2 {stem.split('_')[0]}`"


def section(content: Mapping) -> Iterator[str]:
    """What was measured on, then every value."""
    content = {**content.get("environment", {}), **{key: one for key, one in content.items() if key != "environment"}}
    machine = [str(content[key]) for key in ("machine", "system", "device", "date") if key in content]
    versions = [f"{key} {content[key]}" for key in ("python", *PACKAGES) if key in content]
    yield f"*{', '.join(machine + versions)}*" if machine else "*machine not recorded*"
    yield from parts({key: value for key, value in content.items() if key not in MACHINE})


def parts(content: Mapping, above: str = "") -> Iterator[str]:
    """Plain values in a line, then tables, each under its name."""
    if "median" in content:
        content = {"": rates(content)} | {
            key: value
            for key, value in content.items()
            if key not in ("median", "startup_seconds") and not key.startswith("ratio_to")
        }
    content = {key: value for key, value in content.items() if key not in LEFT_OUT}
    plain = {key: value for key, value in content.items() if not isinstance(value, dict | list)}
    if plain:
        yield ", ".join(f"{words(key)}: {number(value)}" for key, value in plain.items())
    for key, value in content.items():
        name = " / ".join(filter(None, (above, words(key))))
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield titled(name, table(value))
        elif isinstance(value, list) and value:
            yield f"{name}: {', '.join(map(number, value))}"
        elif isinstance(value, dict) and "median" in value and isinstance(value["median"], dict):
            yield from parts(value, name)
        elif isinstance(value, dict) and value and all(is_row(one) for one in value.values()):
            yield titled(name, table([{words(above) or "": key, **one} for key, one in value.items()]))
        elif isinstance(value, dict) and value:
            yield titled(name, table([value])) if is_row(value) else "\n\n".join(parts(value, name))


def is_row(value: object) -> bool:
    """Whether a value is a line of a table: a dictionary of plain values or ranges."""
    return isinstance(value, dict) and all(not isinstance(one, dict | list) or is_range(one) for one in value.values())


def is_range(value: object) -> bool:
    """Whether a value is a median between two others."""
    return isinstance(value, dict) and set(value) == {"min", "median", "max"}


def rates(content: Mapping) -> list[dict]:
    """Median, range and ratio of each route."""
    ratio = next((key for key in content if key.startswith("ratio_to")), None)
    rows = []
    for route, median in content["median"].items():
        low, high = content["range"][route]
        row = {"route": route, "median": median, "rounds": f"{low:,} to {high:,}"}
        if ratio:
            row[words(ratio)] = content[ratio][route]
        if route in content.get("startup_seconds", {}):
            row["start-up, s"] = content["startup_seconds"][route]
        rows.append(row)
    return rows


def table(rows: Sequence[Mapping]) -> str:
    """Markdown; values that are dictionaries of their own become columns."""
    flat = [dict(flatten(row)) for row in rows]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    lines = ["| " + " | ".join(words(column) for column in columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(number(row.get(column, "")) for column in columns) + " |" for row in flat]
    return "\n".join(lines)


def flatten(row: Mapping, above: str = "") -> Iterator[tuple[str, object]]:
    """A row without dictionaries in it."""
    for key, value in row.items():
        name = f"{above} {key}".strip()
        if key in LEFT_OUT:
            continue
        if isinstance(value, dict) and not is_range(value):
            yield from flatten(value, name)
        else:
            yield name, value


def number(value: object) -> str:
    """A cell: four digits of a fraction, thousands apart."""
    if is_range(value):
        return f"{number(value['median'])} ({number(value['min'])} to {number(value['max'])})"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(number, value))
    return str(value).replace("|", "\\|").replace("\n", " ")


def titled(name: str, text: str) -> str:
    """A table under its name."""
    return f"{name}:\n\n{text}" if name else text


def words(key: str) -> str:
    """A JSON key as a reader says it."""
    return key.replace("_", " ")


if __name__ == "__main__":
    main()
