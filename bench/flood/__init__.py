"""What a flood of bad refresh tokens costs. Run it with `python -m bench.flood`."""
