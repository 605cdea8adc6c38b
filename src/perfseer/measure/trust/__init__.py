"""How far a measurement table can be trusted: repeats, the protocol study, rules it must obey."""
