"""Training: one loop, one background thread, and the device they run on."""
