"""Networks that several systems share: each is a function that returns a Sequential, its sizes explicit."""

from .beside import label_beside
from .dcgan import dcgan_discriminator, dcgan_generator, pooling_discriminator
from .mlp import mlp
from .switched import switched_discriminator, switched_generator

__all__ = ["mlp", "label_beside", "dcgan_generator", "dcgan_discriminator", "pooling_discriminator", "switched_generator",
           "switched_discriminator"]
