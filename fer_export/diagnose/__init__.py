"""Tools that tell where and how fast: bisection, the matrix of all routes, benchmarks."""
