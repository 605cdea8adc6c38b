"""Sources of the hardware database, one module each, found by their file (`perfseer.hardware.source`)."""
