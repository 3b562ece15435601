"""What the status page says beside runs: policy, twins, exports, tests of connections, the ends of logs."""
