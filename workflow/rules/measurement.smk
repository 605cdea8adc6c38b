# How the labels were measured: before anything is trained, from the tables alone.

READS["measurement"] = {
    "measurements": TABLE,
    "repeats": REPEATS,
    "study": PROTOCOL_STUDY,
}
