"""The base of all other folders.

It holds errors, argument checks, parameters, random streams, observers of passes, and files.
"""
