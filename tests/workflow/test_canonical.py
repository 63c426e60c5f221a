"""What is no JSON is not written as if it were."""

import pytest

from fiscus.errors import InvalidInput
from fiscus.workflow.canonical import canonical
from fiscus.workflow.ports import Entry


def test_a_tuple_is_a_list_and_a_record_is_none():
    assert canonical({"a": (1, "b")}) == b'{"a":[1,"b"]}'
    assert canonical({"a": (1.5, "b")}) == b'{"a":[1.5,"b"]}'
    for document in ({"a": Entry("x", {})}, [Entry("x", {})], {"a": [{"b": (1, Entry("x", {}))}]}):
        with pytest.raises(InvalidInput, match="holds Entry, which"):
            canonical(document)
