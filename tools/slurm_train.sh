#!/bin/bash
# Trains under Slurm, and goes on where it was when the time of the job is up or the node is taken away:
#
#     sbatch --gres=gpu:1 --time=24:00:00 tools/slurm_train.sh configs/m2ir_5d.py [OPTIONS OF train.py]
#     sbatch --nodes=2 --ntasks-per-node=8 --gpus-per-node=8 --time=24:00:00 tools/slurm_train.sh CONFIG
#
# With several tasks each is a process of one training (--launcher slurm); one that dies ends the others.
# Two minutes before the end Slurm signals this script (B:), which tells the training; it writes a checkpoint and
# leaves with code 143, and the job is put back in the queue. Codes 2 (a mistake) and 3 (it diverged) are not tried
# again. Add your own #SBATCH lines or give them to sbatch.
#SBATCH --job-name=irbox
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append

program=("${PYTHON:-python}" "${IRBOX_TRAIN:-tools/train.py}" --resume auto)
signal=TERM
if [ "${SLURM_NTASKS:-1}" -gt 1 ]; then
    # srun takes SIGTERM as an order to kill, and hands SIGUSR1 on.
    signal=USR1
    program=(srun --kill-on-bad-exit=1 "${program[@]}" --launcher slurm)
fi

told=0
trap 'told=1; kill -"$signal" "$child" 2>/dev/null' TERM USR1

"${program[@]}" "$@" &
child=$!
wait "$child"
code=$?
# A signal ends the wait, not the training.
while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    code=$?
done

if [ "$code" -eq 143 ] || { [ "$told" -eq 1 ] && [ "$code" -gt 3 ]; }; then
    # Of an array only this task: the job number of one of them is that of all.
    job=$SLURM_JOB_ID
    if [ -n "$SLURM_ARRAY_TASK_ID" ]; then
        job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
    fi
    # Where that fails the checkpoint is there, and the code tells who looks.
    scontrol requeue "$job" || echo "The job could not be put back: start it again by hand." >&2
fi
exit "$code"
