#!/usr/bin/env bash
# Look at the code without running it. Every check runs, so that one pass shows all there is to mend.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

failed=()
check() {
    local name=$1
    shift
    say "== $name"
    "$@" >&2 || failed+=("$name")
}
check "ruff check" .venv/bin/ruff check .
check "ruff format" .venv/bin/ruff format --check .
check "mypy --strict" .venv/bin/mypy
check "import layers" .venv/bin/lint-imports

if [ "${#failed[@]}" -gt 0 ]; then
    say "These checks failed: ${failed[*]}"
    exit 1
fi
