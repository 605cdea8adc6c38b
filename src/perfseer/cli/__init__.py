"""The door: one verb per stage. Rules and people call the same verbs."""
