"""Systems that maximise a likelihood. They have no discriminator."""
