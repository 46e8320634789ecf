"""The Merkle tree against the published vectors of RFC 6962 implementations, and its proofs against mutation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant.services.audit.domain.merkle import (
    EMPTY_ROOT,
    Subtree,
    append,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    needed_subtrees,
    node_hash,
    range_hashes,
    root,
)
from bezant.verifier.audit_log import Tree, verify_consistency, verify_inclusion
from bezant.verifier.audit_log import leaf_hash as verifier_leaf_hash

# Leaves and roots of the certificate-transparency reference implementation's tests
# (merkletree/merkle_tree_test.cc: kTestLeaves, kSHA256Roots).
CT_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def stored_subtrees(leaf_hashes: list[bytes]) -> dict[Subtree, bytes]:
    """What the database holds: each leaf's hash and those of the subtrees it completed."""
    stored: dict[Subtree, bytes] = {}
    for position, (hashed, above) in enumerate(zip(leaf_hashes, append(0, [], leaf_hashes).completed, strict=True)):
        levels = [hashed, *(above[n : n + 32] for n in range(0, len(above), 32))]
        for level, node in enumerate(levels):
            stored[Subtree(level, position >> level)] = node
    return stored


def plain_root(leaf_hashes: list[bytes]) -> bytes:
    """MTH straight from its definition in RFC 6962 §2.1."""
    if not leaf_hashes:
        return EMPTY_ROOT
    if len(leaf_hashes) == 1:
        return leaf_hashes[0]
    split = 1
    while split * 2 < len(leaf_hashes):
        split *= 2
    return node_hash(plain_root(leaf_hashes[:split]), plain_root(leaf_hashes[split:]))


def leaves_of(count: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(count)]


def test_roots_of_the_ct_leaves_are_the_published_ones() -> None:
    hashes = [leaf_hash(leaf) for leaf in CT_LEAVES]
    assert [root(append(0, [], hashes[:size]).frontier).hex() for size in range(1, 9)] == CT_ROOTS


def test_the_verifier_computes_the_published_roots_by_itself() -> None:
    tree = Tree()
    assert tree.root == EMPTY_ROOT
    roots = []
    for leaf in CT_LEAVES:
        tree.append(verifier_leaf_hash(leaf))
        roots.append(tree.root.hex())
    assert roots == CT_ROOTS


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_published_inclusion_proofs_of_the_ct_tree() -> None:
    # kSHA256Paths of the same file: leaf 0 of 8, leaf 5 of 8, leaf 2 of 3 and leaf 1 of 5.
    stored = stored_subtrees([leaf_hash(leaf) for leaf in CT_LEAVES])
    expected = {
        (0, 8): [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
        (5, 8): [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
        (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
        (1, 5): [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    }
    for (index, size), proof in expected.items():
        assert [hashed.hex() for hashed in range_hashes(inclusion_ranges(index, size), stored)] == proof


def test_published_consistency_proofs_of_the_ct_tree() -> None:
    # kSHA256Proofs: 1 to 1, 1 to 8, 6 to 8 and 2 to 5.
    stored = stored_subtrees([leaf_hash(leaf) for leaf in CT_LEAVES])
    expected = {
        (1, 1): [],
        (1, 8): [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
        (6, 8): [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
        (2, 5): [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    }
    for (old, new), proof in expected.items():
        assert [hashed.hex() for hashed in range_hashes(consistency_ranges(old, new), stored)] == proof


@given(st.integers(0, 200), st.lists(st.integers(0, 40), max_size=5))
def test_appending_in_any_batches_gives_the_root_of_the_definition(first: int, batches: list[int]) -> None:
    hashes = leaves_of(first + sum(batches))
    frontier, size = append(0, [], hashes[:first]).frontier, first
    for batch in batches:
        frontier = append(size, frontier, hashes[size : size + batch]).frontier
        size += batch
    assert root(frontier) == plain_root(hashes)


@st.composite
def inclusion_cases(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(1, 300))
    return draw(st.integers(0, size - 1)), size


@given(inclusion_cases(), st.data())
def test_every_inclusion_proof_verifies_and_every_mutated_one_fails(case: tuple[int, int], data: st.DataObject) -> None:
    index, size = case
    hashes = leaves_of(size)
    proof = range_hashes(inclusion_ranges(index, size), stored_subtrees(hashes))
    tree_root = plain_root(hashes)
    assert verify_inclusion(hashes[index], index, size, proof, tree_root)
    other_leaf = leaf_hash(b"other")
    assert not verify_inclusion(other_leaf, index, size, proof, tree_root)
    assert not verify_inclusion(hashes[index], index, size, proof, flipped(tree_root, data))
    assert not verify_inclusion(hashes[index], index, size, [*proof, other_leaf], tree_root)
    wrong_index = data.draw(st.integers(0, size))
    if wrong_index != index:
        assert not verify_inclusion(hashes[index], wrong_index, size, proof, tree_root)
    if proof:
        assert not verify_inclusion(hashes[index], index, size, proof[:-1], tree_root)
        assert not verify_inclusion(hashes[index], index, size, mutated(proof, data), tree_root)


@given(inclusion_cases(), st.data())
def test_every_consistency_proof_verifies_and_every_mutated_one_fails(
    case: tuple[int, int], data: st.DataObject
) -> None:
    old, new = case[0] + 1, case[1]
    hashes = leaves_of(new)
    proof = range_hashes(consistency_ranges(old, new), stored_subtrees(hashes))
    old_root, new_root = plain_root(hashes[:old]), plain_root(hashes)
    assert verify_consistency(old, new, old_root, new_root, proof)
    assert not verify_consistency(old, new, flipped(old_root, data), new_root, proof)
    assert not verify_consistency(old, new, old_root, flipped(new_root, data), proof)
    assert not verify_consistency(old, new, old_root, new_root, [*proof, leaf_hash(b"other")])
    if proof:
        assert not verify_consistency(old, new, old_root, new_root, proof[:-1])
        assert not verify_consistency(old, new, old_root, new_root, mutated(proof, data))
    if old > 1:
        rewritten = plain_root([leaf_hash(b"rewritten"), *hashes[1:old]])
        assert not verify_consistency(old, new, rewritten, new_root, proof)


def flipped(hashed: bytes, data: st.DataObject) -> bytes:
    bit = data.draw(st.integers(0, 255))
    return (int.from_bytes(hashed) ^ 1 << bit).to_bytes(32)


def mutated(proof: list[bytes], data: st.DataObject) -> list[bytes]:
    place = data.draw(st.integers(0, len(proof) - 1))
    return [flipped(node, data) if n == place else node for n, node in enumerate(proof)]


def test_a_frontier_that_does_not_fit_the_size_is_refused() -> None:
    with pytest.raises(ValueError, match="complete subtrees"):
        append(3, [leaf_hash(b"")], [])


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0)])
def test_a_leaf_outside_the_tree_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        inclusion_ranges(index, size)


def test_proofs_need_a_logarithmic_number_of_rows() -> None:
    size = 2**20 + 12_345
    assert len(needed_subtrees(inclusion_ranges(777_777, size))) <= 2 * 21
    assert len(needed_subtrees(consistency_ranges(2**19 + 7, size))) <= 2 * 21
