"""Start a training stage once more, in several processes, where ``machine.launch`` says so.

single   this process
ddp      each process holds the whole model; gradients are averaged
fsdp2    parameters, gradients and moments are spread over the processes

The stage starts `accelerate launch` with stages/launch/processes.yaml and waits; the processes run
the same stage with the same arguments and find ``WORLD_SIZE`` set. Inside a Slurm job of several
nodes one launcher is started a node, through srun.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..common.command import die_with_parent
from ..common.errors import BAD_CONFIG, IO_FAILED, UserError

INTERRUPTED = 75  # sysexits.h: EX_TEMPFAIL; the same command goes on from a checkpoint
FILE = Path(__file__).parent / "processes.yaml"
PORT = 29500  # of the first node; a single machine takes a free one


def refuse(machine: dict[str, Any], nodes: int) -> None:
    """Raise UserError where the way of starting does not fit the machine."""
    launch, processes = machine["launch"], machine["processes"]
    if launch not in ("single", "ddp", "fsdp2"):
        raise UserError(f"params.yaml: machine.launch: {launch!r} is not single, ddp or fsdp2",
                        BAD_CONFIG)
    if launch == "single" and processes > 1:
        raise UserError(f"params.yaml: machine.launch is single, but machine.processes is "
                        f"{processes}. Write launch: fsdp2, or processes: 1", BAD_CONFIG)
    if launch != "single" and (processes < 2 or processes % nodes):
        raise UserError(f"params.yaml: machine.launch is {launch}, but machine.processes is "
                        f"{processes} on {nodes} node(s). Write a multiple of the nodes, one a "
                        "GPU, or launch: single", BAD_CONFIG)
    if machine["device"] != "cpu":
        import torch

        if (found := torch.cuda.device_count()) < processes // nodes:
            raise UserError(f"params.yaml: machine.processes asks for {processes // nodes} GPUs a "
                            f"node, this one has {found}. Write processes: {found * nodes}, or "
                            "device: cpu", BAD_CONFIG)


def command(machine: dict[str, Any], module: str, arguments: list[str], nodes: int) -> list[str]:
    """The command that starts all processes."""
    start = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(FILE),
             "--num_processes", str(machine["processes"]), "--num_machines", str(nodes)]
    stage = ["-m", module, *arguments]
    if nodes == 1:
        return [*start, "--main_process_port", "0", *stage]
    hosts = subprocess.run(["scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]],
                           capture_output=True, text=True, check=True).stdout.split()
    start += ["--main_process_ip", hosts[0], "--main_process_port", str(PORT), "--machine_rank"]
    return ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1",
            "--kill-on-bad-exit=1", "bash", "-c",
            f'exec {shlex.join(start)} "$SLURM_PROCID" {shlex.join(stage)}']


def elsewhere(module: str, argv: list[str] | None, machine: dict[str, Any]) -> bool:
    """Run the stage in processes of its own and return True, or False where this is one of them.

    SIGTERM is passed on, so that they keep a checkpoint; then UserError is raised with the code
    75. Raises UserError too where they fail, or where ``machine`` cannot start them.
    """
    if signal.getsignal(signal.SIGTERM) == signal.SIG_IGN:  # as slurm.sh has DVC ignore it
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if "WORLD_SIZE" in os.environ:
        return False
    nodes = int(os.environ.get("SLURM_JOB_NUM_NODES", "1"))
    refuse(machine, nodes)
    if machine["launch"] == "single":
        return False
    arguments = sys.argv[1:] if argv is None else argv
    told = []
    process = subprocess.Popen(command(machine, module, arguments, nodes),
                               preexec_fn=die_with_parent)

    def tell(*_: object) -> None:
        told.append(True)
        process.terminate()

    before = signal.signal(signal.SIGTERM, tell)
    code = process.wait()
    signal.signal(signal.SIGTERM, before)
    if told and code:
        raise UserError("stopped by SIGTERM. Run the same command again to go on from the newest "
                        "checkpoint", INTERRUPTED)
    if code:
        raise UserError(f"the launcher ended with {code}; what stopped it is above", IO_FAILED)
    return True
