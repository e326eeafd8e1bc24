"""Methods that make GAN training more stable: penalties, noise, replay of old fakes, unrolling, consensus.

Most of them are also a `Remedy`: a class that makes one change of the two-player game.
"""
