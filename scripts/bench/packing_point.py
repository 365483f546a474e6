"""One import in a fresh process, for packing.py: prints the bytes above the import baseline.

Usage: packing_point.py ZIP FOLDER MAPS
"""

from __future__ import annotations

import sys
from pathlib import Path

import packing
import pyarrow.parquet  # noqa: F401 (part of the baseline)
from memory_point import peak_memory


def main(archive: str, folder: str, maps: str) -> None:
    """Print how much the import needed."""
    baseline = peak_memory()
    packing.pack(Path(archive), Path(folder), int(maps))
    print(peak_memory() - baseline)


if __name__ == "__main__":
    main(*sys.argv[1:])
