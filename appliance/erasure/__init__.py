"""Carrying an erasure to every copy: where they are, how the subject is found there, and the removal."""
