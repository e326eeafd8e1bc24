"""Networks that several systems share. Each is a function that returns a Sequential.

label_beside takes layers; all other functions take sizes.
"""

from .beside import label_beside
from .dcgan import dcgan_discriminator, dcgan_generator, pooling_discriminator
from .mlp import mlp
from .small import digit_discriminator, digit_generator, plane_discriminator, plane_generator

__all__ = [
    "mlp",
    "digit_generator",
    "digit_discriminator",
    "plane_generator",
    "plane_discriminator",
    "label_beside",
    "dcgan_generator",
    "dcgan_discriminator",
    "pooling_discriminator",
]
