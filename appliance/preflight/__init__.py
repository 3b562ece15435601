"""Whether this machine can be an appliance: facts are gathered first, and judged by one small check each."""
