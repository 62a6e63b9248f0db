#!/bin/bash
# Trains under Slurm, and goes on where it was when the time of the job is up or the node is taken away:
#
#     sbatch --gres=gpu:1 --time=24:00:00 tools/slurm_train.sh configs/m2ir_5d.py [OPTIONS OF train.py]
#
# Two minutes before the end Slurm signals this script (B:), which tells the training; it writes a checkpoint and
# leaves with code 143, and the job is put back in the queue. Codes 2 (a mistake) and 3 (it diverged) are not tried
# again. Add your own #SBATCH lines or give them to sbatch.
#SBATCH --job-name=irbox
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append

told=0
trap 'told=1; kill -TERM "$child" 2>/dev/null' TERM USR1

"${PYTHON:-python}" "${IRBOX_TRAIN:-tools/train.py}" --resume auto "$@" &
child=$!
wait "$child"
code=$?
# A signal ends the wait, not the training.
while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    code=$?
done

if [ "$code" -eq 143 ] || { [ "$told" -eq 1 ] && [ "$code" -gt 3 ]; }; then
    # Where that fails the checkpoint is there, and the code tells who looks.
    scontrol requeue "$SLURM_JOB_ID" || echo "The job could not be put back: start it again by hand." >&2
fi
exit "$code"
