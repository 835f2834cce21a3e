"""FLORES-101: counted, unchanged, with FLORES-200's documents where these are proved to fit."""

import pytest

from stages import download
from stages.common.errors import UserError
from stages.corpus import readers

SIZES = {"dev": 997, "devtest": 1012}


@pytest.fixture
def folder(tmp_path):
    """Both archives' files, as they lie once unpacked."""
    for split, size in SIZES.items():
        for code in ("eng", "swh", "zho_simpl"):
            put(tmp_path / f"flores101_dataset/{split}/{code}.{split}",
                [f" {code} {n} \u2028 e\u0301" for n in range(size)])
        put(tmp_path / f"flores200_dataset/{split}/eng_Latn.{split}",
            [f" eng {n} \u2028 e\u0301" for n in range(size)])
        put(tmp_path / f"flores200_dataset/metadata_{split}.tsv", [
            "URL\tdomain", *(f"https://en.wikinews.org/{n // 3}\tnews" for n in range(size))])
    return tmp_path


def put(file, lines):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read(folder, language="swh_Latn"):
    return list(readers.read("flores101", folder, language, lambda *what: pytest.fail(str(what))))


def test_every_line_passes_unchanged_with_its_document(folder):
    found = read(folder)
    assert len(found) == 997 + 1012
    assert found[4] == ("dev:0005", "dev.https://en.wikinews.org/1", " swh 4 \u2028 e\u0301")
    assert found[-1][:2] == ("devtest:1012", "devtest.https://en.wikinews.org/337")
    assert read(folder, "zho_Hans")[0][2].startswith(" zho_simpl 0")
    assert [key for key, *_ in read(folder, "eng_Latn")] == [key for key, *_ in found]


@pytest.mark.parametrize("change", ["text", "none"])
def test_without_proof_every_line_is_a_document_of_its_own(folder, change):
    file = folder / "flores200_dataset/dev/eng_Latn.dev"
    if change == "none":
        file.unlink()
    else:
        file.write_text(file.read_text().replace(" eng 7 ", " eng seven "))
    documents = [document for _, document, _ in read(folder)]
    assert documents[:997] == [f"dev.{n:04}" for n in range(1, 998)]
    assert documents[997] == "devtest.https://en.wikinews.org/0"


@pytest.mark.parametrize("spoil", [lambda data: data[:-9], lambda data: data + b"one more\n",
                                   lambda data: data.replace(b"5", b"\xff")])
def test_a_lost_or_added_line_is_refused(folder, spoil):
    file = folder / "flores101_dataset/dev/swh.dev"
    file.write_bytes(spoil(file.read_bytes().replace(b"swh 996", b"swh\n996")))
    with pytest.raises(UserError, match=r"swh\.dev: .*FLORES-101 has 997 lines"):
        read(folder)


def test_a_language_that_is_not_there_is_named(folder):
    for language in ("yor_Latn", "hat_Latn"):
        with pytest.raises(UserError, match=f"no {language}"):
            read(folder, language)


def test_archives_are_unpacked_by_what_is_wanted(folder, tmp_path):
    import tarfile

    archive = tmp_path / "flores.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / "flores101_dataset", "./flores101_dataset")
    download.build({"host/flores.tar.gz": archive}, tmp_path / "out", {
        "convert": "unpack", "select": ["./flores101_dataset/*/swh.*"]})
    assert sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file()) == [
        "swh.dev", "swh.devtest"]
