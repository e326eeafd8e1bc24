"""Methods that make GAN training more stable: penalties, consensus, unrolling, noise, replay of old fakes."""
