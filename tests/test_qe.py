"""Scoring through unbabel-comet on a small encoder; selection on literal scores."""

import json

import pytest

from stages import qe
from stages.comet import corruptions
from stages.common import jsonl
from stages.common.errors import UserError
from stages.convert import assets
from stages.convert.encoder import tiny
from stages.corpus import selection

SETTINGS = {"batch": 16, "candidates": 30, "train_rows": 30, "dev_rows": 5,
            "hidden": [8], "dropout": 0.1, "lr": 1e-3, "epochs": 2}


def row(number, lang="spa_Latn", **extra):
    return {"id": f"t:{number}", "src": f"the cat number {number} sleeps here",
            "tgt": f"el gato número {number} duerme", "src_lang": "eng_Latn", "tgt_lang": lang,
            "origin": "test", **extra}


def put(file, rows):
    with jsonl.writer(file) as write:
        for one in rows:
            write(one)
    return file


def read(file):
    return json.loads(file.read_text())


real = corruptions.corruptions


def score(root, out, pairs="in"):
    qe.score(root / pairs, root / "encoder", qe.held_out(root / "test.jsonl"), out, SETTINGS,
             seed=1, threads=1)


@pytest.fixture(scope="module")
def scored(tmp_path_factory, fixtures):
    """The step score, run once on 50 Spanish and 20 Swahili pairs."""
    root = tmp_path_factory.mktemp("qe")
    tiny.encoder([text for _, text in assets.labelled([fixtures / "tiny_train.jsonl"])],
                 root / "encoder")
    put(root / "in/pairs.jsonl", [row(n) for n in range(50)]
        + [row(n, "swh_Latn", tgt=f"paka nambari {n} analala") for n in range(20)])
    put(root / "test.jsonl", [row(n + 100, split="dev") for n in range(8)]
        + [row(n + 100, "swh_Latn", tgt=f"paka {n} analala hapa", split="dev") for n in range(8)])
    trained = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corruptions, "corruptions", lambda rows, *rest: (
            trained.append(rows), real(rows, *rest))[1])
        score(root, root / "out")
    put(root / "trained.jsonl", trained[0])
    return root


def test_scores_are_those_of_comets_own_predict(scored):
    from comet import load_from_checkpoint

    rows = list(jsonl.read(scored / "out/pairs.jsonl"))
    model = load_from_checkpoint(str(scored / "out/checkpoint/checkpoints/model.ckpt"),
                                 local_files_only=True)
    expected = model.predict([{"src": r["src"], "mt": r["tgt"]} for r in rows], batch_size=8,
                             gpus=0, num_workers=0, progress_bar=False).scores
    assert [r["qe"] for r in rows] == pytest.approx(expected, abs=1e-4)


def test_candidates_are_counted(scored):
    stats = read(scored / "out/stats.json")
    assert (stats["seen"], stats["kept"]) == (70, 40)
    assert stats["dropped"] == {"trained_on": 25, "not_scored": 5}
    assert stats["by_lang"] == {
        "spa_Latn": {"seen": 50, "kept": 30, "dropped": {"trained_on": 15, "not_scored": 5}},
        # Fewer rows than twice its share of the training: half of them stay to be scored.
        "swh_Latn": {"seen": 20, "kept": 10, "dropped": {"trained_on": 10}}}
    assert len(list(jsonl.read(scored / "out/pairs.jsonl"))) == 40
    assert {entry["reason"] for entry in jsonl.read(scored / "out/dropped_sample.jsonl")} == {
        "trained_on", "not_scored"}


def test_no_row_is_scored_by_an_estimator_trained_on_it(scored):
    known, rated = ({(one["id"], one["tgt_lang"]) for one in jsonl.read(scored / name)}
                    for name in ("trained.jsonl", "out/pairs.jsonl"))
    assert (len(known), len(rated)) == (25, 40)
    assert not known & rated


def test_auc_is_given_by_kind_of_damage_and_language(scored):
    auc = read(scored / "out/auc.json")
    assert set(auc["by_kind"]) == set(corruptions.WORTH)
    assert set(auc["by_lang"]) == {"spa_Latn", "swh_Latn"}
    assert all(0 <= value <= 1 for value in [auc["all"], *auc["by_kind"].values()])


def test_same_seed_same_scores(scored, tmp_path):
    score(scored, tmp_path)
    assert (tmp_path / "pairs.jsonl").read_bytes() == (scored / "out/pairs.jsonl").read_bytes()


@pytest.mark.parametrize(("rows", "message"), [([], "langid kept nothing"),
                                               ([row(1)], "no language has two pairs")])
def test_too_little_to_score_is_a_clear_refusal(scored, tmp_path, rows, message):
    put(tmp_path / "pairs.jsonl", rows)
    with pytest.raises(UserError, match=message):
        score(scored, tmp_path / "out", pairs=tmp_path)


def test_selection_keeps_the_good_up_to_the_budget(tmp_path):
    put(tmp_path / "in/pairs.jsonl", [row(n, qe=0.9 if n < 6 else 0.1) for n in range(10)]
        + [row(n, "swh_Latn", qe=0.5) for n in range(4)])
    qe.select(tmp_path / "in", tmp_path / "out", {
        "min_score": 0.5, "into_english": 0.5, "pairs": {"spa_Latn": 4, "swh_Latn": 9}})
    stats = read(tmp_path / "out/stats.json")
    assert (stats["seen"], stats["kept"]) == (14, 8)
    assert stats["dropped"] == {"below_score": 4, "over_budget": 2}
    assert stats["by_lang"]["swh_Latn"] == {"seen": 4, "kept": 4, "dropped": {}}
    chosen = list(jsonl.read(tmp_path / "out/pairs.jsonl"))
    assert all(one["qe"] >= 0.5 for one in chosen)
    assert {one["reason"] for one in jsonl.read(tmp_path / "out/dropped_sample.jsonl")} == {
        "below_score", "over_budget"}


@pytest.mark.parametrize(("share", "sources"), [(0.0, {"eng_Latn"}), (1.0, {"spa_Latn"}),
                                                (0.5, {"eng_Latn", "spa_Latn"})])
def test_direction_is_a_share_and_turns_the_whole_row(share, sources):
    turned = [selection.directed(row(n), share) for n in range(40)]
    assert {one["src_lang"] for one in turned} == sources
    assert all(one["src"].startswith("the cat" if one["src_lang"] == "eng_Latn" else "el gato")
               for one in turned)


def test_a_language_without_a_budget_is_named(tmp_path):
    put(tmp_path / "pairs.jsonl", [row(1, qe=1.0)])
    with pytest.raises(UserError, match="no budget for spa_Latn"):
        qe.select(tmp_path, tmp_path, {"min_score": 0, "into_english": 0.5, "pairs": {}})
