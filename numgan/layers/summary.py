"""Summary: a network as a table, with the output shape, parameters, bytes and flops of each layer."""

import math

import numpy as np

from .base import entries, shapes_in


class Summary:
    """A table of a network for printing, with one row for each layer, also for layers made of layers.

    net             a layer or a network
    shape           the shape of one input, without the batch axis
    batch           number of samples for which bytes and flops are computed, 1 by default
    dtype           the number format for which bytes are computed, float32 by default

    The table has these attributes:

    rows                        a list of (name, layer's text, output shape, parameters, bytes, flops). Bytes
                                are those of the layer's parameters and of its output for the batch, flops
                                those of its forward pass for the batch. A layer made of layers has 0 for
                                parameters, bytes and flops
    parameters, bytes, flops    the totals. A layer object that is used twice counts its parameters once
    """

    def __init__(self, net, shape, batch=1, dtype=np.float32):
        self.batch = batch
        self.rows = []
        item = np.dtype(dtype).itemsize  # bytes of one number
        owned = set()  # ids of the layers whose parameters are already counted

        def visit(name, layer, shape, depth):
            """Append the rows of `layer` and of all layers in it.

            name is its path, shape its input shape, and depth the number of layers around it.
            """
            out = layer.output_shape(shape)
            first_line, *_ = repr(layer).splitlines()
            kind = "  " * depth + first_line.rstrip("(")  # the repr of a network has further lines
            if layer.children:
                self.rows.append((name, kind, out, 0, 0, 0))
                for key, child, inner in layer.parts(shape):
                    visit(f"{name}.{key}".lstrip("."), child, inner, depth + 1)
                return
            size = 0 if id(layer) in owned else sum(math.prod(s) for s in layer.parameter_shapes().values())
            owned.add(id(layer))
            stored = item * (size + batch * entries(out))
            self.rows.append((name, kind, out, size, stored, batch * layer.flops(shape)))

        visit("", net, shape, 0)
        self.parameters = sum(size for _, _, _, size, _, _ in self.rows)
        self.bytes = sum(stored for _, _, _, _, stored, _ in self.rows)
        self.flops = batch * net.flops(shape)

    def __str__(self):
        # The table as text: a line for each row, then the totals.
        head = ("", "layer", "output shape", "parameters", "bytes", "flops")
        body = [
            (
                name,
                kind,
                " + ".join(" x ".join(map(str, shape)) or "scalar" for shape in shapes_in(out)),
                *(f"{n:,}" if n else "" for n in numbers),
            )
            for name, kind, out, *numbers in self.rows
        ]
        widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]

        def line(row):  # the first three columns are text, aligned to the left, the others numbers
            return "  ".join(
                cell.rjust(w) if i > 2 else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths))
            ).rstrip()

        rule = "-" * len(line(head))
        total = (
            f"{self.parameters:,} parameters, {self.bytes:,} bytes of parameters and activations, "
            f"{self.flops:,} flops forward, batch {self.batch}"
        )
        return "\n".join([line(head), rule, *map(line, body), rule, total])

    __repr__ = __str__
