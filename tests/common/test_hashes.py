"""Hashes, against published digests and spelled-out JSON."""

import hashlib

from stages.common import hashes

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B


def test_a_files_hash_is_that_of_its_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert hashes.file_sha256(tmp_path / "file") == ABC


def test_a_texts_hash_is_the_start_of_sha256():
    assert hashes.text16("abc") == ABC[:16]


def test_equal_json_has_one_hash_whatever_the_order_of_its_keys():
    expected = hashlib.sha256('{"a":[1,2.5],"b":"ñ"}'.encode()).hexdigest()
    assert hashes.of_json({"b": "ñ", "a": [1, 2.5]}) == expected
    assert hashes.of_json({"a": [1, 2.5], "b": "ñ"}) == expected
    assert hashes.of_json({"a": [2.5, 1], "b": "ñ"}) != expected
