"""Model files and command lines made wrong at random: refused in words or read, within seconds and memory."""
