#!/usr/bin/env bash
# Takes a base backup of a PostgreSQL server while it is in use: base-backup.sh DSN FOLDER. Together with the archive of its
# write-ahead log since then, it can be restored to any moment; see restore-to.sh. Run it daily, keep a month of them, on another machine.
#
# The server archives its log with these settings (postgresql.conf), ARCHIVE being a folder on another machine:
#   archive_mode = on
#   archive_command = 'test ! -f ARCHIVE/%f && cp %p ARCHIVE/%f.part && mv ARCHIVE/%f.part ARCHIVE/%f'
#   archive_timeout = 60      # at most a minute is lost with the machine
set -euo pipefail
dsn=${1:?the DSN of the server, such as postgres://backup@db/postgres} folder=${2:?a new folder}
pg_basebackup --dbname="$dsn" --pgdata="$folder" --wal-method=stream --checkpoint=fast --manifest-checksums=SHA256
pg_verifybackup "$folder"
echo "base backup: $folder"
