"""The report on NAS-Bench-201: BRP-NAS and others on BRP-NAS's own ground."""
