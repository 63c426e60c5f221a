"""Merkle trees as of RFC 9162, section 2.1, with SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256(b"").digest()
"""Root of a tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a tree that grows: roots of the perfect subtrees that it is made of, the largest first.

    Args:
        size: Leaves so far.
        peaks: One for each bit of the size.
    """

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size, self.peaks = size, list(peaks)

    def append(self, data: bytes) -> None:
        """One more leaf."""
        node, size = leaf_hash(data), self.size
        while size & 1:
            node = node_hash(self.peaks.pop(), node)
            size >>= 1
        self.peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Root of the whole tree."""
        if not self.peaks:
            return EMPTY
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def to_text(self) -> str:
        """As a store keeps it."""
        return f"{self.size}:{b''.join(self.peaks).hex()}"

    @classmethod
    def from_text(cls, text: str) -> Frontier:
        """What ``to_text`` wrote."""
        size, _, peaks = text.partition(":")
        raw = bytes.fromhex(peaks)
        return cls(int(size), [raw[start : start + 32] for start in range(0, len(raw), 32)])


class MerkleTree:
    """A whole tree, for proofs.

    Args:
        leaves: Data of the leaves.
    """

    def __init__(self, leaves: Iterable[bytes]) -> None:
        self.hashes = [leaf_hash(data) for data in leaves]
        self._perfect: dict[tuple[int, int], bytes] = {}

    def __len__(self) -> int:
        return len(self.hashes)

    def root(self, size: int | None = None) -> bytes:
        """Root of the first leaves, or of all."""
        end = len(self.hashes) if size is None else size
        return EMPTY if end == 0 else self._hash(0, end)

    def _hash(self, start: int, end: int) -> bytes:
        if end - start == 1:
            return self.hashes[start]
        key = (start, end)
        if key not in self._perfect:
            middle = start + _split(end - start)
            self._perfect[key] = node_hash(self._hash(start, middle), self._hash(middle, end))
        return self._perfect[key]

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Proof that a leaf is among the first ones (2.1.3.1).

        Args:
            index: Of the leaf, from 0.
            size: Leaves of the tree that is meant; all when None.
        """
        end = len(self.hashes) if size is None else size
        if not 0 <= index < end <= len(self.hashes):
            raise IndexError(f"there is no leaf {index} among {end} of {len(self.hashes)}")
        start, path = 0, []
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._hash(middle, end))
                end = middle
            else:
                path.append(self._hash(start, middle))
                start = middle
        return path[::-1]

    def consistency(self, first: int, second: int | None = None) -> list[bytes]:
        """Proof that a tree begins with a smaller one (2.1.4.1).

        Args:
            first: Leaves of the smaller.
            second: Leaves of the larger; all when None.
        """
        size = len(self.hashes) if second is None else second
        if not 0 < first <= size <= len(self.hashes):
            raise IndexError(f"no tree of {first} leaves begins one of {size}, where there are {len(self.hashes)}")
        return self._subproof(first, 0, size, True)

    def _subproof(self, first: int, start: int, end: int, whole: bool) -> list[bytes]:
        if first == end - start:
            return [] if whole else [self._hash(start, end)]
        middle = _split(end - start)
        if first <= middle:
            return [*self._subproof(first, start, start + middle, whole), self._hash(start + middle, end)]
        return [*self._subproof(first - middle, start + middle, end, False), self._hash(start, start + middle)]


def _split(size: int) -> int:
    """The largest power of two below a size."""
    return 1 << (size - 1).bit_length() - 1


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Root of a tree with these leaves."""
    frontier = Frontier()
    for data in leaves:
        frontier.append(data)
    return frontier.root()


def included(data: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether a proof shows that a leaf is in a tree (2.1.3.2).

    Args:
        data: Of the leaf.
        index: From 0.
        size: Leaves of the tree.
        path: The proof.
        root: Of the tree.
    """
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf_hash(data)
    for node in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(node, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, node)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def consistent(first: int, second: int, path: Sequence[bytes], first_root: bytes, second_root: bytes) -> bool:
    """Whether a proof shows that a tree begins with a smaller one (2.1.4.2).

    Args:
        first: Leaves of the smaller.
        second: Leaves of the larger.
        path: The proof.
        first_root: Root of the smaller.
        second_root: Root of the larger.
    """
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    nodes = list(path)
    if first & (first - 1) == 0:
        nodes.insert(0, first_root)
    if not nodes:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    small = large = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            small, large = node_hash(node, small), node_hash(node, large)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            large = node_hash(large, node)
        at, last = at >> 1, last >> 1
    return last == 0 and small == first_root and large == second_root
