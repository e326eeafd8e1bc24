"""Games of a generator and a discriminator. There is one file for each paper."""
