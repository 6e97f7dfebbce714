"""YAML as a configuration has it: plain values, nothing run, and no text that takes long to read."""

import re
from typing import Any

import yaml

from kgpt2.errors import quoted

# A configuration has some 2,000 characters, and texts of its own where it is a small trial.
MAX_CHARACTERS = 1 << 19
MAX_DEPTH = 32
_MAX_DIGITS = 100
# libyaml's parser where PyYAML was built with it: ten times as fast.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str) -> tuple[yaml.Node | None, Any]:
    """The node and the value of a YAML document.

    Raises:
        yaml.YAMLError: the text is no YAML, or more than plain values: long, nested deeply, with aliases (of which a
            few lines can make a value of any size), keys given twice, or tags.
    """
    if len(text) > MAX_CHARACTERS:
        raise yaml.YAMLError(f"more than {MAX_CHARACTERS:,} characters; texts belong into a file of data")
    _require_plain(text)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return node, None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()


def _require_plain(text: str) -> None:
    """Looks at the events, which come one after the other, before nested values are made of them."""
    depth = 0
    for event in yaml.parse(text, Loader=_Base):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="an alias; write the value out", problem_mark=_mark(event))
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=_mark(event))


def _mark(event: yaml.Event) -> Any:
    """Where an event begins; libyaml's marks are another class with the same attributes."""
    return event.start_mark


class _Loader(_Base):
    """YAML's safe loader, with YAML 1.2's idea of plain values: 5e-5 is a number, 2024-01-01 and 12:30 are texts."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):  # a tag can call anything so
            raise yaml.constructor.ConstructorError(None, None, "a mapping was expected", node.start_mark)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a name", key.start_mark)
            if key.value in seen:
                problem = f"the key {quoted(key.value)} is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping

    def construct_truth(self, node: yaml.ScalarNode) -> bool:
        """True or false; a tag can call anything so."""
        if self.construct_scalar(node).lower() not in self.bool_values:
            raise yaml.constructor.ConstructorError(None, None, "neither true nor false", node.start_mark)
        return bool(self.construct_yaml_bool(node))

    def construct_number(self, node: yaml.ScalarNode) -> int | float | str:
        """A number, or the text that looks like YAML 1.1's base 60; Python counts long with very many digits."""
        if ":" in self.construct_scalar(node):
            return str(node.value)
        try:
            if len(node.value) > _MAX_DIGITS:
                raise ValueError("too many digits")
            number: int | float = self.construct_yaml_int(node) if node.tag == _INT else self.construct_yaml_float(node)
            return number
        except (ValueError, OverflowError, IndexError):
            raise yaml.constructor.ConstructorError(None, None, "not a number", node.start_mark) from None


_INT, _FLOAT, _BOOL, _TIMESTAMP = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "timestamp"))
_Loader.add_constructor(_INT, _Loader.construct_number)
_Loader.add_constructor(_FLOAT, _Loader.construct_number)
_Loader.add_constructor(_BOOL, _Loader.construct_truth)
_Loader.add_constructor(_TIMESTAMP, _Base.construct_yaml_str)
_Loader.add_implicit_resolver(_FLOAT, re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+"), list("-+0123456789"))
