"""What a copy between two stores does, step by step: POSIX shell around rclone.

Every script finds its stores as `source:` and `target:` and shares the folder `WORK` with the others. A manifest has
a line for each object: its size, a semicolon, its path. Its name is the second in which the objects of the cluster's
store were listed, and the build whose store that was.
"""

LIST = """\
set -eu
fail() { echo "$1" >&2; exit 1; }
names() {
  status=0
  rclone lsf --files-only "$1" > "$WORK/names" 2> "$WORK/problem" || status=$?
  # A folder without objects does not exist.
  if [ "$status" -eq 3 ]; then : > "$WORK/names"; elif [ "$status" -ne 0 ]; then cat "$WORK/problem" >&2; exit 1; fi
  sort "$WORK/names"
}
if [ -n "$SOURCE_MANIFESTS" ]; then
  names "source:$SOURCE_MANIFESTS" > "$WORK/complete"
  name="$(tail -n 1 "$WORK/complete")"
  [ -n "$name" ] || fail "there is no complete copy at source:$SOURCE_MANIFESTS"
  rclone cat "source:$SOURCE_MANIFESTS/$name" > "$WORK/manifest"
else
  name="$(date -u +%s)-$BUILD"
  rclone lsf --recursive --files-only --format sp --separator ";" "source:$SOURCE" > "$WORK/listed"
  if [ -n "$PASSING" ]; then
    grep -v -E "^[0-9]+;$PASSING\\$" "$WORK/listed" > "$WORK/manifest" || [ $? -eq 1 ]
  else
    cp "$WORK/listed" "$WORK/manifest"
  fi
fi
[ -s "$WORK/manifest" ] || fail "source:$SOURCE is empty: an empty store is not copied"
for pattern in "$@"; do
  grep -q -E "^[0-9]+;$pattern\\$" "$WORK/manifest" || fail "source:$SOURCE has no complete backup: nothing is $pattern"
done
if [ -n "$TARGET_MANIFESTS" ]; then
  names "target:$TARGET_MANIFESTS" > "$WORK/before"
  newest="$(tail -n 1 "$WORK/before")"
  if [ -n "$newest" ] && [ "${newest##*-}" -gt "${BUILD##*-}" ]; then
    fail "$newest is complete at the target: a newer build than $BUILD writes there"
  fi
fi
echo "$name" > "$WORK/name"
cut -d ';' -f 2- "$WORK/manifest" > "$WORK/paths"
"""
"""What is to be copied: the objects that exist now, or what the newest manifest says of a store that is a copy itself.

Arguments are the patterns of objects that name others. An empty source is never copied, nor one without any backup.
A target that a newer build of a cluster writes to is left alone.
"""

COPY = """\
set -eu
copy() {
  cut -d ';' -f 2- "$1" > "$WORK/turn"
  [ ! -s "$WORK/turn" ] ||
    rclone copy --immutable --checksum --files-from-raw "$WORK/turn" "source:$SOURCE" "target:$TARGET"
}
cp "$WORK/manifest" "$WORK/first"
for pattern in "$@"; do
  grep -v -E "^[0-9]+;$pattern\\$" "$WORK/first" > "$WORK/others" || [ $? -eq 1 ]
  mv "$WORK/others" "$WORK/first"
done
copy "$WORK/first"
for pattern in "$@"; do
  grep -E "^[0-9]+;$pattern\\$" "$WORK/manifest" > "$WORK/pointers"
  copy "$WORK/pointers"
done
"""
"""Adds what is missing; never deletes or overwrites. Objects that name others come last, in the order of writing."""

VERIFY = """\
set -eu
rclone check --one-way --files-from-raw "$WORK/paths" "source:$SOURCE" "target:$TARGET"
rclone lsf --recursive --files-only --format sp --separator ";" --files-from-raw "$WORK/paths" "target:$TARGET" \\
  > "$WORK/there"
sort "$WORK/manifest" > "$WORK/wanted"
sort "$WORK/there" > "$WORK/found"
if ! cmp -s "$WORK/wanted" "$WORK/found"; then
  echo "not every object of the manifest is at target:$TARGET in its size:" >&2
  diff "$WORK/wanted" "$WORK/found" | head -n 20 >&2
  exit 1
fi
"""
"""Every object of the manifest is there, with the checksum of the source where both servers know one, and its size."""

RENEW = """\
set -eu
export LC_ALL=C
rclone lsf --recursive --files-only --use-server-modtime --min-age "${RENEW_AFTER}s" "target:$TARGET" > "$WORK/aged"
sort "$WORK/aged" > "$WORK/sorted"
sort "$WORK/paths" | comm -12 - "$WORK/sorted" > "$WORK/old"
# Another name for the same store: the bytes are the target's own, nothing comes in from upstream this way.
[ ! -s "$WORK/old" ] ||
  rclone copy --ignore-times --files-from-raw "$WORK/old" "target,description=again:$TARGET" "target:$TARGET"
"""
"""Writes again what is wanted and old, before the store deletes it by its age."""

MANIFEST = """\
set -eu
name="$(cat "$WORK/name")"
if grep -q -x "$name" "$WORK/before"; then
  echo "$name is there already"
else
  rclone rcat "target:$TARGET_MANIFESTS/$name" < "$WORK/manifest"
fi
"""
"""Says that the copy is complete. Nothing else makes it count."""

REPORT = """\
set -eu
name="$(cat "$WORK/name")"
awk -F ';' -v data="${name%%-*}" -v now="$(date -u +%s)" '
  { bytes += $1 }
  END {
    printf "lab_backup_data_timestamp_seconds %s\\n", data
    printf "lab_backup_last_success_timestamp_seconds %s\\n", now
    printf "lab_backup_objects %d\\nlab_backup_bytes %.0f\\n", NR, bytes
  }' "$WORK/manifest" > "$WORK/metrics"
cat "$WORK/metrics"
# The copy is there whether or not anybody hears of it; silence is what the alert on its age is for.
wget -q -O - --post-file "$WORK/metrics" "$PUSHGATEWAY/metrics/job/lab_backup/copy/$COPY/tier/$TIER" ||
  echo "the Pushgateway was not told" >&2
"""
"""Tells the Pushgateway how old the data is and when the copy was complete."""

PROVISION = """\
set -eu
key() { cat "/keys/$1"; }
mc alias set cold "$ENDPOINT" "$(key root.access-key)" "$(key root.secret-key)" > /dev/null
mc mb --ignore-existing "cold/$BUCKET"
mc version enable "cold/$BUCKET"
mc ilm import "cold/$BUCKET" < /plan/lifecycle.json
for user in "$@"; do
  access="$(key "$user.access-key")"
  mc admin policy create cold "$user" "/plan/$user.json"
  mc admin user add cold "$access" "$(key "$user.secret-key")" > /dev/null
  # To attach what is attached is an error.
  mc admin policy attach cold "$user" --user "$access" > /dev/null 2>&1 ||
    mc admin user info cold "$access" --json | grep -q "\\"$user\\""
  echo "$user"
done
"""
"""Makes what is missing of the cold store, and sets versions, lifecycle and policies. It takes nothing away."""
