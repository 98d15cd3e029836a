#!/usr/bin/env bash
# Takes a logical backup of one database while it is in use, one that also a newer PostgreSQL reads: dump.sh DSN FILE. To restore it:
#   pg_restore --dbname=DSN --exit-on-error FILE     into a new, empty database
#   spendwise new-epoch --database DSN               every device syncs from the start
#   spendwise verify --database DSN
set -euo pipefail
dsn=${1:?the DSN of the database} file=${2:?a new file}
[ ! -e "$file" ] || { echo "$file is there already: name a new file" >&2; exit 1; }
umask 077
pg_dump --dbname="$dsn" --format=custom --no-owner --file="$file.part"
pg_restore --list "$file.part" > /dev/null
mv -n "$file.part" "$file"
echo "dump: $file"
