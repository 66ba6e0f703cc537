"""What others see of a run: metrics for Prometheus, served or in a file."""
