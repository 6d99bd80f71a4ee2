"""`/metrics`: what every process counted and how things stand, in the Prometheus and OpenMetrics text formats."""
