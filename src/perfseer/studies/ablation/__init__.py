"""What each part of SeerNet is worth: variants of one base, each a few changed parameters."""
