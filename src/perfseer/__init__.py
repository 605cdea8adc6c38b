"""What a deep-learning model will cost on a device, before it is run."""
