#!/bin/bash
# Train on one or several nodes: sbatch --nodes=2 stages/launch/slurm.sh [arguments of dvc repro]
#
# First set machine.device: cuda, machine.launch: fsdp2 and machine.processes (of all nodes
# together) in params.yaml. On several nodes the stage calls srun itself; the repository must lie on
# a file system that all of them see. Five minutes ahead of its limit the job is sent TERM: the
# stage keeps a checkpoint, and the job is queued again and goes on from there.
#SBATCH --job-name=llamax2
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
source .venv/bin/activate
export PYTHONPATH=$PWD SHELL=/bin/bash
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=240 # seconds that torch leaves its processes after TERM

told=
set -m # what follows is a group of processes of its own
(trap '' TERM; exec python -m dvc repro "${@:-train_s2}") & # ended DVC would take the stage along
group=$!
trap 'told=1; kill -TERM -- -$group' TERM
wait $group; code=$?
if [ $told ]; then
  wait $group # the first wait ended with the signal
  exec scontrol requeue "$SLURM_JOB_ID"
fi
exit $code
