#!/usr/bin/env bash
# Slurm from the packages of the system: slurmctld, slurmd, its commands and munge. Exit status 75: this machine cannot
# have it (the one line on stderr says why). The daemons are started by the test, in a folder of its own.
set -uo pipefail

give_up() {
  echo "evalkit-slurm: NOT SET UP: $*" >&2
  exit 75
}

have() {
  local tool
  for tool in slurmctld slurmd sbatch squeue scancel munged; do
    PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || return 1
  done
}

have && exit 0
[ "$(id -u)" = 0 ] || give_up "not root: install slurmctld, slurmd, slurm-client and munge yourself"
command -v apt-get >/dev/null || give_up "no apt-get: install slurmctld, slurmd, its commands and munge yourself"
log=$(mktemp)
# the package starts munge as a service where it can; the test has one of its own
{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
  slurmctld slurmd slurm-client munge; } >"$log" 2>&1 || give_up "apt-get: $(tail -1 "$log") (log: $log)"
have || give_up "the packages lack a command (log: $log)"
