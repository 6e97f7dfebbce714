import pytest

from kgpt2.data.template import default_template, fields, fill
from kgpt2.errors import RequestError

ROW = {
    "title": "a goat",
    "text": "it ate {title}",
    "score": 12,
    "tldr": None,
    "long name": "x",
    "tags": ["y"],
    "on": True,
}


@pytest.mark.parametrize(
    ("template", "names", "text"),
    [
        ("text", ["text"], "it ate {title}"),
        ("long name", ["long name"], "x"),
        ("{title}: {text}", ["title", "text"], "a goat: it ate {title}"),
        ("{title} ({score})", ["title", "score"], "a goat (12)"),
        ("{title}\\n{}{ }", ["title"], "a goat\\n{}{ }"),
        ("tldr", ["tldr"], ""),
        ("{title}{tldr}", ["title", "tldr"], "a goat"),
    ],
)
def test_a_template_takes_columns_and_is_filled_from_a_row(template, names, text):
    assert fields(template, ROW, "posts.csv") == names
    assert fill(template, ROW, "posts.csv, line 2") == text


@pytest.mark.parametrize("template", ["author", "{title} by {author}"])
def test_an_unknown_column_is_refused_with_those_there_are(template):
    with pytest.raises(RequestError) as error:
        fields(template, ["title", "text"], "posts.csv, line 1", "data.prompt")
    assert str(error.value) == "posts.csv, line 1: there is no column 'author'; there is 'title', 'text' (data.prompt)"
    many = [f"c{number}" for number in range(11)]
    with pytest.raises(RequestError, match=r"'c7' and 3 more \(data\.text\)"):
        fields(template, many, "posts.csv")
    with pytest.raises(RequestError, match="there is none"):
        fields(template, [], "posts.csv")


@pytest.mark.parametrize(("column", "kind"), [("tags", "list"), ("on", "bool")])
def test_a_value_that_is_neither_text_nor_number_is_refused(column, kind):
    with pytest.raises(RequestError, match=f"line 3: column '{column}' holds no text but a {kind}"):
        fill(f"{{title}}{{{column}}}", ROW, "posts.jsonl, line 3")


def test_the_column_taken_when_none_is_named():
    assert default_template(["documents", "text1", "id"], "posts.csv") == "text1"
    assert default_template(["poem"], "posts.csv") == "poem"
    with pytest.raises(RequestError) as error:
        default_template(["a", "b"], "posts.csv")
    first, second = str(error.value).splitlines()
    assert first == "posts.csv: no column called text or text1 or documents; there is 'a', 'b'"
    assert second.endswith("--text COLUMN (of kgpt2 fit: -o data.text=COLUMN)")
