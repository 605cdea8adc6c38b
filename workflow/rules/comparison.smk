# Every predictor on the same rows.

READS["comparison"] = {"evaluated": EVALUATED, "repeats": REPEATS}
