"""The study of hardware: every accelerator, what it does per watt, per dollar, per byte, and how sure that is."""
