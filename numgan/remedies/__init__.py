"""Methods that make GAN training more stable: penalties, noise, replay of old fakes, unrolling, consensus.

Most of them are also a `Remedy`, a change of the two-player game at one point of it.
"""
