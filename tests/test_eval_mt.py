"""Choosing and flagging segments."""

from stages import eval_mt

ROW = {"id": "k:1", "cluster": "k", "src": "A dog", "tgt": "Mbwa", "src_lang": "eng_Latn",
       "tgt_lang": "swh_Latn", "split": "devtest"}


def test_turned_swaps_text_and_languages_together():
    assert eval_mt.turned(ROW, into_pivot=False) == ROW
    assert eval_mt.turned(ROW, into_pivot=True) == ROW | {
        "src": "Mbwa", "tgt": "A dog", "src_lang": "swh_Latn", "tgt_lang": "eng_Latn"}


def test_every_language_gets_the_same_ids_whatever_the_file_order():
    rows = [ROW | {"id": f"k:{n}", "tgt_lang": lang}
            for lang in ("swh_Latn", "spa_Latn") for n in range(20)]
    rows += [ROW | {"id": "k:dev", "split": "dev"}]
    chosen = [[row["id"] for row in eval_mt.choose(order, lang, "devtest", 5)]
              for order in (rows, rows[::-1]) for lang in ("swh_Latn", "spa_Latn")]
    assert chosen == [chosen[0]] * 4
    assert len(set(chosen[0])) == 5
    assert [row["id"] for row in eval_mt.choose(rows, "swh_Latn", "dev", None)] == ["k:dev"]


def test_flags():
    flags = ("off_target", "empty", "copy", "truncated")

    def flagged(hyp, lang, truncated=False):
        row = eval_mt.result(eval_mt.turned(ROW, into_pivot=True), (hyp, truncated), (lang, 0.9))
        return {flag for flag in flags if row[flag]}

    assert flagged("The dog", "eng_Latn") == set()
    assert flagged("mbwa", "swh_Latn") == {"off_target", "copy"}
    assert flagged("", "eng_Latn") == {"empty"}  # nothing is said, so nothing is off target
    assert flagged("The the the", "eng_Latn", truncated=True) == {"truncated"}


def test_the_row_is_complete():
    assert eval_mt.result(ROW, ("Mbwa", False), ("swh_Latn", 0.98765)) == {
        "id": "k:1", "cluster": "k", "direction": "eng_Latn-swh_Latn", "src": "A dog",
        "ref": "Mbwa", "hyp": "Mbwa", "hyp_lang": "swh_Latn", "hyp_lang_p": 0.9877,
        "off_target": False, "empty": False, "copy": False, "truncated": False,
        "ref_hash": "2edb8362da0e8144"}
