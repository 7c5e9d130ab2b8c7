"""The parts of the stream's benchmark: the site, the one who writes, the viewers, the peers."""
