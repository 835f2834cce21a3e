"""The table of sources says what the lock says."""

import json

from stages.report.sections import sources

FILE = {"url": "https://x/a", "licence": "MIT", "bytes": 1, "sha256": "0"}


def test_a_row_a_source_and_licence(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / sources.LOCK).write_text(json.dumps({
        "desk": {"model": {"source": "m==1", "archive": "m.whl", "licence": "Apache-2.0",
                           "members": {"a": "0", "b": "1"}}},
        "suites": {"news": {
            "test": {"source": "set@1", "files": [FILE | {"git_blob": "1"}, FILE | {
                "licence": "CC-BY-NC-4.0"}, FILE | {"git_blob": "2"}]},
            "calibration": {"source": "none", "files": [], "licence": ""}},
            "other": {"items": {"source": "o==1", "archive": "o", "licence": "", "members": {}}}}}))
    rows = sources.table(tmp_path, "desk", "news")["rows"]
    assert [(row["asset"], row["licence"], row["files"], row["pinned by"]) for row in rows] == [
        ("model", "Apache-2.0", 2, "SHA-256"), ("test", "MIT", 2, "git blob and SHA-256"),
        ("test", "CC-BY-NC-4.0", 1, "SHA-256")]


def test_without_a_lock_there_are_no_rows(tmp_path):
    assert sources.table(tmp_path, "desk", "news")["rows"] == []
