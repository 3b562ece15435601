#!/usr/bin/env bash
# Look at the code without running it. Every check runs, so that one pass shows all there is to mend.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

said=$(mktemp --directory)
trap 'rm -rf "$said"' EXIT
names=() running=()
# All at once: mypy takes as long as the others together.
check() {
    local name=$1
    shift
    names+=("$name")
    "$@" >"$said/${#names[@]}" 2>&1 &
    running+=("$!")
}
check "mypy --strict" .venv/bin/mypy
check "ruff check" .venv/bin/ruff check .
check "ruff format" .venv/bin/ruff format --check .
check "import layers" .venv/bin/lint-imports

failed=()
for number in "${!names[@]}"; do
    wait "${running[number]}" || failed+=("${names[number]}")
    say "== ${names[number]}"
    cat "$said/$((number + 1))" >&2
done
if [ "${#failed[@]}" -gt 0 ]; then
    say "These checks failed: ${failed[*]}"
    exit 1
fi
