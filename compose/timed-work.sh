#!/bin/sh
# What timers start on a host, here in a loop: branches end every ten minutes; every hour, copies whose time is over are
# removed, and task logs, exports and receipts are kept within their bounds. `timed-work once` does all of it now.
set -u

branches() { python -m appliance.branches.ends; }

hourly() {
    failed=0
    for work in appliance.erasure.copies.expiring appliance.cleanup.task_logs appliance.cleanup.exports_and_receipts; do
        python -m "$work" || failed=$?
    done
    return "$failed"
}

if [ "${1:-}" = once ]; then
    failures=0
    branches || failures=$?
    hourly || failures=$?
    exit "$failures"
fi
passes=0
while :; do
    branches
    [ "$((passes % 6))" -ne 0 ] || hourly
    passes=$((passes + 1))
    sleep 600
done
