"""Games of a generator and a discriminator, a file for each paper."""
