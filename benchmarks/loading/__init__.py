"""What the measurement of the load is made of: batches without scans, and somebody else at work."""
