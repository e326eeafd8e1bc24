"""What a run is worth: figures beside real data, a judge, and the health of its curves and samples."""

from .figures import evaluate
