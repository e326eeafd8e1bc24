"""Methods that make GAN training more stable: penalties, noise, replay of old fakes, unrolling, consensus.

Most of these methods are also a `Remedy`, a class that makes one change of the game of G and D.
"""
