"""A small finished run, invented: just enough files for the report to have something to say."""

import contextlib
import csv
import json
import random
from pathlib import Path
from typing import Any

from stages.report import __main__ as report

RUN = Path("reports/desk/kolibri")  # scale and suite of the invented run
LANGUAGES = {"swh_Latn": {"resource": "low"}, "ind_Latn": {"resource": "mid"},
             "deu_Latn": {"resource": "high"}}
DIRECTIONS = [f"{a}-{b}" for lang in LANGUAGES
              for a, b in ((lang, "eng_Latn"), ("eng_Latn", lang))]
HOSTILE = "<script>alert('x')</script> | `=1+1` \u202edesrever {{ 7*7 }} $x_1$\nsecond line"


def put(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def column(key: str, label: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "label": label, "kind": kind, **more}


def write(root: Path) -> Path:
    """Write the report of a run below ``root``, by that folder's settings; return its folder."""
    with contextlib.chdir(root):
        report.main([str(root)])
    return root / RUN


def significance(scale: str = "desk") -> dict[str, Any]:
    delta = [column("delta", "Δ", "float", digits=2),
             column("ci", "95 % CI", "interval", digits=2,
                    help="Paired bootstrap interval of the difference."),
             column("p", "p", "p"), column("p_holm", "p Holm", "p")]
    verdict = column("verdict", "Verdict", "verdict")
    draw = random.Random(1)

    def translated(system: str, baseline: str, shift: float) -> dict[str, Any]:
        rows = []
        for direction in [*DIRECTIONS, "into_eng", "out_of_eng", "low_resource"]:
            gain = shift + draw.uniform(-3, 3) - (4 if direction.startswith("eng") else 0)
            rows.append({
                "direction": direction, "n": 200, "documents": 24, "baseline": 14.2,
                "system": 14.2 + gain, "delta": gain, "ci": [gain - 1.6, gain + 1.7],
                "p": 0.0001, "p_holm": 0.0006, "agreement": 0.97 if gain > 2 else "saturated",
                "off_target": 3.5, "verdict": "better" if gain > 1.6 else "worse"
                if gain < -1.7 else "inconclusive"})
        return {"id": f"t3_translation.{system}-{baseline}.chrf++",
                "title": f"Translation, {system} against {baseline}",
                "about": {"kind": "translation", "system": system, "baseline": baseline,
                          "metric": "chrf++"},
                "says": "How much better or worse one system translates than the other.",
                "cannot": "Whether a reader would notice.", "notes": ["Scores are 0 to 100."],
                "columns": [column("direction", "Direction", "text"), column("n", "n", "int"),
                            column("documents", "documents", "int"),
                            column("baseline", "Baseline", "float", digits=1),
                            column("system", "System", "float", digits=1), *delta,
                            column("agreement", "Human agreement", "float"),
                            column("off_target", "off-target", "percent", unit="%"), verdict],
                "rows": rows}

    reasoning = []
    for task, change, b, c in (("step_inference", -0.5, 11, 12), ("goal_inference", 1.5, 15, 12),
                               ("physics", -1.0, 6, 8), ("social_iqa", 0.0, 0, 0)):
        reasoning.append({
            "task": f"{task}@1.0", "n": 200, "baseline": 61.25, "system": 61.25 + change,
            "delta": change, "ci": [change - 4, change + 4], "b": b, "c": c, "p": 0.62,
            "p_holm": 1.0, "bound_pp": change - 3.1, "verdict": "inconclusive"})
    floors = [{"direction": direction, "base": 14.2, "base_prompted": 15.0, "s1": 12.5 + place,
               "xplus": 20.0 + place, "copy_source": 9.1 + place, "shuffled_refs": 11.0 - place,
               "delta": 0.3 if place == 1 else 9.0, "ci": [-1.0 if place == 1 else 8.0, 10.0]}
              for place, direction in enumerate(DIRECTIONS)]
    macro = {"delta": 0.0, "ci": [-1.9, 1.9], "p_ni": 0.03, "bound_pp": -1.6,
             "verdict": "maintained"}
    gain = {"delta": 7.3, "ci": [5.1, 9.4], "p_holm": 0.0006, "verdict": "better"}
    unclear = {"delta": 1.1, "ci": [-0.4, 2.5], "p_holm": 0.21, "verdict": "inconclusive"}
    groups = {"into_eng": {"chrf++": gain}, "out_of_eng": {"chrf++": unclear},
              "directions": {direction: {"chrf++": unclear if direction.startswith("eng") else gain}
                             for direction in DIRECTIONS}}
    return {
        "meta": {"scale": scale, "suite": scale, "level": "95 %", "primary_metric": "chrf++",
                 "contrasts": ["xplus-base", "xplus-base_prompted", "s1-base"],
                 "margin_macro_pp": 2.0, "margin_task_pp": 3.0,
                 "evidence": f"{scale}: small and honest, or nothing at all.",
                 "endpoints_sha256": "ab" * 32, "confirm": None,
                 "endpoints_say": "Fixed beforehand.", "endpoints_cover": ["margins", "tasks"],
                 "alpha": 0.05, "seed": 1, "resamples": 10000, "signatures": {}},
        "headline": {
            "xplus-base": {"system": "xplus", "baseline": "base", "translation": groups,
                           "reasoning": {"macro": macro, "logprob": None, "caveats": [], "tasks": {
                               row["task"]: row for row in reasoning}}},
            "xplus-base_prompted": {"system": "xplus", "baseline": "base_prompted",
                                   "translation": groups},
            "s1-base": {"system": "s1", "baseline": "base", "translation": groups}},
        "tables": [
            translated("xplus", "base", 7), translated("xplus", "base_prompted", 4),
            translated("s1", "base", 1),
            {"id": "t1_reasoning.xplus-base", "title": "Reasoning", "says": "Change by task.",
             "about": {"kind": "reasoning", "system": "xplus", "baseline": "base"},
             "cannot": "Reasoning in general.", "notes": [], "rows": reasoning,
             "columns": [column("task", "Task", "text"), column("n", "items", "int"),
                         column("baseline", "base", "percent", unit="%"),
                         column("system", "xplus", "percent", unit="%"), *delta,
                         column("b", "b", "int"), column("c", "c", "int"),
                         column("bound_pp", "bound", "float"), verdict]},
            {"id": "floors.chrf++", "title": "Floors", "says": "Scores that need no skill.",
             "about": {"kind": "floors", "system": "xplus", "metric": "chrf++",
                       "systems": ["xplus", "base", "base_prompted", "s1"]},
             "cannot": "How good a system can get.", "notes": [], "rows": floors,
             "columns": [column("direction", "Direction", "text"),
                         *(column(system, system, "float") for system in (
                             "base", "base_prompted", "s1", "xplus")),
                         column("copy_source", "Copied source", "float"),
                         column("shuffled_refs", "Shuffled references", "float")]},
            {"id": "t4_provenance", "title": "Pairing", "says": "What was matched.",
             "cannot": "Nothing more.", "notes": [], "about": {"kind": "provenance"},
             "columns": [column("what", "What", "text"), column("n", "n", "int")],
             "rows": [{"what": HOSTILE, "n": 3}]}],
        "curves": {"margin": {"xplus-base": {"system": "xplus", "baseline": "base",
            "margin_pp": [0.5, 1, 1.5, 2, 2.5, 3, 4, 5],
            "p_ni": [0.33, 0.16, 0.064, 0.03, 0.007, 0.001, 0.0002, 0.0001],
            "bound_pp": -1.6}}}}


def build(root: Path, scale: str = "desk") -> Path:
    """Write the files of a finished run below ``root`` and return it."""
    put(root / RUN / "significance.json", significance(scale))
    put(root / "params.yaml", {  # JSON is YAML; only what the report reads
        "scale": "desk", "suite": "kolibri", "layers": {"bottom": 4, "top": 15, "skip": []},
        "scales": {"desk": {
            "model": {"name": "SmolLM2", "depth": 30}, "limits": {
                f"Scale {scale}": "What it cannot show."}}}, "suites": {
            "kolibri": {"limits": {"Another domain": "Interface text."}, "examples": 4}}})
    put(root / "data/format/suite/stats.json", {
        "seen": 300, "kept": 300, "dropped": {}, "documents": 9,
        "by_lang": {"deu_Latn": {"seen": 100, "kept": 100, "dropped": {}},
                    "swh_Latn": {"seen": 200, "kept": 200, "dropped": {}}},
        "seen_in_training": {"deu_Latn, eng_Latn side": 3, "deu_Latn, deu_Latn side": 1}})
    stages: list[tuple[str, int, dict[str, int], dict[str, Any]]] = [
            ("format/corpus", 36000, {"too_short": 9100, "ratio": 1400, "letters": 600},
             {"test": {"seen": 900, "kept": 700, "dropped": {"markup": 200}, "by_lang": {
                 lang: {"kept": 233, "dropped": {}} for lang in LANGUAGES}}}),
            ("dedup", 24900, {"near_duplicate": 3100, "test_overlap": 12},
             {"recall": [{"method": "simhash", "edit": "one word replaced", "recall": 0.24},
                         {"method": "minhash", "edit": "one word replaced", "recall": 0.91}]}),
            ("langid", 21788, {"source": 640, "target": 1200},
             {"confusion": {"swh_Latn": {"swh_Latn": 180, "eng_Latn": 20},
                            "deu_Latn": {"deu_Latn": 199, "nld_Latn": 1}},
              "rule": {"default": "top", "swh_Latn": "known"}}),
            ("qe/score", 19948, {"not_scored": 9948}, {}),
            ("qe/select", 10000, {"below_cut": 4000}, {
                "by_lang": {lang: {"kept": 2000, "dropped": {}} for lang in LANGUAGES}})]
    for name, seen, dropped, more in stages:
        put(root / "data" / name / "stats.json", {
            "seen": seen, "kept": seen - sum(dropped.values()), "dropped": dropped, **more})
    put(root / "data/qe/score/auc.json", {"all": 0.84, "by_kind": {
        "truncated": 0.9, "shuffled": 0.78}, "by_lang": dict.fromkeys(LANGUAGES, 0.84),
        "note": "Held-out synthetic damage."})
    for stage, layers in (("train_s1", [0, 1, 2, 3]), ("train_s2", list(range(15, 30)))):
        put(root / "data" / stage / "config.json", {
            "layers": layers, "depth": 30, "trained_parameters": 3540096 * len(layers),
            "total_parameters": 134515008, "pairs": 6000, "tokens": 480000, "steps": 400,
            "lr": 5e-4, "dev_loss": {"before": 4.1, "after": 2.9 if stage[-1] == "1" else 2.2}})
        with open(root / "data" / stage / "loss.csv", "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["step", "loss", "lr"])
            draw = random.Random(stage)
            start = 4.2 if stage[-1] == "1" else 3.0
            table.writerows([step, start * step ** -0.08 + draw.gauss(0, 0.2), 1e-4]
                            for step in range(1, 401))
    draw = random.Random(7)
    for system in ("xplus", "base", "base_prompted", "s1"):
        folder = root / "data/eval_mt" / system
        put(folder / "meta.json", {"system": system, "scale": scale, "limit": 200,
                                   "test_set": "kolibri 0.19.5", "languages": LANGUAGES,
                                   "signature": SIGNATURE})
        with open(folder / "segments.jsonl", "w", encoding="utf-8") as out:
            for direction in sorted(DIRECTIONS):
                for number in range(12):
                    empty = draw.random() < 0.1
                    out.write(json.dumps({
                        "id": f"k:{number:02}", "cluster": "kolibri.core", "direction": direction,
                        "src": f"Tafadhali chagua somo la {number} kwenye kifaa hiki",
                        "ref": f"Please choose lesson {number} on this device",
                        "hyp": "" if empty else HOSTILE if number == 3 else
                        f"{system}: please select the lesson {number}", "hyp_lang": "eng_Latn",
                        "hyp_lang_p": 0.9, "off_target": {"top1": number % 5 == 0}, "empty": empty,
                        "copy": False, "truncated": False, "ref_hash": "0" * 16},
                        ensure_ascii=False) + "\n")
    for system in ("base", "xplus"):
        put(root / "data/eval_reason" / system / "meta.json", {
            "system": system, "scale": scale, "limit": 200, "tasks": {}, "signature": SIGNATURE})
    for stage, seconds in (("format", 12.5), ("train_s1", 310.0), ("train_s2", 402.1)):
        put(root / "data/runtime" / f"{stage}.json", {
            "stage": stage, "seconds": seconds, "peak_mib": 2100,
            "machine": "a processor, 2 cores"})
    return root


SIGNATURE = {"model": "data/download/model", "revision": "0f" * 32, "tokenizer": "ab" * 8,
             "template": "cd" * 8, "prompt": "ef" * 8, "decoding": "greedy, max_new_tokens=48",
             "dtype": "float32", "device": "cpu", "seed": 1,
             "versions": {"torch": "2.13.0", "transformers": "4.57.6"}}
