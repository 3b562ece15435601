"""Delivering to buckets, through obstore: access, uploading, what stays there, and what failures mean."""
