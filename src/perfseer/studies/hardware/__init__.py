"""The study of hardware: what accelerators do per watt, per dollar, per byte, and how sure that is."""
