"""The command line: thin, one file a command. All that it does can be done from Python."""
