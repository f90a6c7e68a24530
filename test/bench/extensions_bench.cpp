// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Look-up among 32 entries of 16 types in a store with two parents, and what a request pays for its
// store, and what observing costs when nobody listens.

#include <weft/core/extensions.hpp>
#include <weft/core/observe.hpp>

#include <benchmark/benchmark.h>

#include <cstddef>
#include <memory>
#include <utility>

namespace {

template <std::size_t N>
struct fact {
    std::size_t value;
};

template <std::size_t... N>
void fill(const weft::extensions& e, std::size_t value, std::index_sequence<N...>) {
    (e.insert(fact<N>{value}), ...);
}

/// Three stores; 32 entries of 16 types, each type twice, spread over them. fact<0> is the oldest,
/// fact<15> the newest.
struct family {
    family() {
        fill(grandparent, 1, std::make_index_sequence<11>{});
        grandparent.insert(fact<11>{1});
        parent = grandparent.fork();
        parent.insert(fact<12>{1});
        parent.insert(fact<13>{1});
        parent.insert(fact<14>{1});
        fill(parent, 2, std::index_sequence<1, 2, 3, 4, 5, 6, 7>{});
        child = parent.fork();
        fill(child, 3, std::index_sequence<8, 9, 10, 11, 12, 13, 14, 15, 15, 0>{});
    }
    weft::extensions grandparent, parent, child;
};

/// As in `family`, but the type asked for is only in the oldest place.
struct with_oldest {
    with_oldest() {
        grandparent.insert(fact<0>{1});
        fill(grandparent, 1, std::index_sequence<1, 2, 3, 4, 5, 6, 7, 8, 9, 10>{});
        parent = grandparent.fork();
        fill(parent, 2, std::index_sequence<11, 12, 13, 14, 15, 1, 2, 3, 4, 5, 6>{});
        child = parent.fork();
        fill(child, 3, std::index_sequence<7, 8, 9, 10, 11, 12, 13, 14, 15, 15>{});
    }
    weft::extensions grandparent, parent, child;
};

void lookup_newest(benchmark::State& state) {
    const with_oldest f;
    for (auto _ : state) {
        const weft::extensions* e = &f.child;
        benchmark::DoNotOptimize(e);
        benchmark::DoNotOptimize(e->get<fact<15>>());
    }
}
void lookup_oldest(benchmark::State& state) {
    const with_oldest f;
    for (auto _ : state) {
        const weft::extensions* e = &f.child;
        benchmark::DoNotOptimize(e);
        benchmark::DoNotOptimize(e->get<fact<0>>());
    }
}
template <std::size_t N>
void lookup_miss(benchmark::State& state) {
    const with_oldest f;
    for (auto _ : state) {
        const weft::extensions* e = &f.child;
        benchmark::DoNotOptimize(e);
        benchmark::DoNotOptimize(e->get<fact<N>>());
    }
}
/// The oldest of 4,096: not a scan.
void lookup_oldest_of_4096(benchmark::State& state) {
    const with_oldest f;
    for (int i = 0; i < 4080 / 15; ++i)
        fill(i % 2 ? f.child : f.parent, 1,
             std::index_sequence<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>{});
    for (auto _ : state) {
        const weft::extensions* e = &f.child;
        benchmark::DoNotOptimize(e);
        benchmark::DoNotOptimize(e->get<fact<0>>());
    }
}
/// All sixteen types, or as many that are not there: the mean of one look-up.
template <std::size_t... N>
void lookup_each(benchmark::State& state, std::index_sequence<N...>) {
    const with_oldest f;
    for (auto _ : state) {
        const weft::extensions* e = &f.child;
        benchmark::DoNotOptimize(e);
        (benchmark::DoNotOptimize(e->get<fact<N>>()), ...);
    }
    state.counters["per_lookup"] = benchmark::Counter(
        sizeof...(N), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
void lookup_present(benchmark::State& state) { lookup_each(state, std::make_index_sequence<16>{}); }
template <std::size_t... N>
void absent(benchmark::State& state, std::index_sequence<N...>) {
    lookup_each(state, std::index_sequence<(N + 100)...>{});
}
void lookup_absent(benchmark::State& state) { absent(state, std::make_index_sequence<16>{}); }

void empty_store(benchmark::State& state) {
    for (auto _ : state) {
        weft::extensions e;
        benchmark::DoNotOptimize(e);
        benchmark::DoNotOptimize(e.get<fact<0>>());
    }
}
void move_store(benchmark::State& state) {
    weft::extensions a, b;
    a.insert(fact<0>{1});
    for (auto _ : state) {
        b = std::move(a);
        benchmark::DoNotOptimize(b);
        a = std::move(b);
        benchmark::DoNotOptimize(a);
    }
}
void fork_alone(benchmark::State& state) {
    const family f;
    for (auto _ : state) {
        weft::extensions e = f.grandparent.fork();
        benchmark::DoNotOptimize(e);
    }
}
void request_on_a_connection(benchmark::State& state) {
    const family f;
    for (auto _ : state) {
        weft::extensions e;
        e.set_ingress(f.grandparent.link());
        benchmark::DoNotOptimize(e);
    }
}
void request_with_one_entry(benchmark::State& state) {
    const family f;
    for (auto _ : state) {
        weft::extensions e;
        e.set_ingress(f.grandparent.link());
        benchmark::DoNotOptimize(e.insert(fact<0>{1}));
    }
}
void fork_with_three_entries(benchmark::State& state) {
    const family f;
    for (auto _ : state) {
        weft::extensions e = f.grandparent.fork();
        e.insert(fact<0>{1});
        e.insert(fact<1>{1});
        benchmark::DoNotOptimize(e.insert(fact<0>{2}));
    }
}

/// A request on a connection, nobody listens: request, parents, both links are asked.
void log_unheard(benchmark::State& state) {
    const family f;
    weft::extensions request = f.child.fork();
    request.insert(fact<200>{1});
    request.set_ingress(f.grandparent.link());
    request.set_egress(f.grandparent.link());
    for (auto _ : state)
        weft::log(request, weft::severity::info, "unheard", {{"key", 1}, {"other", "text"}});
}
void log_below_minimum(benchmark::State& state) {
    const family f;
    f.grandparent.insert(weft::observer(std::make_shared<weft::observer_sink>()));
    weft::extensions request;
    request.set_ingress(f.grandparent.link());
    for (auto _ : state)
        weft::log(request, weft::severity::debug, "unheard", {{"key", 1}, {"other", "text"}});
}
void span_unheard(benchmark::State& state) {
    const family f;
    weft::extensions request;
    request.set_ingress(f.grandparent.link());
    for (auto _ : state) {
        weft::span s(request, "work");
        benchmark::DoNotOptimize(s);
    }
}

BENCHMARK(lookup_newest);
BENCHMARK(lookup_oldest);
BENCHMARK(lookup_oldest_of_4096);
BENCHMARK(lookup_miss<99>);
BENCHMARK(lookup_present);
BENCHMARK(lookup_absent);
BENCHMARK(empty_store);
BENCHMARK(move_store);
BENCHMARK(fork_alone);
BENCHMARK(request_on_a_connection);
BENCHMARK(request_with_one_entry);
BENCHMARK(fork_with_three_entries);
BENCHMARK(log_unheard);
BENCHMARK(log_below_minimum);
BENCHMARK(span_unheard);

}  // namespace
