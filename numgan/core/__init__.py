"""The base of all other folders.

Errors, argument checks, parameters, random streams, observers of passes, files.
"""
