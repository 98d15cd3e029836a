#!/usr/bin/env bash
# Dumps one database of a running PostgreSQL server: dump.sh DSN FILE. Newer PostgreSQL versions can read the dump. To
# restore it:
#   pg_restore --dbname=DSN --exit-on-error FILE     into a new, empty database
#   spendwise new-epoch --database DSN               every device syncs from the start
#   spendwise verify --database DSN
set -euo pipefail
dsn=${1:?the DSN of the database} file=${2:?the file to create}
[ ! -e "$file" ] || { echo "$file exists already; choose a new file" >&2; exit 1; }
umask 077
pg_dump --dbname="$dsn" --format=custom --no-owner --file="$file.part"
pg_restore --list "$file.part" > /dev/null
mv -n "$file.part" "$file"
echo "dump: $file"
