"""benchmarks/RESULTS.md, made of the JSON files in benchmarks/results: nothing in it is typed by hand.

python benchmarks/report.py
python benchmarks/report.py --check   # exit status 1 where RESULTS.md is not what the files say
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kgpt2.bench.environment import PACKAGES

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
MACHINE = ("machine", "system", "device", "date", "python", *PACKAGES)
# Recorded for the reader of the JSON; too long, or the same in every row, for a table.
LEFT_OUT = ("killed_after_seconds", "resumed_from", "range", "memory_mb")
INTRODUCTION = f"""# Recorded results

Made by `python benchmarks/{Path(__file__).name}` from the files in `benchmarks/results`; what each
measures, and how, is in the script that is named. Figures of one section were measured together; those of different
sections may be from different days and machines, and are not to be compared. Ratios are medians of the rounds' own.
"""


def main() -> None:
    """Writes the document, or compares it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    text = document(sorted((HERE / "results").glob("*.json")))
    if options.check:
        raise SystemExit(int(not RESULTS.exists() or RESULTS.read_text("utf-8") != text))
    RESULTS.write_text(text, "utf-8")


def document(paths: Sequence[Path]) -> str:
    """The whole of it."""
    sections = [INTRODUCTION]
    for path in paths:
        script = script_of(path.stem)
        title = script.read_text("utf-8").split('"""')[1].splitlines()[0] if script else command_title(path.stem)
        sections.append(f"## {path.stem}\n\n{title} " + (f"(`benchmarks/{script.name}`)" if script else ""))
        content = json.loads(path.read_text("utf-8"))
        for one in content if isinstance(content, list) else [content]:
            sections.extend(section(one))
    return "\n\n".join(part.strip() for part in sections) + "\n"


def script_of(stem: str) -> Path | None:
    """The script of a result: the one whose name it begins with; None for what a command of kgpt2 recorded."""
    names = [path for path in HERE.glob("*.py") if (stem + "_").startswith(path.stem + "_")]
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
