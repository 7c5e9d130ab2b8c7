"""What ``python -m benchmarks plan`` is made of: measured figures, and a day of a site that lives by them."""
