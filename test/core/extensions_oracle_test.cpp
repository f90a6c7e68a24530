// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// The lock-free store against a store with a mutex that is too simple to be wrong: the same random
// work on both, on one thread step by step, on several threads with the oracle replayed in the
// order that the entries themselves say.

#include <weft/core/extensions.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using weft::extensions;
using weft::extensions_link;

namespace {

constexpr std::size_t types = 16;

/// Sixteen types; every third is larger than a word, some allocate.
template <std::size_t N>
struct fact {
    std::uint64_t id;
    std::conditional_t<N % 3 == 0, std::string, std::array<char, N>> ballast{};
};

/// The oracle.
class mutex_store {
  public:
    explicit mutex_store(std::shared_ptr<mutex_store> parent = nullptr)
        : parent_(std::move(parent)),
          family_(parent_ ? parent_->family_ : std::make_shared<family>()) {}

    void insert(std::size_t type, std::uint64_t id) {
        const std::lock_guard lock(family_->mutex);
        entries_.push_back({family_->next++, type, id});
    }
    /// Ids of one type (or of all), newest first.
    [[nodiscard]] std::vector<std::uint64_t> all(std::size_t type = types) const {
        const std::lock_guard lock(family_->mutex);
        std::map<std::uint64_t, std::uint64_t, std::greater<>> found;
        for (const auto* s = this; s; s = s->parent_.get())
            for (const auto& e : s->entries_)
                if (type == types || e.type == type) found[e.order] = e.id;
        std::vector<std::uint64_t> ids;
        for (auto [order, id] : found) ids.push_back(id);
        return ids;
    }
    [[nodiscard]] std::size_t size() const {
        const std::lock_guard lock(family_->mutex);
        return entries_.size();
    }

  private:
    struct entry {
        std::uint64_t order;
        std::size_t type;
        std::uint64_t id;
    };
    struct family {
        std::mutex mutex;
        std::uint64_t next = 0;
    };
    std::shared_ptr<mutex_store> parent_;
    std::shared_ptr<family> family_;
    std::vector<entry> entries_;
};

// The store under test through the same numbers.
template <std::size_t... N>
void insert_fact(const extensions& e, std::size_t type, std::uint64_t id,
                 std::index_sequence<N...>) {
    const auto put = [&]<std::size_t M>(std::integral_constant<std::size_t, M>) {
        const auto& made = e.insert(fact<M>{id});
        if (made.id != id) FAIL("insert returned another value");
    };
    ((type == N ? put(std::integral_constant<std::size_t, N>{}) : void()), ...);
}
void insert_fact(const extensions& e, std::size_t type, std::uint64_t id) {
    insert_fact(e, type, id, std::make_index_sequence<types>{});
}

constexpr std::uint64_t none = ~std::uint64_t{0};

template <class Store, std::size_t... N>
std::uint64_t newest(const Store& e, std::size_t type, std::index_sequence<N...>) {
    std::uint64_t id = none;
    const auto look = [&](const auto* f) {
        if (f) id = f->id;
    };
    ((type == N ? look(e.template get<fact<N>>()) : void()), ...);
    return id;
}
template <class Store>
std::uint64_t newest(const Store& e, std::size_t type) {
    return newest(e, type, std::make_index_sequence<types>{});
}

template <class Store, std::size_t... N>
std::vector<std::uint64_t> all(const Store& e, std::size_t type, std::index_sequence<N...>) {
    std::vector<std::uint64_t> ids;
    const auto look = [&](const auto& range) {
        for (const auto& f : range) ids.push_back(f.id);
    };
    ((type == N ? look(e.template all<fact<N>>()) : void()), ...);
    return ids;
}
template <class Store>
std::vector<std::uint64_t> all(const Store& e, std::size_t type) {
    return all(e, type, std::make_index_sequence<types>{});
}

template <std::size_t... N>
std::pair<std::size_t, std::uint64_t> type_and_id(const weft::history_entry& h,
                                                  std::index_sequence<N...>) {
    std::pair<std::size_t, std::uint64_t> out{types, none};
    const auto look = [&](std::size_t n, const auto* f) {
        if (f) out = {n, f->id};
    };
    (look(N, h.as<fact<N>>()), ...);
    return out;
}
std::pair<std::size_t, std::uint64_t> type_and_id(const weft::history_entry& h) {
    return type_and_id(h, std::make_index_sequence<types>{});
}

template <class Store>
void check_same(const Store& e, const mutex_store& oracle) {
    std::vector<std::uint64_t> ids;
    std::uint64_t before = 0;
    for (const auto& h : e.history()) {
        ids.push_back(type_and_id(h).second);
        REQUIRE((ids.size() == 1 || before < h.order()));
        before = h.order();
    }
    std::reverse(ids.begin(), ids.end());
    REQUIRE(ids == oracle.all());
    REQUIRE(e.size() == oracle.size());
    for (std::size_t t = 0; t < types; ++t) {
        const auto expected = oracle.all(t);
        REQUIRE(all(e, t) == expected);
        REQUIRE(newest(e, t) == (expected.empty() ? none : expected.front()));
    }
}

}  // namespace

TEST_CASE(
    "extensions: random inserts, forks, links, moves and drops agree with a store with a mutex") {
    for (unsigned seed = 0; seed < 60; ++seed) {
        std::mt19937 random(seed);
        const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
        std::vector<std::pair<extensions, std::shared_ptr<mutex_store>>> stores;
        std::vector<std::pair<extensions_link, std::shared_ptr<mutex_store>>> links;
        std::uint64_t id = 0;
        for (int step = 0; step < 400; ++step) {
            const std::size_t action = stores.empty() ? 90 : below(100);
            if (action < 70) {
                auto& [e, oracle] = stores[below(stores.size())];
                const std::size_t type = below(1 + below(types));
                insert_fact(e, type, id);
                oracle->insert(type, id++);
            } else if (action < 85) {
                auto& [e, oracle] = stores[below(stores.size())];
                stores.emplace_back(e.fork(), std::make_shared<mutex_store>(oracle));
            } else if (action < 88) {
                auto& [e, oracle] = stores[below(stores.size())];
                links.emplace_back(e.link(), oracle);
            } else if (action < 92) {
                stores.emplace_back(extensions(), std::make_shared<mutex_store>());
            } else if (action < 95 && !links.empty()) {
                auto& [l, oracle] = links[below(links.size())];
                stores.emplace_back(l.fork(), std::make_shared<mutex_store>(oracle));
            } else if (action < 97) {
                std::swap(stores[below(stores.size())], stores.front());
            } else {
                std::swap(stores[below(stores.size())], stores.back());
                stores.pop_back();
            }
            if (!stores.empty()) {
                const auto& [e, oracle] = stores[below(stores.size())];
                const std::size_t type = below(types);
                const auto expected = oracle->all(type);
                REQUIRE(newest(e, type) == (expected.empty() ? none : expected.front()));
            }
        }
        for (const auto& [e, oracle] : stores) check_same(e, *oracle);
        for (const auto& [l, oracle] : links) check_same(l, *oracle);
    }
}

TEST_CASE("extensions: four threads on one family of stores agree with a store with a mutex") {
    constexpr std::size_t threads = 4, rounds = 150, inserts = 24;
    struct family {
        // Three levels; the threads share all of them, and each forks one more of its own.
        extensions root, child, grandchild;
        std::array<extensions, threads> own;
    };
    std::unique_ptr<family> f;
    struct insertion {
        std::size_t store, type;
    };
    std::array<std::map<std::uint64_t, insertion>, threads> did;  // by id, which grows
    std::atomic<bool> stop = false;
    std::atomic<int> faults = 0;

    const auto work = [&](std::size_t self, std::size_t round) {
        std::mt19937 random(static_cast<unsigned>(round * threads + self));
        const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
        did[self].clear();
        f->own[self] = f->grandchild.fork();
        const std::array<const extensions*, 4> stores{&f->root, &f->child, &f->grandchild,
                                                      &f->own[self]};
        std::array<std::size_t, types> seen{};
        for (std::size_t i = 0; i < inserts; ++i) {
            const std::uint64_t id = self << 32 | i;
            const insertion ins{below(4), below(1 + below(types))};
            insert_fact(*stores[ins.store], ins.type, id);
            did[self][id] = ins;
            // What a thread inserted it sees at once, and what it has seen never goes away.
            for (std::size_t t : {ins.type, below(types)}) {
                const auto ids = all(*stores[3], t);
                if (t == ins.type && std::find(ids.begin(), ids.end(), id) == ids.end()) ++faults;
                if (ids.size() < seen[t]) ++faults;
                seen[t] = ids.size();
                if ((newest(*stores[3], t) == none) != ids.empty() && ids.size() != 0) ++faults;
            }
        }
    };
    std::size_t round = 0;
    std::barrier sync(threads + 1);
    std::vector<std::thread> pool;
    for (std::size_t t = 0; t < threads; ++t)
        pool.emplace_back([&, t] {
            for (;;) {
                sync.arrive_and_wait();
                if (stop) return;
                work(t, round);
                sync.arrive_and_wait();
            }
        });
    for (; round < rounds; ++round) {
        f = std::make_unique<family>();
        if (round % 2) {
            // Every store is still a promise of one: the threads race to make it.
            f->child = f->root.fork();
            f->grandchild = f->child.fork();
        } else {
            f->root.insert(fact<0>{none - 1});
            f->child = f->root.fork();
            f->child.insert(fact<1>{none - 1});
            f->grandchild = f->child.fork();
        }
        sync.arrive_and_wait();
        sync.arrive_and_wait();

        // Replay into the oracle in the order that the entries say, then compare every question.
        auto root = std::make_shared<mutex_store>();
        auto child = std::make_shared<mutex_store>(root);
        auto grandchild = std::make_shared<mutex_store>(child);
        std::array<std::shared_ptr<mutex_store>, threads> own;
        for (auto& o : own) o = std::make_shared<mutex_store>(grandchild);
        struct seen_entry {
            std::size_t store, type, thread;
            std::uint64_t id;
        };
        std::map<std::uint64_t, seen_entry> order;
        for (std::size_t t = 0; t < threads; ++t)
            for (const auto& h : f->own[t].history()) {
                const auto [type, id] = type_and_id(h);
                order[h.order()] = {3 - h.level(), type, t, id};
            }
        std::array<std::vector<std::uint64_t>, threads> per_thread;
        for (const auto& [number, e] : order) {
            const std::array<mutex_store*, 4> stores{root.get(), child.get(), grandchild.get(),
                                                     own[e.thread].get()};
            stores[e.store]->insert(e.type, e.id);
            if (e.id == none - 1) continue;
            const auto& mine = did[e.id >> 32];
            const auto found = mine.find(e.id);
            REQUIRE(found != mine.end());
            REQUIRE(found->second.store == e.store);
            REQUIRE(found->second.type == e.type);
            per_thread[e.id >> 32].push_back(e.id);
        }
        for (std::size_t t = 0; t < threads; ++t) {
            // A thread's inserts are ordered as it made them, over all stores.
            REQUIRE(per_thread[t].size() == inserts);
            REQUIRE(std::is_sorted(per_thread[t].begin(), per_thread[t].end()));
            check_same(f->own[t], *own[t]);
        }
        check_same(f->root, *root);
        check_same(f->child, *child);
        check_same(f->grandchild, *grandchild);
        REQUIRE(faults == 0);
    }
    stop = true;
    sync.arrive_and_wait();
    for (auto& t : pool) t.join();
}

TEST_CASE("extensions: two threads that insert the same types in the same moment lose nothing") {
    // The windows are a few instructions wide, so both threads spin up to the start of each round.
    constexpr std::uint64_t rounds = 50'000, each = 6;
    std::unique_ptr<extensions> e;
    std::array<std::atomic<std::uint64_t>, 2> ready{}, done{};
    std::atomic<int> faults = 0;
    const auto meet = [](auto& flags, std::size_t self, std::uint64_t round) {
        flags[self].store(round);
        for (int spins = 0; flags[1 - self].load() < round; ++spins)
            if (spins > 1000) std::this_thread::yield();
    };
    const auto insert_all = [&](std::size_t self, const extensions& to) {
        const auto put = [&]<std::size_t N>(std::integral_constant<std::size_t, N>) {
            to.insert(fact<N>{self});
            if (!to.get<fact<N>>()) ++faults;
        };
        put(std::integral_constant<std::size_t, 1>{});
        put(std::integral_constant<std::size_t, 2>{});
        put(std::integral_constant<std::size_t, 1>{});
        put(std::integral_constant<std::size_t, 4>{});
        put(std::integral_constant<std::size_t, 5>{});
        put(std::integral_constant<std::size_t, 1>{});
    };
    const auto complete = [&](const extensions& of) {
        const auto history = of.history();
        if (history.size() != 2 * each || of.size() != 2 * each) return false;
        if (of.all<fact<1>>().size() != 6 || of.all<fact<2>>().size() != 2) return false;
        if (of.all<fact<4>>().size() != 2 || of.all<fact<5>>().size() != 2) return false;
        // Along the chain of a type the order falls: what history says last, all says first.
        std::vector<const fact<1>*> oldest_first;
        for (const auto& h : history)
            if (const auto* f = h.as<fact<1>>()) oldest_first.push_back(f);
        std::size_t i = oldest_first.size();
        for (const auto& f : of.all<fact<1>>())
            if (&f != oldest_first[--i]) return false;
        return true;
    };
    const auto body = [&](std::size_t self) {
        for (std::uint64_t r = 1; r <= rounds; ++r) {
            if (self == 0) {
                e = std::make_unique<extensions>();
                // Half of the rounds race for the store itself, half find it made.
                if (r % 2) static_cast<void>(e->link());
            }
            meet(ready, self, r);
            insert_all(self, *e);
            meet(done, self, r);
            if (self == 0 && !complete(*e)) ++faults;
        }
    };
    std::thread other(body, 1);
    body(0);
    other.join();
    CHECK(faults == 0);
}

TEST_CASE("extensions: of several threads that ask first, get_or_insert keeps one value") {
    struct once {
        explicit once(std::atomic<int>& n) : live(&n) { ++*live; }
        once(const once&) = delete;
        ~once() { --*live; }
        std::atomic<int>* live;
        mutable std::atomic<int> uses{0};
    };
    constexpr int threads = 4, rounds = 2000;
    std::atomic<int> live = 0;
    std::unique_ptr<extensions> e;
    std::array<const once*, threads> got{};
    std::barrier sync(threads);
    int wrong = 0;
    const auto body = [&](std::size_t self) {
        for (int r = 0; r < rounds; ++r) {
            if (self == 0) e = std::make_unique<extensions>();
            sync.arrive_and_wait();
            got[self] = &e->get_or_insert<once>([&] { return once(live); });
            got[self]->uses++;
            e->insert(static_cast<int>(self));
            sync.arrive_and_wait();
            if (self == 0)
                for (const once* o : got)
                    if (o != got[0] || o->uses != threads || live != 1 || e->size() != 1 + threads)
                        ++wrong;
            sync.arrive_and_wait();
        }
    };
    std::vector<std::thread> pool;
    for (std::size_t t = 0; t < threads; ++t) pool.emplace_back(body, t);
    for (auto& t : pool) t.join();
    CHECK(wrong == 0);
    e.reset();
    CHECK(live == 0);
}

TEST_CASE(
    "extensions: links set by several threads while others read them are one of those set, and "
    "alive") {
    constexpr std::size_t threads = 4;
    constexpr int rounds = 1000;
    std::unique_ptr<extensions> e;
    std::barrier sync(threads);
    std::atomic<int> wrong = 0;
    const auto body = [&](std::size_t self) {
        for (int r = 0; r < rounds; ++r) {
            if (self == 0) e = std::make_unique<extensions>();
            sync.arrive_and_wait();
            {
                extensions conn;
                conn.insert(self);
                if (self % 2 || r % 2) e->set_ingress(conn.link());
                e->set_egress(conn.link());
            }
            for (const auto& link : {e->ingress(), e->egress(), e->fork().egress()}) {
                const std::size_t* from = link.get<std::size_t>();
                if (link ? !from || *from >= threads : from != nullptr) ++wrong;
            }
            if (!e->egress()) ++wrong;
            sync.arrive_and_wait();
        }
    };
    std::vector<std::thread> pool;
    for (std::size_t t = 0; t < threads; ++t) pool.emplace_back(body, t);
    for (auto& t : pool) t.join();
    CHECK(wrong == 0);
}
