"""Published COMET metrics: which ones, where from, on what terms, and how they are opened.

comet's own ``download_model`` takes no revision and turns every failure into a KeyError; its
loader leaves what a checkpoint lacks at random values and asks the hub for the newest encoder. So
metric and encoder are fetched here at pinned revisions, hashed, and opened from one folder:

    hparams.yaml, checkpoints/model.ckpt    the metric
    encoder/                                config and tokenizer of its encoder
    metric.json                             name, revision and SHA-256 of each file, written last
"""

from __future__ import annotations

import inspect
import json
import pickle
from pathlib import Path
from typing import Any, NamedTuple

from ..common import jsonl
from ..common.errors import BAD_CONFIG, IO_FAILED, UserError
from ..common.hashes import file_sha256

CHECKPOINT, HPARAMS, MANIFEST = "checkpoints/model.ckpt", "hparams.yaml", "metric.json"
ENCODER_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json",
                 "sentencepiece.bpe.model", "special_tokens_map.json")


class Metric(NamedTuple):
    """A published metric. Revisions come from public code that used them; none was seen online."""

    hub: str
    revision: str
    sha256: str | None  # of its checkpoint; None: not published, so hashed on first fetch
    encoder: str
    encoder_revision: str
    licence: str
    gated: bool  # terms have to be accepted on its page first
    references: bool
    family: str  # whose judgements and filters it shares


XLMR = ("xlm-roberta-large", "c23d21b0620b635a76227c604d44e43a9f0ee389")
METRICS = {
    "xcomet-xl": Metric(
        "Unbabel/XCOMET-XL", "6a123c5e8e6dccab25e5fcffa3c8b417abadb462", None,
        "facebook/xlm-roberta-xl", "aa5d120255845efeebc9b7f42822a1dd0f9ece9d",
        "CC-BY-NC-SA-4.0", True, True, "comet"),
    "xcomet-xxl": Metric(
        "Unbabel/XCOMET-XXL", "873bac1b1c461e410c4a6e379f6790d3d1c7c214",
        "e760e1f568af69b7a1bf7aeb46d8f3be21f01be7cbda480f8225ee81eb0af27a",
        "facebook/xlm-roberta-xxl", "03e0fb540c3c9afd4bdda0072e7cb82d2eafd060",
        "CC-BY-NC-SA-4.0", True, True, "comet"),
    "wmt22-comet-da": Metric(
        "Unbabel/wmt22-comet-da", "2760a223ac957f30acfb18c8aa649b01cf1d75f2",
        "e213091cde220f97b89f8bdfa750c458cfea741ad62affb455b59900210ff2af",
        *XLMR, "Apache-2.0", False, True, "comet"),
    "wmt22-cometkiwi-da": Metric(
        "Unbabel/wmt22-cometkiwi-da", "1ad785194e391eebc6c53e2d0776cada8f83179a",
        "4f357aa38b0737dcd502f166238c99711ff3419d7b5c8cdf9cde08525a8e7858",
        "microsoft/infoxlm-large", "d616d637f0720deda963cebbfc630657d2b7d3ae",
        "CC-BY-NC-SA-4.0", True, False, "comet"),
}
# FLORES codes of the languages that XLM-R was trained on (list in COMET's README: others get
# "unreliable" scores). Latin, Breton and Frisian have no FLORES set.
LANGUAGES = """
afr_Latn als_Latn amh_Ethi arb_Arab asm_Beng azj_Latn bel_Cyrl ben_Beng bos_Latn bul_Cyrl cat_Latn
ces_Latn cym_Latn dan_Latn deu_Latn ell_Grek eng_Latn epo_Latn est_Latn eus_Latn fin_Latn fra_Latn
gaz_Latn gla_Latn gle_Latn glg_Latn guj_Gujr hau_Latn heb_Hebr hin_Deva hrv_Latn hun_Latn hye_Armn
ind_Latn isl_Latn ita_Latn jav_Latn jpn_Jpan kan_Knda kat_Geor kaz_Cyrl khk_Cyrl khm_Khmr kir_Cyrl
kmr_Latn kor_Hang lao_Laoo lit_Latn lvs_Latn mal_Mlym mar_Deva mkd_Cyrl mya_Mymr nld_Latn nob_Latn
npi_Deva ory_Orya pan_Guru pbt_Arab pes_Arab plt_Latn pol_Latn por_Latn ron_Latn rus_Cyrl san_Deva
sin_Sinh slk_Latn slv_Latn snd_Arab som_Latn spa_Latn srp_Cyrl sun_Latn swe_Latn swh_Latn tam_Taml
tel_Telu tgl_Latn tha_Thai tur_Latn uig_Arab ukr_Cyrl urd_Arab uzn_Latn vie_Latn xho_Latn ydd_Hebr
zho_Hans zho_Hant zsm_Latn"""
KNOWN = frozenset(LANGUAGES.split())


def described(metric: str) -> Metric:
    """The table's entry of a metric."""
    if metric not in METRICS:
        raise UserError(f"params.yaml: metric {metric!r} is not one of {', '.join(METRICS)}",
                        BAD_CONFIG)
    return METRICS[metric]


def snapshot(repo: str, revision: str, folder: Path, files: tuple[str, ...]) -> None:
    """Fetch some files of a pinned revision. Raises UserError that says what to do."""
    from huggingface_hub import errors, snapshot_download

    try:
        snapshot_download(repo, revision=revision, local_dir=folder, allow_patterns=list(files))
    except errors.GatedRepoError as error:  # before its parents
        raise UserError(f"{repo} is gated: accept its terms at https://huggingface.co/{repo}, then "
                        "set HF_TOKEN to a token that may read gated repositories",
                        BAD_CONFIG) from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{repo} has no revision {revision}. Mend stages/comet/checkpoints.py",
                        BAD_CONFIG) from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(f"{repo} is not there or not for you: without HF_TOKEN a gated repository "
                        f"looks the same. See https://huggingface.co/{repo}",
                        BAD_CONFIG) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise UserError(f"{repo} could not be reached. Connect, unset HF_HUB_OFFLINE, and run "
                        "again", IO_FAILED) from error
    except errors.HfHubHTTPError as error:
        raise UserError(f"{repo}: {' '.join(str(error).split())[:200]}. Run again; what was "
                        "fetched is kept", IO_FAILED) from error


def write_manifest(metric: str, revision: str, folder: Path) -> None:
    """Hash what lies in the folder. Raises UserError where a file is missing."""
    for name in (HPARAMS, CHECKPOINT, "encoder/config.json"):
        if not (folder / name).is_file():
            raise UserError(f"{folder} lacks {name}: the fetch stopped half-way. Run it again",
                            IO_FAILED)
    files = sorted(path for path in folder.rglob("*") if path.is_file()
                   and ".cache" not in path.parts and path.name != MANIFEST)
    jsonl.write_json(folder / MANIFEST, {
        "metric": metric, "revision": revision,
        "files": {str(path.relative_to(folder)): file_sha256(path) for path in files}})


def fetch(metric: str, folder: Path) -> None:
    """Put a metric and what belongs to its encoder into ``folder``, at the pinned revisions."""
    wanted = described(metric)
    snapshot(wanted.hub, wanted.revision, folder, (HPARAMS, CHECKPOINT, "LICENSE*"))
    snapshot(wanted.encoder, wanted.encoder_revision, folder / "encoder", ENCODER_FILES)
    write_manifest(metric, wanted.revision, folder)
    verify(metric, folder)


def verify(metric: str, folder: Path) -> dict[str, Any]:
    """The manifest of a folder whose files are all there, unchanged, and of this metric."""
    if not (folder / MANIFEST).is_file():
        raise UserError(f"{folder} holds no complete metric ({MANIFEST} is written last). Fetch "
                        f"{metric} again", IO_FAILED)
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    if manifest["metric"] != metric:
        raise UserError(f"{folder} holds {manifest['metric']}, not {metric}", BAD_CONFIG)
    for name, wanted in manifest["files"].items():
        if not (folder / name).is_file() or file_sha256(folder / name) != wanted:
            raise UserError(f"{folder / name} is missing or was changed. Fetch {metric} again",
                            IO_FAILED)
    known, pinned = described(metric), manifest["revision"] == METRICS[metric].revision
    if pinned and known.sha256 not in (None, manifest["files"][CHECKPOINT]):
        raise UserError(f"{folder / CHECKPOINT} is not the published {metric}: its SHA-256 is "
                        f"{manifest['files'][CHECKPOINT][:12]}, not {known.sha256[:12]}",  # type: ignore[index]
                        IO_FAILED)
    return manifest


def load(metric: str, folder: Path) -> Any:
    """The comet model in ``folder``, in evaluation mode and float32, with every weight its own.

    A checkpoint is a pickle. It is opened as plain tensors, unless its SHA-256 is the pinned one.
    """
    import torch
    from comet.models import str2model
    from ruamel.yaml import YAML

    manifest = verify(metric, folder)
    known = manifest["files"][CHECKPOINT] == described(metric).sha256
    try:
        saved = torch.load(folder / CHECKPOINT, map_location="cpu", mmap=True,
                           weights_only=not known)
    except pickle.UnpicklingError as error:
        raise UserError(f"{folder / CHECKPOINT} holds more than tensors, and its SHA-256 "
                        f"{manifest['files'][CHECKPOINT]} is not known. If it is the published "
                        "one, put that into stages/comet/checkpoints.py", BAD_CONFIG) from error
    hparams = YAML(typ="safe").load((folder / HPARAMS).read_text(encoding="utf-8"))
    kind = str2model[hparams["class_identifier"]]
    options = dict(saved["hyper_parameters"])
    if hparams.get("layer_transformation") == "sparsemax_patch":  # as comet's own loader
        options["layer_transformation"] = "softmax"
    options |= {"pretrained_model": str(folder / "encoder"), "load_pretrained_weights": False,
                "local_files_only": True}
    allowed = inspect.signature(kind.__init__).parameters
    model = kind(**{name: value for name, value in options.items() if name in allowed})
    missing = model.load_state_dict(saved["state_dict"], strict=False).missing_keys
    if missing:
        raise UserError(f"{folder / CHECKPOINT} lacks {len(missing)} weights, such as "
                        f"{missing[0]}. Fetch {metric} again", IO_FAILED)
    return model.eval()


def random_metric(metric: str, kind: str, encoder: Path, out: Path, **options: Any) -> None:
    """A metric of a true comet class (``kind`` is its class_identifier) with random weights, in
    the form that ``fetch`` gives. For the scale tiny: its scores mean nothing."""
    import shutil

    import torch
    from comet.models import str2model
    from ruamel.yaml import YAML

    torch.manual_seed(0)
    shutil.copytree(encoder, out / "encoder", ignore=shutil.ignore_patterns("*.safetensors"))
    model = str2model[kind](pretrained_model=str(out / "encoder"), load_pretrained_weights=False,
                            local_files_only=True, layer_norm=False, hidden_sizes=[16], **options)
    hparams = dict(model.hparams) | {"class_identifier": kind}
    with jsonl.open_atomic(out / CHECKPOINT, "wb") as file:
        torch.save({"state_dict": model.state_dict(), "hyper_parameters": hparams,
                    "pytorch-lightning_version": "2.0.0"}, file)
    with jsonl.open_atomic(out / HPARAMS) as file:
        YAML(typ="safe").dump(hparams, file)
    write_manifest(metric, "random weights", out)


def published(metrics: list[str], out: Path) -> None:
    """Fetch metrics side by side, each into the folder of its name."""
    for metric in metrics:
        fetch(metric, out / metric)


def tiny(texts: list[str], out: Path) -> None:
    """An XCOMET and a metric of the class of wmt22-comet-da: random weights on a random encoder
    whose vocabulary is that of ``texts``."""
    import tempfile

    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    core = Tokenizer(models.WordLevel(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.train_from_iterator(sorted(texts), trainers.WordLevelTrainer(
        vocab_size=500, special_tokens=special, show_progress=False))
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer = XLMRobertaTokenizerFast(
        tokenizer_object=core, bos_token="<s>", pad_token="<pad>", eos_token="</s>",
        unk_token="<unk>", cls_token="<s>", sep_token="</s>", mask_token="<mask>")
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        encoder = Path(folder)
        XLMRobertaModel(XLMRobertaConfig(
            vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=64, type_vocab_size=1, max_position_embeddings=258),
            add_pooling_layer=False).save_pretrained(encoder)
        tokenizer.save_pretrained(encoder)
        random_metric("xcomet-xl", "xcomet_metric", encoder, out / "xcomet-xl",
                      encoder_model="XLM-RoBERTa-XL", word_layer=2, sent_layer="mix")
        random_metric("wmt22-comet-da", "regression_metric", encoder, out / "wmt22-comet-da",
                      encoder_model="XLM-RoBERTa", pool="avg")
