"""The pictures of stability/, each drawn from what numgan computes here. The chapters are in drawing/.

python docs/draw_stability.py              all of them, in a minute or two
python docs/draw_stability.py dirac        one
"""

import sys
import time

from drawing.canvas import save
from drawing.games import averages, dirac, unrolling
from drawing.learning import critics, game, second
from drawing.variety import measures, packing

PICTURES = {
    draw.__name__: draw for draw in (game, critics, second, dirac, unrolling, packing, averages, measures)
}


if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        start = time.perf_counter()
        file = save(PICTURES[name](), name)
        print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB, {time.perf_counter() - start:.1f} s")
