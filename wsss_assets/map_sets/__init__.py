"""Map sets on this machine: chosen by name, obtained from somewhere, packed, kept, exported."""
