"""READS: Prometheus, the archive, the simulator."""
