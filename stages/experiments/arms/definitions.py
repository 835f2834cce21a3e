"""The arms of ``params.yaml: arms``, written out one by one and checked before any work.

An arm is a named set of parameter overrides with its question and what is expected. ``like`` takes
another arm's overrides first, ``each`` makes an arm of every entry, ``choose`` waits for screened
arms and takes the overrides of one of them, ``needs`` says why an arm cannot run yet, and ``flip``
is a dose that needs no run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...common.errors import BAD_CONFIG, UserError
from ...common.hashes import of_json
from ...common.layer_choice import impossible, impossible_stage
from ...rows.results import PLAIN
from . import pipeline
from .pipeline import Graph, Tree

FIELDS = {"question", "expects", "set", "like", "each", "seeds", "screen", "choose", "needs",
          "flip"}
REFERENCE = "reference"
SEED = "train.seed"


class Choice(NamedTuple):
    """Which of the screened arms ``of``: the one that gains most on dev, or the next ones
    (highest), or the one whose gain is nearest to that of ``to``; ``place`` counts from 1."""

    of: list[str]
    by: str
    to: str | None
    place: int


class Arm(NamedTuple):
    """One arm. ``set`` {dotted key: value} without that of ``choose``, which is found later."""

    name: str
    question: str
    expects: str
    set: dict[str, Any]
    seeds: list[int]
    screen: bool
    choose: Choice | None
    needs: str | None
    flip: list[float]


def wrong(name: str, why: str) -> UserError:
    return UserError(f"params.yaml: arms.{name}: {why}", BAD_CONFIG)


def read(block: Mapping[str, Any]) -> dict[str, Arm]:
    """The arms by name, in the order of the block, ``each`` written out. Raises UserError."""
    found: dict[str, Arm] = {}
    for name, about in block.items():
        if unknown := sorted(set(about) - FIELDS):
            raise wrong(name, f"{unknown} is not among {', '.join(sorted(FIELDS))}")
        if missing := [key for key in ("question", "expects") if not about.get(key)]:
            raise wrong(name, f"{missing[0]} is missing. Write it before the arm runs")
        like = about.get("like")
        if like is not None and like not in found:
            raise wrong(name, f"like: {like!r} is no arm above it")
        choose, own = found[like].choose if like else None, dict(found[like].set if like else {})
        own |= about.get("set") or {}
        if by := about.get("choose"):
            choose = Choice(list(by["of"]), by["by"], by.get("to"), 1)
            if choose.by not in ("highest", "nearest") or (choose.by == "nearest") != bool(
                    choose.to):
                raise wrong(name, "choose: by is highest, or nearest with `to`")
            if gone := [one for one in [*choose.of, *([choose.to] if choose.to else [])]
                        if one not in found]:
                raise wrong(name, f"choose: {gone} is no arm above it")
        for entry, more in (about.get("each") or {"": {}}).items():
            arm = f"{name}_{entry}" if entry else name
            if not PLAIN.fullmatch(arm) or arm in found:
                raise wrong(name, f"{arm!r} is taken, or not of letters, digits, '.', '_', '+' "
                            "and '-'. Rename it")
            found[arm] = Arm(
                arm, " ".join(about["question"].split()), " ".join(about["expects"].split()),
                own if isinstance(more, int) else own | more, list(about.get("seeds") or []),
                bool(about.get("screen", False)),
                choose._replace(place=more) if choose and isinstance(more, int) else choose,
                " ".join(about["needs"].split()) if about.get("needs") else None,
                list(about.get("flip") or []))
    return found


def resolved(arm: Arm, arms: Mapping[str, Arm], gains: Mapping[str, float]) -> Arm | None:
    """The arm with the overrides that ``choose`` takes; None while screened arms are missing.

    ``gains``: dev gain of every arm that has one (mean over its seeds).
    """
    if arm.choose is None:
        return arm
    wanted = [*arm.choose.of, *([arm.choose.to] if arm.choose.to else [])]
    if any(name not in gains for name in wanted):
        return None
    aim = gains[arm.choose.to] if arm.choose.to else float("inf")
    ranked = sorted(arm.choose.of, key=lambda name: (
        abs(gains[name] - aim) if arm.choose and arm.choose.to else -gains[name], name))
    if arm.choose.place > len(ranked):
        raise wrong(arm.name, f"choose: there are {len(ranked)} arms to choose from")
    return arm._replace(set=arms[ranked[arm.choose.place - 1]].set | arm.set, choose=None)


def refuse(arms: Mapping[str, Arm], targets: Sequence[str], graph: Graph, tree: Tree) -> None:
    """Raise UserError for an arm that cannot mean what it says, before any work.

    Refused: an unknown key, a key that training and scoring do not read, a choice of layers that
    the model does not have, two arms with the same settings.
    """
    reads = [key for stage in pipeline.above(targets, graph)
             for key in stage.params.get(str(pipeline.FILE), [])]
    seen: dict[str, str] = {}
    for arm in arms.values():
        if arm.needs or arm.flip:
            continue
        if not arm.seeds:
            raise wrong(arm.name, "seeds: name at least one")
        for key in (SEED, *arm.set):
            try:
                pipeline.at(tree, key)
            except KeyError:
                raise wrong(arm.name, f"set: params.yaml has no key {key!r}") from None
            if not any(pipeline.within(key.replace(".", "/"), one.replace(".", "/"))
                       or pipeline.within(one.replace(".", "/"), key.replace(".", "/"))
                       for one in reads):
                raise wrong(arm.name, f"set: no stage that trains or scores reads {key!r} at scale "
                            f"{tree['scale']}, suite {tree['suite']}")
        made = pipeline.changed(tree, arm.set)
        model = made["scales"][made["scale"]]["model"]
        layers = made["layers"]
        why = impossible(layers["bottom"], layers["top"], layers["skip"], model["depth"])
        for stage in ("train_s1", "train_s2"):
            why = why or impossible_stage(stage, made[stage], made["train"]["method"],
                                          model["depth"])
        if why:
            raise wrong(arm.name, f"set: {why} ({model['name']})")
        same = of_json([arm.screen, arm.choose, sorted(
            pipeline.signatures(targets, graph, made).items())])
        if same in seen:
            raise wrong(arm.name, f"has the same settings as {seen[same]}. Take one of them out")
        seen[same] = arm.name
