"""Systems that maximise a likelihood; they have no discriminator."""
