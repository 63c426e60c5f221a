"""Matrices from YAML, refused with every fault at once."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from fiscus.errors import InvalidMatrix
from fiscus.workflow.authority.checks import faults
from fiscus.workflow.authority.fields import Field, Reader
from fiscus.workflow.authority.matrix import Matrix
from fiscus.workflow.authority.parsing import matrix_of

_CORE = "tag:yaml.org,2002:"
_PLAIN = {f"{_CORE}{kind}" for kind in ("str", "int", "float", "bool", "null")}
_PLAIN_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9_]{0,40})|[-+]?[0-9_]*\.[0-9_]*([eE][-+]?[0-9]+)?")
"""Numbers as people write them; YAML has octal, hexadecimal and sexagesimal ones too."""
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
"""A lone surrogate, which no file can hold."""


def read_matrix(path: str | Path) -> Matrix:
    """The authority matrix in a YAML file.

    Raises:
        InvalidMatrix: With everything that is wrong, each with the file and the place in it: what cannot be read, unknown
            names, gaps and overlaps with a proposal as an example, circles.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidMatrix([f"{path}: it cannot be read: {error}."]) from error
    return matrix_from_text(text, path.name)


def matrix_from_text(text: str, name: str) -> Matrix:
    """The authority matrix in YAML text.

    Args:
        text: YAML.
        name: What faults call it.

    Raises:
        InvalidMatrix: As ``read_matrix``.
    """
    reader = Reader()
    root = _root(text, name)
    matrix, clear = matrix_of(root, reader)
    found = [*reader.told(), *faults(matrix, clear)]
    if found:
        raise InvalidMatrix([f"{name}: {fault}" for fault in found])
    return matrix


def _root(text: str, name: str) -> Field:
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise InvalidMatrix([f"{name}: the file is empty."])
        return _Fields(loader, name).of(node, "")
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        raise InvalidMatrix([f"{name}:{line} this is not YAML: {error.problem or error.context}."]) from error
    except yaml.YAMLError as error:
        raise InvalidMatrix([f"{name}: this is not YAML: {error}."]) from error
    except RecursionError as error:
        raise InvalidMatrix([f"{name}: it is nested too deep for a matrix."]) from error
    finally:
        if loader is not None:
            loader.dispose()


class _Fields:
    """Fields of YAML nodes. A part that is used again through an alias (*) is read once."""

    def __init__(self, loader: yaml.SafeLoader, name: str) -> None:
        self.loader, self.name = loader, name
        self.known: dict[int, Field] = {}
        self.above: set[int] = set()

    def of(self, node: yaml.Node, place: str) -> Field:
        """The field of a node."""
        if id(node) in self.above:
            raise self.fault(node, "this contains itself through an alias (*); write it out.")
        if id(node) not in self.known:
            self.above.add(id(node))
            self.known[id(node)] = self._read(node, place)
            self.above.discard(id(node))
        return self.known[id(node)]

    def _read(self, node: yaml.Node, place: str) -> Field:
        line = self._line(node)
        if isinstance(node, yaml.MappingNode):
            return Field(self._table(node, place), line, place)
        if isinstance(node, yaml.SequenceNode):
            children = enumerate(node.value, start=1)
            return Field([self.of(child, f"{place} {number}".strip()) for number, child in children], line, place)
        return Field(self._scalar(node), line, place)

    def _table(self, node: yaml.MappingNode, place: str) -> dict[str, Field]:
        table: dict[str, Field] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or _HALF_CHARACTER.search(key.value):
                raise self.fault(key, "a key must be text.")
            if key.value in table:
                raise self.fault(key, f"the key {key.value!r} stands twice; keep one.")
            table[key.value] = self.of(value, f"{place}, {key.value}" if place else key.value)
        return table

    def _scalar(self, node: yaml.Node) -> object:
        number = node.tag in (f"{_CORE}int", f"{_CORE}float")
        readable = node.tag in _PLAIN and not _HALF_CHARACTER.search(node.value)
        if readable and (not number or _PLAIN_NUMBER.fullmatch(node.value)):
            try:
                return self.loader.construct_object(node)
            except (ValueError, KeyError):  # A tag such as !!int before something else.
                pass
        what = ascii(node.value) if len(node.value) < 40 else "this"
        raise self.fault(
            node, f"YAML does not read {what} as it stands; write plain digits, or text in quotation marks."
        )

    def fault(self, node: yaml.Node, sentence: str) -> InvalidMatrix:
        """A fault that leaves nothing to go on with."""
        return InvalidMatrix([f"{self.name}: line {self._line(node)}: {sentence}"])

    @staticmethod
    def _line(node: yaml.Node) -> int:
        return int(node.start_mark.line) + 1
