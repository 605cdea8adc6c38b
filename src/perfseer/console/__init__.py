"""What all verbs share on the command line: default places, groups, progress and log lines."""
