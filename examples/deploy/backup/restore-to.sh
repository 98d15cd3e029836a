#!/usr/bin/env bash
# Creates a data folder from a base backup and the WAL archive: restore-to.sh FOLDER ARCHIVE DATA [TIME]. TIME, such as
# "2026-11-23 18:05:00+00", is the point in time to restore; the default is the end of the archive. Run it as the user
# postgres. Then:
#   start PostgreSQL on DATA (it replays the WAL and then accepts writes)
#   spendwise new-epoch --database DSN    makes every device sync from the start; their versions of the lost time are invalid
#   spendwise verify --database DSN       checks every ledger for consistency
#   start the SpendWise servers
set -euo pipefail
folder=${1:?the base backup} archive=${2:?the WAL archive} data=${3:?the folder to create} time=${4:-}
[ ! -e "$data" ] || { echo "$data exists already; choose a new folder" >&2; exit 1; }
pg_verifybackup "$folder"
cp -a "$folder" "$data"
chmod 700 "$data"
touch "$data/recovery.signal"
{
  echo "restore_command = 'cp \"$archive/%f\" \"%p\"'"
  echo "archive_mode = off"
  if [ -n "$time" ]; then
    echo "recovery_target_time = '$time'"
    echo "recovery_target_action = promote"
  fi
} >> "$data/postgresql.auto.conf"
echo "restored: $data"
