// build/test/weft_bench [--benchmark_filter=REGEX]: all micro-benchmarks of test/bench.
#include <benchmark/benchmark.h>

BENCHMARK_MAIN();
