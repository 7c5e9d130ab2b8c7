"""Answer sheets and covers as PDF, and realistic scans of them with known truth."""
