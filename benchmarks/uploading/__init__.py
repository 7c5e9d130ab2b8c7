"""What `python -m benchmarks upload` works with: a sender, a second client that asks small things, nginx."""
