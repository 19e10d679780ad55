"""The hops: one file each."""
