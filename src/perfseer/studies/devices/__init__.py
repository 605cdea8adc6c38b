"""How far off a predictor is on devices that it never saw, and what that makes of its intervals there."""
