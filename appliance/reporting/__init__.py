"""What is told about runs: messages, events, scrubbing, the outbox. Imports no other part of ours."""
