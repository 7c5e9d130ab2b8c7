"""The parts of ``python -m benchmarks archives``: real ZIPs, and what can be done to them."""
