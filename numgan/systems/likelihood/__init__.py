"""Systems that learn a likelihood: no discriminator."""
