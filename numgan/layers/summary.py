"""Summary: a network as a table, with the output shape, parameters, bytes and flops of each layer."""

import math

import numpy as np

from .base import entries, shapes_in


class Summary:
    """A table of a network for printing, with one row for each layer, also for layers made of layers.

    net     the network
    shape   the shape of one input, without the batch axis
    batch   the number of samples for which bytes and flops are counted
    dtype   the number format of parameters and outputs

    The table has these attributes:

    rows                       a list of (name, layer's text, output shape, parameters, bytes, flops). Bytes
                               are those of the layer's parameters and of its output for the batch, flops
                               those of its forward pass for the batch. A layer made of layers has 0 for
                               parameters, bytes and flops
    parameters, bytes, flops   the totals. A layer object that is used twice counts its parameters once
    """

    def __init__(self, net, shape, batch=1, dtype=np.float32):
        self.batch = batch
        self.rows = []
        item = np.dtype(dtype).itemsize
        owned = set()

        def visit(name, layer, shape, depth):
            out = layer.output_shape(shape)
            kind = "  " * depth + repr(layer).splitlines()[0].rstrip("(")
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
        self.parameters = sum(row[3] for row in self.rows)
        self.bytes = sum(row[4] for row in self.rows)
        self.flops = batch * net.flops(shape)

    def __str__(self):
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

        def line(row):
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
