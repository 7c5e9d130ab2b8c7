"""How fast, and how right: ``python -m benchmarks NAME …`` prints one JSON line."""
