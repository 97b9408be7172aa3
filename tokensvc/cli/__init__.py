"""The command line: a small module for each group of commands, and a few for what they share."""

from tokensvc.config import quieten_grpc

quieten_grpc()  # here, because every process of ours begins with this package
