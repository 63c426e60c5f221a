"""Merkle trees against the vectors that Certificate Transparency's implementations share, and against the definition."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fiscus.workflow.audit.merkle import EMPTY, Frontier, MerkleTree, consistent, included, root_of

LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of the first 1 to 8 leaves, as in google/certificate-transparency's tests."""

INCLUSION = {
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (5, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
    (1, 5): (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}
CONSISTENCY = {
    (1, 1): (),
    (1, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}


def by_definition(leaves):
    """2.1.1 of the RFC, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:split]) + by_definition(leaves[split:])).digest()


def test_published_roots():
    assert root_of([]).hex() == EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    tree = MerkleTree(LEAVES)
    for size, root in enumerate(ROOTS, start=1):
        assert root_of(LEAVES[:size]).hex() == tree.root(size).hex() == root


@pytest.mark.parametrize("place", INCLUSION)
def test_published_inclusion_proofs(place):
    index, size = place
    path = MerkleTree(LEAVES).inclusion(index, size)
    assert tuple(node.hex() for node in path) == INCLUSION[place]
    assert included(LEAVES[index], index, size, path, bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize("place", CONSISTENCY)
def test_published_consistency_proofs(place):
    first, second = place
    path = MerkleTree(LEAVES).consistency(first, second)
    assert tuple(node.hex() for node in path) == CONSISTENCY[place]
    assert consistent(first, second, path, bytes.fromhex(ROOTS[first - 1]), bytes.fromhex(ROOTS[second - 1]))


@given(leaves=st.lists(st.binary(max_size=4), min_size=1, max_size=40), data=st.data())
@settings(max_examples=150, deadline=None)
def test_proofs_hold_and_altered_ones_do_not(leaves, data):
    tree, root = MerkleTree(leaves), by_definition(leaves)
    assert tree.root() == root_of(leaves) == root
    index = data.draw(st.integers(0, len(leaves) - 1))
    first = data.draw(st.integers(1, len(leaves)))
    path, older = tree.inclusion(index), tree.consistency(first)
    assert included(leaves[index], index, len(leaves), path, root)
    assert consistent(first, len(leaves), older, by_definition(leaves[:first]), root)
    assert not included(leaves[index] + b"x", index, len(leaves), path, root)
    assert not included(leaves[index], len(leaves), len(leaves), path, root)
    assert not included(leaves[index], index, len(leaves), [*path, bytes(32)], root)
    assert not consistent(first, len(leaves), [*older, bytes(32)], by_definition(leaves[:first]), root)
    assert not consistent(0, len(leaves), older, root, root)
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        flipped = [bytes([node[0] ^ 1]) + node[1:] if n == at else node for n, node in enumerate(path)]
        assert not included(leaves[index], index, len(leaves), flipped, root)
        assert not included(leaves[index], index, len(leaves), path[:-1], root)
    if older:
        at = data.draw(st.integers(0, len(older) - 1))
        flipped = [bytes([node[0] ^ 1]) + node[1:] if n == at else node for n, node in enumerate(older)]
        assert not consistent(first, len(leaves), flipped, by_definition(leaves[:first]), root)
        assert not consistent(first, len(leaves), older[:-1], by_definition(leaves[:first]), root)


def test_a_frontier_goes_on_where_it_was_written_down():
    frontier = Frontier()
    for number in range(70):
        frontier = Frontier.from_text(frontier.to_text())
        frontier.append(bytes([number]))
        assert frontier.root() == by_definition([bytes([each]) for each in range(number + 1)])


def test_what_is_not_there_is_refused():
    tree = MerkleTree(LEAVES)
    with pytest.raises(IndexError):
        tree.inclusion(8)
    with pytest.raises(IndexError):
        tree.consistency(9)
    with pytest.raises(IndexError):
        tree.consistency(0)
