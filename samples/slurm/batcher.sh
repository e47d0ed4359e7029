#!/bin/bash
# A list in 8 shards, one for each task of an array: sbatch samples/slurm/batcher.sh
#
# Each task works on its shard in keys.txt.run, beside the list. That folder must be on a local disk, which all tasks see
# because they run on one node: name it in --nodelist. The keys come from ~/.huaweicloud/credentials, or from the environment of
# the user who submits. Change the lines with the list, the workflow and the bucket.
#
# To run some of the tasks once more, submit all of them: those that are finished end at once.
#
#SBATCH --job-name=batcher
#SBATCH --array=0-7
#SBATCH --nodelist=node01
#SBATCH --cpus-per-task=1
#SBATCH --mem=512M
#SBATCH --time=12:00:00
# A task whose node fails or that is preempted is submitted again, and continues its shard.
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=batcher-%A_%a.log
# Two minutes before its time is over, the run is asked to finish its requests on the wire.
#SBATCH --signal=B:TERM@120
set -euo pipefail

# The number of shards is pinned by the first task: a later array has the same number of tasks.
export BATCHER_SHARDS="$SLURM_ARRAY_TASK_COUNT"

export OBS_ENDPOINT="${OBS_ENDPOINT:-https://obs.cn-north-4.myhuaweicloud.com}"

# exec: the signals of Slurm reach batcher itself.
exec batcher run keys.txt --workflow transcode --bucket my-videos --progress line
