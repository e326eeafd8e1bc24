"""Pictures: sample grids, scatter plots, curves and animations of a run, and the figures of the benchmarks.

Every function returns a Pillow image, or writes a GIF.
matplotlib is imported inside the functions that draw axes, and used without its global state: no window, no current figure.
"""

import numpy as np
from PIL import Image, ImageDraw

CELL = 48                 # pixels that a sample's side is enlarged to, at least half of them
GAP = 6
PAPER = 64                # dark grey: a black picture with white strokes ends visibly
REAL, FAKE = "#b0b0b0", "#d1495b"


def grid(images, columns, names=()):
    """Images (N, H, W, 1 or 3) uint8 in rows of `columns`, small ones enlarged by whole pixels; names, if given, one a row, at the left."""
    n, height, width, channels = images.shape
    scale = max(1, round(CELL / max(height, width)))
    high, wide, rows = scale * height + GAP, scale * width + GAP, -(-n // columns)
    mode = "L" if channels == 1 else "RGB"
    margin = GAP + (max(int(ImageDraw.Draw(Image.new("L", (1, 1))).textlength(name)) for name in names) + 6 if names else 0)
    canvas = Image.new(mode, (margin + columns * wide, GAP + rows * high), (PAPER,) * channels if channels > 1 else PAPER)
    for i, image in enumerate(images):
        cell = Image.fromarray(image[..., 0] if channels == 1 else image).resize((scale * width, scale * height), Image.Resampling.NEAREST)
        canvas.paste(cell, (margin + i % columns * wide, GAP + i // columns * high))
    draw = ImageDraw.Draw(canvas)
    for row, name in enumerate(names):
        draw.text((4, GAP + row * high + high // 2), name, fill=255 if channels == 1 else (255, 255, 255), anchor="lm")
    return canvas


def points(real, fake, title=""):
    """Samples (M, 2) over data (N, 2) in the plane, on axes that the data alone decide."""
    figure, (axes,) = _figure(1, (5, 5))
    axes.scatter(*real.T, s=3, c=REAL, linewidths=0, label="data")
    axes.scatter(*fake.T, s=3, c=FAKE, linewidths=0, label="samples")
    (left, bottom), (right, top) = real.min(axis=0), real.max(axis=0)
    side = 0.1 * max(right - left, top - bottom, 1e-6)
    axes.set(xlim=(left - side, right + side), ylim=(bottom - side, top + side), xlabel="$x_1$", ylabel="$x_2$", title=title, aspect="equal")
    axes.legend(loc="upper right", markerscale=3)
    return _render(figure)


def curves(records, title=""):
    """The lines of a metrics.jsonl as curves over steps: losses together, D's mean outputs together, any other metric by itself."""
    steps = [record["step"] for record in records]
    metrics = list(dict.fromkeys(name for record in records for name in record["metrics"]))
    outputs = [name for name in metrics if name.startswith("D(")]
    panels = [("loss", "losses", list(dict.fromkeys(name for record in records for name in record["losses"])))]
    panels += [("mean probability of being real", "metrics", outputs)] if outputs else []
    panels += [(name, "metrics", [name]) for name in metrics if name not in outputs]
    figure, all_axes = _figure(len(panels), (8, 2.6 * len(panels)))
    for axes, (label, kind, names) in zip(all_axes, panels, strict=True):
        for name in names:
            values = [record[kind].get(name) for record in records]
            axes.plot(steps, [np.nan if value is None else value for value in values], label=name, linewidth=0.9)
        axes.set(xlabel="step", ylabel=label)
        axes.legend(loc="upper right")
        axes.grid(alpha=0.3)
    if outputs:
        all_axes[1].axhline(0.5, color="black", linewidth=0.6, linestyle=":")      # where the two players are even
        all_axes[1].set_ylim(0, 1)
    all_axes[0].set_title(title)
    return _render(figure)


def step_times(results, title=""):
    """`bench steps`: the milliseconds of every side, one panel a workload, quartiles as whiskers, the largest gradient difference beside."""
    figure, all_axes = _figure(len(results), (8, 1.2 + 1.6 * len(results)))
    for axes, result in zip(all_axes, results, strict=True):
        numpy = {"numpy": result["numpy_ms"]} if result["numpy_ms"] else {}
        sides = {"numgan": result["numgan_ms"]} | numpy | {f"torch {name}": ms for name, ms in result["torch_ms"].items()}
        quartiles = [result["quartiles_ms"][name.removeprefix("torch ")] for name in sides]
        around = [[max(ms - low, 0) for ms, (low, _) in zip(sides.values(), quartiles)],
                  [max(high - ms, 0) for ms, (_, high) in zip(sides.values(), quartiles)]]
        axes.barh(list(sides), list(sides.values()), xerr=around, color=[FAKE] + [REAL] * (len(sides) - 1))
        axes.invert_yaxis()
        worst = result["largest_gradient_difference"]
        beside = f", largest gradient difference {worst['difference']:.1e}" if worst else ""
        axes.set(xlabel="ms a step", title=f"{result['workload']}, batch {result['batch']}{beside}")
    figure.suptitle(title, fontsize="small")
    return _render(figure)


def roofline(found, title=""):
    """`bench kernels`: GFLOP/s over flops per byte of every float32 kernel, under the measured roofs of memory and of multiply-adds."""
    rows = [row for row in found["results"] if row["dtype"] == "float32"]
    figure, (axes,) = _figure(1, (8, 5.5))
    reach = np.geomspace(0.5 * min(row["intensity"] for row in rows), 2 * max(row["intensity"] for row in rows), 200)
    peak, slope = found["peak_gflops"]["float32"] or np.inf, found["bandwidth_gbs"]
    axes.plot(reach, np.minimum(slope * reach, peak), color="black", linewidth=1.0, label=f"{slope:.0f} GB/s, {peak:.0f} GFLOP/s")
    kinds = {}
    for row in rows:
        kinds.setdefault((row["kernel"].split()[0], row["form"]), []).append(row)
    for (kind, form), points_ in kinds.items():
        axes.scatter([row["intensity"] for row in points_], [row["gflops"] for row in points_], s=22, marker="^" if form == "fast" else "o",
                     label=f"{kind} ({form})" if form == "fast" else kind)
    axes.set(xscale="log", yscale="log", xlabel="flops per byte that must move", ylabel="GFLOP/s of the definition", title=title)
    axes.legend(loc="lower right", fontsize="small")
    axes.grid(alpha=0.3)
    return _render(figure)


def growth(rows, title=""):
    """`bench growth`: milliseconds per image against each thing that changed, one panel each, with quartiles."""
    panels = list(dict.fromkeys(row["panel"] for row in rows))
    figure, all_axes = _figure(len(panels), (6, 2.1 * len(panels)))
    for axes, panel in zip(all_axes, panels, strict=True):
        here = [row for row in rows if row["panel"] == panel]
        values = [row["value"] for row in here]
        axes.plot(values, [row["ms_per_image"] for row in here], marker="o", color=FAKE)
        axes.fill_between(values, *zip(*(row["quartiles_ms"] for row in here)), color=FAKE, alpha=0.2, linewidth=0)
        axes.set(xlabel=panel, ylabel="ms an image", xticks=values, xticklabels=values)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    figure.suptitle(title, fontsize="small")
    return _render(figure)


def gif(frames, file, milliseconds=200, hold=2000):
    """Write frames, Pillow images of one size, to the binary file as an endless GIF; the last frame stays for `hold`."""
    first, *rest = [frame.convert("RGB").quantize(256) if frame.mode != "L" else frame for frame in frames]
    durations = [milliseconds] * len(rest) + [hold]
    first.save(file, format="GIF", save_all=True, append_images=rest, duration=durations if rest else hold, loop=0)


def _figure(panels, size):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(panels, squeeze=False)[:, 0]


def _render(figure):
    figure.canvas.draw()
    return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")


def ladder(reports):
    """The reports of numgan.bench.ladder as bars of GFLOP/s from the ground up, a panel each; the line is the measured peak."""
    figure, all_axes = _figure(len(reports), (9, 0.6 + 0.32 * sum(len(found["steps"]) + 4 for found in reports)))
    for axes, found in zip(all_axes, reports, strict=True):
        steps = found["steps"]
        slowest = min(step["gflops"] for step in steps)
        colors = [FAKE if step["note"].startswith("yours") else REAL for step in steps]
        bars = axes.barh([step["name"] for step in steps], [step["gflops"] for step in steps], color=colors)
        axes.bar_label(bars, [f"{step['gflops']:.3g}, error {step['error']:.0e}" for step in steps], padding=3, fontsize=8,
                       bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
        peak = found["peak_gflops"]
        if peak:
            axes.axvline(peak, color="black", linewidth=0.8, linestyle=":", label="measured peak")
            axes.legend(loc="lower right")
        fastest = max(step["gflops"] for step in steps)
        axes.set(xscale="log", xlim=(slowest / 2, 8 * max(fastest, peak or 0)), xlabel="GFLOP/s",
                 title=f"{found['kind']}: {found['problem']}\n{found['processor']}, {found['instruction_set']}, {found['threads']} threads")
    return _render(figure)
