"""Systems that maximise a likelihood, and so have no discriminator. There is one: the classifier."""
