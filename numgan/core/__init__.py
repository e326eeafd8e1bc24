"""The base of the package, which all its other folders import.

It holds errors, argument checks, parameters, random streams, observers of passes, and files.
"""
