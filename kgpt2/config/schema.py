"""The run configuration as JSON Schema: editors complete and underline by it, and validators check files."""

import inspect
import re
import typing
from typing import Any

from kgpt2.config.sections import Config, Section
from kgpt2.config.settings import CHINESE, FIELDS, Field

TITLE = "The run configuration of kgpt2"
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}
# YAML reads [CLS] as a list of one word; the configuration takes it for the token.
_TOKENS = ("start_token", "end_token", "newline_token")
_BARE_TOKEN = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 1}


def schema() -> dict[str, Any]:
    """The schema (draft 2020-12): types, ranges, choices, defaults, and the docs of each key as its description.

    Example:
        >>> schema()["$defs"]["TrainSection"]["properties"]["batch_size"]["default"]
        32
    """
    found = Config.model_json_schema()
    sections = {one.__name__: one for one in _subclasses(Section)}
    for name, part in (*found["$defs"].items(), ("Config", found)):
        docs = attributes(inspect.getdoc(sections[name]) or "")
        part["description"] = part["description"].partition("\n\nAttributes:")[0]
        for key, value in part["properties"].items():
            if name == "SampleSection" and key in FIELDS:
                value |= _of_key(FIELDS[key])
            if key in docs:
                value["description"] = docs[key]
    for key in _TOKENS:
        found["$defs"]["ModelSection"]["properties"][key]["anyOf"].append(_BARE_TOKEN)
    script = found["$defs"]["DataSection"]["properties"]["script"]
    script["anyOf"][0] = of_setting(FIELDS["script"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": TITLE}


def attributes(docstring: str) -> dict[str, str]:
    """What a docstring's "Attributes:" says of each.

    Example:
        >>> attributes("A box.\\n\\nAttributes:\\n    width, height: in metres,\\n        both of them.")
        {'width': 'in metres, both of them.', 'height': 'in metres, both of them.'}
    """
    _, _, told = docstring.partition("Attributes:\n")
    entries = re.findall(r"^    (\w+(?:, \w+)*): (.+(?:\n     .+)*)", told, re.M)
    return {name: " ".join(text.split()) for names, text in entries for name in names.split(", ")}


def of_setting(field: Field) -> dict[str, Any]:
    """The values that a setting of generation takes, None apart: type, range, and choices also in Chinese.

    Example:
        >>> of_setting(FIELDS["script"])
        {'enum': ['simplified', 'traditional', '简体', '簡體', '繁体', '繁體']}
    """
    meaning, choices = field.meaning, typing.get_args(field.kind)
    if typing.get_origin(field.kind) is tuple:
        text = {"type": "string", "minLength": 1}
        return {"anyOf": [text, {"type": "array", "items": text}]}
    if choices:
        return {"enum": [*choices, *CHINESE.get(field.name, ())]}
    shape: dict[str, Any] = {"type": _TYPES[field.kind]}
    if meaning.least is not None:
        shape["exclusiveMinimum" if meaning.above else "minimum"] = meaning.least
        shape["maximum"] = meaning.most
    return shape


def _of_key(field: Field) -> dict[str, Any]:
    """A setting as a key of `sample:`."""
    shape, help = of_setting(field), field.meaning.help
    if field.default is True:  # the option that has this help turns it off
        help = f"False: {help[0].lower()}{help[1:]}"
    return {**({"anyOf": [shape, {"type": "null"}]} if field.optional else shape), "description": help}


def _subclasses(kind: type) -> list[type]:
    found: list[type] = kind.__subclasses__()
    return found + [below for one in found for below in _subclasses(one)]
