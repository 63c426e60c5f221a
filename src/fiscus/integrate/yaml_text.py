"""YAML that people wrote, read with a sentence for everything that keeps it from being plain data."""

from __future__ import annotations

import re
from typing import Any

import yaml

from fiscus.core.cells import short_repr

DEEPEST = 40
"""Levels of nesting above which a file is no plan."""
LONGEST_NUMBER = 300
"""Digits above which a whole number is refused: it is larger than any float."""
_MISREAD = re.compile(r"[-+]?0[0-7_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
"""What YAML takes for an octal or a sexagesimal number, and people for an id, a time or an amount."""
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


class YamlFault(Exception):
    """Text that cannot be read.

    Attributes:
        row: Line of the file, None where it is not known.
    """

    def __init__(self, row: int | None, sentence: str) -> None:
        super().__init__(sentence)
        self.row = row


def read_yaml(text: str) -> tuple[Any, list[int]]:
    """Plain data, and the line on which each item of a list at the top starts.

    Raises:
        YamlFault: For what is not YAML, repeats a key, contains itself, or grows out of proportion through its aliases.
    """
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None, []
        _check(node, {}, set(), 0)
        rows = [_row(item) for item in node.value] if isinstance(node, yaml.SequenceNode) else []
        return loader.construct_document(node), rows
    except yaml.MarkedYAMLError as error:
        row = error.problem_mark.line + 1 if error.problem_mark is not None else None
        raise YamlFault(row, f"this is not YAML: {error.problem or error.context or 'it cannot be read'}") from error
    except RecursionError as error:
        raise YamlFault(None, f"this is nested more than {DEEPEST} levels deep") from error
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        # PyYAML lets errors of the values it builds (dates, tags such as !!int on other text) through as they are.
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise YamlFault(None, f"this is not YAML: {said}") from error
    finally:
        if loader is not None:
            loader.dispose()


def _row(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _check(node: yaml.Node, sizes: dict[int, int], above: set[int], depth: int) -> int:
    """Nodes from this one down with aliases written out; a shared part is walked once and remembered in ``sizes``."""
    if id(node) in above:
        raise YamlFault(_row(node), "this contains itself through an alias (*); write it out")
    if id(node) in sizes:
        return sizes[id(node)]
    if depth > DEEPEST:
        raise YamlFault(_row(node), f"this is nested more than {DEEPEST} levels deep")
    above.add(id(node))
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        _no_key_twice(node)
        parts = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        parts = node.value
    else:
        _check_scalar(node)
    size = 1 + sum(_check(part, sizes, above, depth + 1) for part in parts)
    above.discard(id(node))
    sizes[id(node)] = size
    if size > 10 * len(sizes) + 10_000:
        raise YamlFault(_row(node), "aliases (*) repeat the same content thousands of times; write out what is meant")
    return size


def _no_key_twice(node: yaml.MappingNode) -> None:
    first: dict[tuple[str, str], yaml.Node] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
            continue
        other = first.setdefault((key.tag, key.value), key)
        if other is not key:
            raise YamlFault(
                _row(key), f"the key {short_repr(key.value)} stands here and in row {_row(other)}; keep one"
            )


def _check_scalar(node: yaml.Node) -> None:
    if _HALF_CHARACTER.search(node.value):
        raise YamlFault(_row(node), "half a character (a lone surrogate) is not text; write the character itself")
    if node.tag == "tag:yaml.org,2002:int" and len(node.value) > LONGEST_NUMBER:
        raise YamlFault(_row(node), f"a number of {len(node.value)} digits is not an amount")
    if node.tag in _NUMBERS and _MISREAD.fullmatch(node.value):
        sentence = f"YAML does not read {node.value!r} as it stands; write a number in plain digits, or a name in quotation marks"
        raise YamlFault(_row(node), sentence)
