"""A script for operators."""
