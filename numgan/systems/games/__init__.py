"""Games of a generator and a discriminator, one file for each paper."""
