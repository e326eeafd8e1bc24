"""Pictures of the benchmarks: times of training steps, roofline, growth, and the ladder of kernels."""

import numpy as np

from .figure import FAKE, REAL, drawn, figure_of, plainly, render


@drawn
def step_times(results, title=""):
    """Draw the results of `bench steps`: milliseconds per training step of numgan and of its competitors.

    results is a list of dictionaries of `bench.steps.compare`, one for each workload (training step). The
    picture has one panel for each. The bars are numgan, NumPy (if it was measured) and each PyTorch variant.
    The whiskers are quartiles. The title of a panel contains the largest gradient difference, if there is
    one; `title` is above all panels. Returns a Pillow image.
    """
    figure, all_axes = figure_of(len(results), (8, 1.6), margin=1.2)
    for axes, result in zip(all_axes, results, strict=True):
        sides = {"numgan": result["numgan_ms"]}
        if result["numpy_ms"]:
            sides["numpy"] = result["numpy_ms"]
        sides |= {f"torch {name}": ms for name, ms in result["torch_ms"].items()}
        ms = np.array(list(sides.values()))
        low, high = np.transpose([result["quartiles_ms"][name.removeprefix("torch ")] for name in sides])
        around = np.maximum([ms - low, high - ms], 0)  # the lengths of the whiskers
        axes.barh(list(sides), ms, xerr=around, color=[FAKE] + [REAL] * (len(sides) - 1))
        axes.invert_yaxis()
        worst = result["largest_gradient_difference"]
        beside = f", largest gradient difference {worst['difference']:.1e}" if worst else ""
        axes.set(xlabel="ms a step", title=f"{result['workload']}, batch {result['batch']}{beside}")
    return render(figure, title)


@drawn
def roofline(found, title=""):
    """Draw the result of `bench kernels`: GFLOP/s over flops per byte, one mark for each float32 kernel.

    `found` is the dictionary of `bench.kernels.measure`. The line is the upper limit of the speed. It is the
    smaller of two numbers: the measured peak of multiply-adds (if it is known), and flops per byte times the
    measured memory bandwidth. A triangle is a fast algorithm, a circle a direct one. `title` is above the
    panel. Returns a Pillow image.
    """
    rows = [row for row in found["results"] if row["dtype"] == "float32"]
    figure, (axes,) = figure_of(1, (8, 5.5))
    intensities = [row["intensity"] for row in rows]
    reach = np.geomspace(0.5 * min(intensities), 2 * max(intensities), 200)  # points of the line
    peak, slope = found["peak_gflops"]["float32"] or np.inf, found["bandwidth_gbs"]
    axes.plot(
        reach,
        np.minimum(slope * reach, peak),
        color="black",
        linewidth=1.0,
        label=f"{slope:.0f} GB/s, {peak:.0f} GFLOP/s",
    )
    kinds = {}  # {(first word of the kernel's name, "direct" or "fast"): [row]}
    for row in rows:
        kind, *_ = row["kernel"].split()
        kinds.setdefault((kind, row["form"]), []).append(row)
    for (kind, form), points_ in kinds.items():
        axes.scatter(
            [row["intensity"] for row in points_],
            [row["gflops"] for row in points_],
            s=22,
            marker="^" if form == "fast" else "o",
            label=f"{kind} ({form})" if form == "fast" else kind,
        )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="flops per byte that must move",
        ylabel="GFLOP/s of the definition",
        title=title,
    )
    axes.legend(loc="lower right", fontsize="small")
    axes.grid(alpha=0.3)
    return render(figure)


@drawn
def growth(rows, title=""):
    """Draw the rows of `bench growth`: milliseconds per image, with quartiles, over the changed setting.

    rows are the "results" of `bench.growth.measure`, a list of dictionaries. There is one panel for each
    setting that is changed, such as the batch size; `title` is above all panels. Returns a Pillow image.
    """
    panels = list(dict.fromkeys(row["panel"] for row in rows))
    figure, all_axes = figure_of(len(panels), (6, 2.1))
    for axes, panel in zip(all_axes, panels, strict=True):
        here = [row for row in rows if row["panel"] == panel]
        values = [row["value"] for row in here]
        axes.plot(values, [row["ms_per_image"] for row in here], marker="o", color=FAKE)
        # the band between the lower and the upper quartiles
        axes.fill_between(
            values, *zip(*(row["quartiles_ms"] for row in here)), color=FAKE, alpha=0.2, linewidth=0
        )
        axes.set(xlabel=panel, ylabel="ms an image", xticks=values, xticklabels=values)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    return render(figure, title)


@drawn
def ladder(reports):
    """Draw the reports of numgan.bench.ladder as bars of GFLOP/s, one panel for each report.

    A report is a dictionary of `ladder.report`. Each bar is one version of a kernel, with its speed and error
    as text. Versions that the user added have another colour. The dotted line is the measured peak, if it is
    known. Returns a Pillow image.
    """
    # 4: the room for title and label of a panel; a bar is 0.32 inches high
    bars = sum(len(found["steps"]) + 4 for found in reports)
    figure, all_axes = figure_of(len(reports), (9, 0.32 * bars / len(reports)), margin=0.6)
    for axes, found in zip(all_axes, reports, strict=True):
        steps, peak = found["steps"], found["peak_gflops"]
        speeds = [step["gflops"] for step in steps]
        colors = [FAKE if step["note"].startswith("yours") else REAL for step in steps]
        axes.bar_label(
            axes.barh([plainly(step["name"]) for step in steps], speeds, color=colors),
            [f"{step['gflops']:.3g}, error {step['error']:.0e}" for step in steps],
            padding=3,
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
        if peak:
            axes.axvline(peak, color="black", linewidth=0.8, linestyle=":", label="measured peak")
            axes.legend(loc="lower right")
        axes.set(
            xscale="log",
            xlim=(min(speeds) / 2, 8 * max(*speeds, peak or 0)),  # with room for the texts at the bars
            xlabel="GFLOP/s",
            title=f"{found['kind']}: {found['problem']}\n"
            f"{found['processor']}, {found['instruction_set']}, {found['threads']} threads",
        )
    return render(figure)
