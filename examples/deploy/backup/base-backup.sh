#!/usr/bin/env bash
# Takes a base backup of a running PostgreSQL server: base-backup.sh DSN FOLDER. With the archived write-ahead log (WAL)
# since then, it can be restored to any point in time; see restore-to.sh. Run it daily and keep the backups of a month on
# another machine.
#
# These settings in postgresql.conf archive the WAL. ARCHIVE is a folder on another machine:
#   archive_mode = on
#   archive_command = 'test ! -f ARCHIVE/%f && cp %p ARCHIVE/%f.part && mv ARCHIVE/%f.part ARCHIVE/%f'
#   archive_timeout = 60      # if the machine is lost, at most one minute of writes is lost
set -euo pipefail
dsn=${1:?the DSN of the server, such as postgres://backup@db/postgres} folder=${2:?the folder to create}
pg_basebackup --dbname="$dsn" --pgdata="$folder" --wal-method=stream --checkpoint=fast --manifest-checksums=SHA256
pg_verifybackup "$folder"
echo "base backup: $folder"
