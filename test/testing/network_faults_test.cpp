// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// Every fault of a testing::network in a table: in which direction, and what an operation comes to.
// Each row runs with its fault and without; the two must differ, so a fault that does nothing fails
// here.
#include "network_world.hpp"

#include <fmt/format.h>

#include <functional>
#include <string_view>

using namespace network_world;

namespace {

enum class way { there, back };  // from the client, which connects, to the server; and back
enum class operation { connect, read, write, close };

constexpr const char* name_of(way w) { return w == way::there ? "there" : "back"; }
constexpr const char* name_of(operation o) {
    constexpr const char* names[] = {"connect", "read", "write", "close"};
    return names[static_cast<int>(o)];
}

/// What breaks, given the network and the two hosts in the direction of the row.
using fault = std::function<void(testing::network&, std::string_view from, std::string_view to)>;

fault conditions(testing::link_conditions c) {
    return [c](testing::network& net, std::string_view from, std::string_view to) {
        net.set_link(from, to, c);
    };
}

struct row {
    const char* name;
    fault breaks;
    operation op;
    /// What the operation comes to with the fault; the same in both directions.
    const char* outcome;
    /// Where it differs in the other direction: what it comes to with the fault on the way back.
    const char* back = nullptr;
};

std::string code_of(const failure& f) {
    if (f.code() == asio::error::connection_reset) return "reset";
    if (f.code() == asio::error::connection_refused) return "refused";
    if (f.code() == asio::error::timed_out) return "timed out";
    if (f.code() == asio::error::broken_pipe) return "broken pipe";
    if (f.code() == asio::error::connection_aborted) return "aborted";
    if (f.code() == asio::error::host_not_found) return "no such host";
    if (f.code() == asio::error::host_unreachable) return "unreachable";
    if (f.kind() == failure_kind::timeout) return "nothing";
    return f.what();
}

class stopwatch {
  public:
    explicit stopwatch(weft::clock& c) : clock_(c), begun_(c.now()) {}
    [[nodiscard]] std::string text() const {
        const auto ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - begun_);
        return fmt::format(" at {} ms", ms.count());
    }

  private:
    weft::clock& clock_;
    weft::clock::time_point begun_;
};

/// Reads ten bytes, at most for an hour: the sizes of the reads, and how it ended.
awaitable<std::string> read_ten(io::stream& s) {
    stopwatch watch(context_info::of(s.get_executor()).clock());
    std::string sizes;
    std::size_t got = 0;
    std::array<char, 64> memory;
    while (got < 10) {
        auto n = co_await attempt(with_deadline(1h, s.read(asio::buffer(memory))));
        if (!n || *n == 0) co_return sizes + (n ? "end" : code_of(n.error())) + watch.text();
        sizes += std::to_string(*n) + " ";
        got += *n;
    }
    co_return sizes + "read" + watch.text();
}

/// Writes 200 kB to a reader that takes all there is: how much the first write took, how it ended.
awaitable<std::string> write_much(io::stream& from, io::stream& to) {
    stopwatch watch(context_info::of(from.get_executor()).clock());
    const std::string data(200'000, 'd');
    std::string text;
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        s.spawn([&]() -> awaitable<void> { auto all = co_await attempt(read_all(to)); });
        io::error_code ec;
        const std::size_t first = from.try_write(asio::buffer(data), ec);
        auto rest = co_await attempt(
            with_deadline(1h, from.write(asio::buffer(data.data() + first, data.size() - first))));
        text = fmt::format("{} {}", first, rest ? "written" : code_of(rest.error())) + watch.text();
    });
    co_return text;
}

awaitable<std::string> wait_for_end(io::stream& s) {
    stopwatch watch(context_info::of(s.get_executor()).clock());
    std::array<char, 8> memory;
    auto n = co_await attempt(with_deadline(1h, s.read(asio::buffer(memory))));
    if (n) co_return (*n == 0 ? "end" : "bytes") + watch.text();
    co_return code_of(n.error()) + watch.text();
}

std::string run(const row& r, way direction, bool broken) {
    return testing::run([&]() -> awaitable<std::string> {
        const bool there = direction == way::there;
        auto break_it = [&](testing::network& net) {
            if (broken) r.breaks(net, there ? "a" : "b", there ? "b" : "a");
        };
        if (r.op == operation::connect) {
            testing::network net(co_await asio::this_coro::executor);
            auto listener = net.host("b").listen(80);
            static_cast<void>(net.host("a"));
            break_it(net);
            stopwatch watch(context_info::of(co_await asio::this_coro::executor).clock());
            auto connect = net.host("a").connector({.address_timeout = 0ms});
            auto made = co_await attempt(connect.serve(net::connect_request("b", 80)));
            co_return (made ? "connected" : code_of(made.error())) + watch.text();
        }
        world w = co_await connected({}, {});
        break_it(w.net);
        io::stream& from = there ? w.client : w.server;
        io::stream& to = there ? w.server : w.client;
        if (r.op == operation::read) {
            auto sent = co_await attempt(from.write(bytes::literal("0123456789")));
            co_return co_await read_ten(to);
        }
        if (r.op == operation::write) co_return co_await write_much(from, to);
        from.close();
        co_return co_await wait_for_end(to);
    });
}

fault partition() {
    return
        [](testing::network& net, std::string_view a, std::string_view b) { net.partition(a, b); };
}
fault one_way() {
    return [](testing::network& net, std::string_view from, std::string_view to) {
        net.partition_one_way(from, to);
    };
}
/// The way against the bytes: they arrive, but nobody hears of it.
fault other_way() {
    return [](testing::network& net, std::string_view from, std::string_view to) {
        net.partition_one_way(to, from);
    };
}
fault vanish_sender() {
    return [](testing::network& net, std::string_view from, std::string_view) { net.vanish(from); };
}
fault vanish_receiver() {
    return [](testing::network& net, std::string_view, std::string_view to) { net.vanish(to); };
}
fault reset_now() {
    return [](testing::network& net, std::string_view from, std::string_view to) {
        net.reset_connections(from, to);
    };
}
/// The host that receives has lost its memory.
fault restart_receiver() {
    return [](testing::network& net, std::string_view, std::string_view to) {
        net.vanish(to);
        net.restart(to);
    };
}
fault names(std::function<void(testing::network&)> f) {
    return
        [f = std::move(f)](testing::network& net, std::string_view, std::string_view) { f(net); };
}

using enum operation;

const row table[] = {
    {"latency", conditions({.latency = 40ms}), connect, "connected at 40 ms"},
    {"latency", conditions({.latency = 40ms}), read, "10 read at 40 ms"},
    {"latency", conditions({.latency = 40ms}), write, "65536 written at 120 ms"},
    {"latency", conditions({.latency = 40ms}), close, "end at 40 ms"},

    {"jitter", conditions({.jitter = 40ms}), connect, "connected at 18 ms"},
    {"jitter", conditions({.jitter = 40ms}), read, "10 read at 18 ms"},
    {"jitter", conditions({.jitter = 40ms}), write, "65536 written at 74 ms"},
    {"jitter", conditions({.jitter = 40ms}), close, "end at 18 ms"},

    {"bandwidth", conditions({.bandwidth = 1000}), read, "10 read at 10 ms"},
    {"bandwidth", conditions({.bandwidth = 1000}), write, "65536 written at 135168 ms"},

    {"short reads", conditions({.max_read = 4}), read, "2 3 1 4 read at 0 ms"},
    {"short writes", conditions({.max_write = 4000}), write, "3558 written at 0 ms"},

    {"reset at byte 4", conditions({.reset_at = 4}), read, "4 reset at 0 ms"},
    {"reset at byte 4", conditions({.reset_at = 4}), write, "65536 reset at 0 ms"},
    {"reset at byte 0", conditions({.reset_at = 0}), read, "reset at 0 ms"},
    {"reset at byte 0", conditions({.reset_at = 0}), close, "reset at 0 ms"},
    {"truncated at byte 4", conditions({.truncate_at = 4}), read, "4 end at 0 ms"},
    {"truncated at byte 0", conditions({.truncate_at = 0}), read, "end at 0 ms"},
    {"lost from byte 4", conditions({.lose_from = 4}), read, "4 nothing at 3600000 ms"},
    {"lost from byte 4", conditions({.lose_from = 4}), write, "65536 timed out at 900000 ms"},
    {"lost from byte 0", conditions({.lose_from = 0}), close, "nothing at 3600000 ms"},

    {"refused", conditions({.connect = testing::connecting::refused}), connect, "refused at 0 ms",
     "connected at 0 ms"},
    {"black hole", conditions({.connect = testing::connecting::lost}), connect,
     "timed out at 127000 ms", "connected at 0 ms"},
    {"slow connect", conditions({.connect_delay = 3s}), connect, "connected at 3000 ms",
     "connected at 0 ms"},

    {"partition", partition(), connect, "timed out at 127000 ms"},
    {"partition", partition(), read, "nothing at 3600000 ms"},
    {"partition", partition(), write, "65536 timed out at 900000 ms"},
    {"partition", partition(), close, "nothing at 3600000 ms"},
    {"partition one way", one_way(), connect, "timed out at 127000 ms"},
    {"partition one way", one_way(), read, "nothing at 3600000 ms"},
    {"partition one way", one_way(), write, "65536 timed out at 900000 ms"},
    {"partition one way", one_way(), close, "nothing at 3600000 ms"},
    {"partition of the other way", other_way(), connect, "timed out at 127000 ms"},
    {"partition of the other way", other_way(), write, "65536 timed out at 900000 ms"},

    {"the sender vanishes", vanish_sender(), connect, "timed out at 127000 ms"},
    {"the sender vanishes", vanish_sender(), read, "nothing at 3600000 ms"},
    {"the sender vanishes", vanish_sender(), write, "65536 timed out at 900000 ms"},
    {"the sender vanishes", vanish_sender(), close, "nothing at 3600000 ms"},
    {"the receiver vanishes", vanish_receiver(), connect, "timed out at 127000 ms"},
    {"the receiver vanishes", vanish_receiver(), read, "nothing at 3600000 ms"},
    {"the receiver vanishes", vanish_receiver(), write, "65536 timed out at 900000 ms"},
    {"the receiver vanishes", vanish_receiver(), close, "nothing at 3600000 ms"},
    {"the receiver restarts", restart_receiver(), read, "aborted at 0 ms"},
    {"the receiver restarts", restart_receiver(), write, "65536 reset at 0 ms"},
    {"the receiver restarts", restart_receiver(), close, "aborted at 0 ms"},
    {"reset by the network", reset_now(), read, "reset at 0 ms"},
    {"reset by the network", reset_now(), write, "0 reset at 0 ms"},
    {"reset by the network", reset_now(), close, "reset at 0 ms"},

    {"no such name", names([](auto& net) { net.fail_name("b"); }), connect, "no such host at 0 ms"},
    {"a slow name", names([](auto& net) { net.delay_name("b", 2s); }), connect,
     "connected at 2000 ms"},
    {"an address nobody has", names([](auto& net) { net.set_name("b", {"192.0.2.1"}); }), connect,
     "unreachable at 0 ms"},
    {"a dead address before the live one", names([](auto& net) {
         net.set_link("a", "dead", {.connect = testing::connecting::lost});
         net.set_name("b", {net.host("dead").address(), "b"});
     }),
     connect, "connected at 127000 ms"},
};

}  // namespace

TEST_CASE("every fault changes what it is about, in each direction") {
    std::size_t rows = 0;
    for (const row& r : table) {
        for (const way direction : {way::there, way::back}) {
            INFO(std::string(r.name), ", ", std::string(name_of(direction)), ", ",
                 std::string(name_of(r.op)));
            const std::string off = run(r, direction, false);
            const std::string on = run(r, direction, true);
            const std::string expected = direction == way::back && r.back ? r.back : r.outcome;
            CHECK(on == expected);
            // A row whose fault does nothing proves nothing; only where it says so.
            if (expected != off) ++rows;
            CHECK((on != off || (direction == way::back && r.back)));
            CHECK(run(r, direction, true) == on);
        }
    }
    MESSAGE(rows << " rows differ with their fault");
    CHECK(rows >= 90);
}
