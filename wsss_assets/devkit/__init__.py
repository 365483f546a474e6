"""What benchmarks are distributed as: label lists, devkit folders, instances files."""
