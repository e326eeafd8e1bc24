"""A network as a table: what each layer makes of its input, and what it costs."""

import numpy as np


class Summary:
    """Rows (name, layer, output shape, parameters, flops) of a network; its text is the table. `bytes` counts parameters and activations."""

    def __init__(self, net, shape, batch=1, dtype=np.float32):
        self.batch, self.item = batch, np.dtype(dtype).itemsize
        self.rows, counted = [], set()

        def visit(name, layer, shape, depth):
            out = layer.output_shape(shape)
            sizes = sum(int(np.prod(s)) for s in layer.shapes().values()) if not layer.children and id(layer) not in counted else 0
            counted.add(id(layer))
            kind = repr(layer) if not layer.children else type(layer).__name__
            self.rows.append((name, "  " * depth + kind, out, sizes, 0 if layer.children else layer.flops(shape) * batch))
            if type(layer).__name__ == "Sequential":
                for key, child in layer.children.items():
                    shape = visit(f"{name}.{key}".lstrip("."), child, shape, depth + 1)
            elif type(layer).__name__ == "Parallel":
                for (key, child), part in zip(layer.children.items(), shape):
                    visit(f"{name}.{key}".lstrip("."), child, part, depth + 1)
            elif type(layer).__name__ == "Condition":
                (h, c), child = shape, layer.children["layer"]
                visit(f"{name}.layer".lstrip("."), child, (*h[:-1], h[-1] + c[-1]), depth + 1)
            else:
                for key, child in layer.children.items():
                    visit(f"{name}.{key}".lstrip("."), child, shape, depth + 1)
            return out

        visit("", net, shape, 0)
        self.parameters = net.layout.size
        self.flops = net.flops(shape) * batch
        leaves = [row for row in self.rows if not row[1].endswith(("Sequential", "Parallel", "Condition", "Residual", "Skip"))]
        self.bytes = self.item * (self.parameters + batch * sum(_entries(row[2]) for row in leaves))

    def __str__(self):
        head = ("", "layer", "output shape", "parameters", "flops")
        body = [(name, kind, _show(out), f"{n:,}" if n else "", f"{flops:,}" if flops else "") for name, kind, out, n, flops in self.rows]
        widths = [max(len(row[i]) for row in [head, *body]) for i in range(5)]
        line = lambda row: "  ".join(cell.rjust(w) if i > 2 else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths))).rstrip()
        rule = "-" * len(line(tuple("x" * w for w in widths)))
        total = f"{self.parameters:,} parameters, {self.bytes:,} bytes (parameters and activations), {self.flops:,} flops forward, batch {self.batch}"
        return "\n".join([line(head), rule, *map(line, body), rule, total])

    __repr__ = __str__


def _entries(shape):
    return sum(map(_entries, shape)) if any(isinstance(n, tuple) for n in shape) else int(np.prod(shape))


def _show(shape):
    return " + ".join(map(_show, shape)) if any(isinstance(n, tuple) for n in shape) else " x ".join(map(str, shape)) or "scalar"
