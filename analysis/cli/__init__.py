"""The command line: a file for every command, and what they ask for and tell alike."""
