"""Arms at scale tiny, as DVC experiments in a clone of its own."""

import json
import shutil
import subprocess
import sys
import time
from io import StringIO

import pytest
from ruamel.yaml import YAML

from tests.test_tiny_run import Clone

pytestmark = pytest.mark.long

ASKS = {"question": "Is it?", "expects": "Yes.", "seeds": [1]}
FEW = {"train_s1.pairs": [0, 0.1], "train_s2.pairs": [0, 0.1]}  # training is not what is tested
JOINT = {"train_s1.layers": "none", "train_s2.layers": "both", **FEW}
ARMS = {
    "joint": {**ASKS, "set": JOINT, "screen": True},
    "reference": {**ASKS, "set": FEW},
    "pick": {**ASKS, "choose": {"of": ["joint"], "by": "highest"}, "seeds": [1, 2]},
    "later": {"question": "Is it?", "expects": "Yes.", "needs": "another model"}}
COMMAND = [sys.executable, "-m", "stages.experiments.arms"]


class Arms(Clone):
    @property
    def results(self):
        return self.folder / "reports/tiny/tiny/arms"

    def states(self):
        self.call(*COMMAND, "list")
        return {f"{row['arm']}-{row['seed']}": row["state"]
                for row in json.loads((self.results / "arms.json").read_text())}

    def interrupted(self, sign: str) -> None:
        """Run the arms; once a line with ``sign`` is printed, kill the command alone, as an
        out-of-memory killer would: what it had started has to go with it."""
        run = subprocess.Popen([*COMMAND, "run"], cwd=self.folder, text=True, env=self.environment,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in run.stdout:
            if sign in line:
                break
        else:
            raise AssertionError(f"{sign} was never printed")
        time.sleep(5)  # into the stage
        run.kill()
        run.stdout.read()  # ends when the last of its children has ended
        run.wait()


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    clone = Arms(tmp_path_factory.mktemp("arms") / "clone")
    file = clone.folder / "params.yaml"
    yaml, text = YAML(), StringIO()
    tree = yaml.load(file.read_text())
    tree.update(scale="tiny", suite="tiny", arms=ARMS)
    yaml.dump(tree, text)
    file.write_text(text.getvalue())
    clone.commit()
    clone.dvc("repro")
    clone.commit()
    clone.states()
    clone.commit()
    return clone


def test_an_uncommitted_change_is_refused(clone):
    file = clone.folder / "stages/eval_mt.py"
    text = file.read_text()
    file.write_text(text + "# a comment\n")
    assert "stages/eval_mt.py has uncommitted changes" in clone.call(*COMMAND, "run", ok=False)
    file.write_text(text)


def test_a_stopped_run_leaves_no_half_result_and_goes_on(clone):
    clone.interrupted("Running stage 'train_s2'")
    assert not list(clone.results.glob("*/*/result.json"))
    assert clone.call("git", "status", "--porcelain", "params.yaml") == ""
    assert set(clone.states().values()) == {
        "not run", "not run: waits for the arms it is chosen from",
        "not run: needs another model"}
    output = clone.call(*COMMAND, "run")
    ran = [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage '")]
    assert set(ran) <= {"train_s1", "train_s2", "eval_mt@xplus", "eval_reason@xplus"}
    # joint's stage 1 had finished; pick-1 has the weights of joint, and is tested with them.
    assert ran.count("train_s1") == ran.count("train_s2") - 1 == 2
    assert clone.states() == {"joint-1": "done", "reference-1": "done", "pick-1": "done",
                              "pick-2": "done", "later-None": "not run: needs another model"}
    rows = {path.parent.parent.name for path in clone.results.glob("*/*/items.jsonl.gz")}
    assert rows == {"reference", "pick"}  # a screened arm sees no test
    assert json.loads((clone.results / "pick/2/result.json").read_text())["set"] == {
        **JOINT, "train.seed": 2}
    weights = [json.loads((clone.results / arm / "1/result.json").read_text())["training"]
               for arm in ("joint", "pick")]
    assert weights[0] == weights[1]
    clone.commit()


def test_a_committed_result_is_done_without_weights_and_cache(clone, tmp_path):
    other = Arms.__new__(Arms)
    other.folder = tmp_path / "another machine"
    clone.call("git", "clone", "--quiet", ".", str(other.folder))
    assert not (other.folder / "data/train_s2").exists()
    assert other.states() == clone.states()


def test_changed_code_is_stale_until_checked(clone):
    with open(clone.folder / "stages/training/sft.py", "a") as file:
        file.write("# a comment\n")
    clone.commit()
    assert {state for name, state in clone.states().items() if name != "later-None"} == {"stale"}
    assert "equal bytes" in clone.call(*COMMAND, "check")
    assert {state for name, state in clone.states().items() if name != "later-None"} == {"done"}
    clone.commit()


def test_other_bytes_stay_stale(clone):
    file = clone.folder / "stages/training/sft.py"
    text = file.read_text()
    changed = text.replace('learning_rate=settings["lr"]', 'learning_rate=2 * settings["lr"]')
    assert changed != text
    file.write_text(changed)
    clone.commit()
    assert "gives other bytes" in clone.call(*COMMAND, "check", ok=False)
    assert clone.states()["reference-1"] == "stale"
    file.write_text(text)
    clone.commit()


def test_an_experiment_by_hand_gives_the_same_bytes(clone):
    kept = (clone.results / "joint/1").rename(clone.folder / "kept")
    for ref in clone.call("git", "for-each-ref", "--format=%(refname)", "refs/exps").split():
        clone.call("git", "update-ref", "-d", ref)
    clone.commit()
    clone.dvc("exp", "run", "--temp", "--force", "--single-item", "--name", "joint-1",
              "-S", "train_s1.layers=none", "-S", "train_s2.layers=both",
              "-S", "train_s1.pairs=[0,0.1]", "-S", "train_s2.pairs=[0,0.1]",
              "-S", "train.seed=1", "train_s1", "train_s2")  # forced: nothing from the run cache
    clone.call(*COMMAND, "collect", "joint", "1")
    before, after = (json.loads((folder / "result.json").read_text())
                     for folder in (kept, clone.results / "joint/1"))
    assert {key: before[key] for key in ("quick", "training", "read", "identity", "set")} == {
        key: after[key] for key in ("quick", "training", "read", "identity", "set")}
    shutil.rmtree(kept)
