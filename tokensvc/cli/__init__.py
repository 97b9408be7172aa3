"""The command line: a small module for each group of commands, and a few for what they share."""
