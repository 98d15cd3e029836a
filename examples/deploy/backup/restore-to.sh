#!/usr/bin/env bash
# Makes a data folder out of a base backup and the archive: restore-to.sh FOLDER ARCHIVE DATA [TIME]. TIME, such as
# "2026-11-23 18:05:00+00", is the moment to go back to; without it, as far as the archive goes. Run it as the server's user. Then:
#   start a server on DATA (it replays the log, and opens for writing when it is there)
#   spendwise new-epoch --database DSN    every device syncs from the start, so that none takes the lost time for the future
#   spendwise verify --database DSN       every ledger keeps what it promises
#   start the servers
set -euo pipefail
folder=${1:?the base backup} archive=${2:?the archive of the log} data=${3:?a new folder} time=${4:-}
[ ! -e "$data" ] || { echo "$data is there already: name a new folder" >&2; exit 1; }
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
