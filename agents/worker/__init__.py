"""The worker: per owned partition of the profile log, from fetched records to stored decisions."""
