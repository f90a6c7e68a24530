// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "layer_laws.hpp"
#include <weft/core/bytes.hpp>
#include <weft/io/duplex.hpp>

#include <boost/asio/buffer.hpp>

#include <array>

namespace weft::testing {

namespace asio = boost::asio;

std::string detail::outcome_of(const std::function<void()>& check) {
    try {
        check();
        return {};
    } catch (const layer_law_broken& broken) {
        return broken.what();
    } catch (const std::exception& other) {
        return std::string("threw ") + other.what();
    }
}

namespace {

awaitable<std::string> read_to_end(io::stream& s) {
    std::string all;
    std::array<char, 4096> buffer;
    for (;;) {
        const std::size_t n = co_await s.read(asio::buffer(buffer));
        if (n == 0) break;
        all.append(buffer.data(), n);
    }
    co_return all;
}

/// Requests are what the peer sends until it half-closes; answers what it gets back.
struct stream_vehicle {
    using req = io::stream;
    using res = void;
    using service = any_service<req, res>;

    template <class F>
    static service from(F f) {
        return [f = std::move(f)](io::stream s) -> awaitable<void> {
            std::string text = co_await read_to_end(s);
            const std::string answer = co_await f(std::move(text));
            co_await s.write(bytes::copy(answer));
        };
    }
    static awaitable<std::string> call(const service& app, std::string text) {
        auto [near_end, far_end] = io::duplex(co_await asio::this_coro::executor);
        io::stream near = std::move(near_end);
        io::stream far = std::move(far_end);
        co_await near.write(bytes(std::move(text)));
        co_await near.shutdown_send();
        co_await app.serve(std::move(far));
        co_return co_await read_to_end(near);
    }
    static awaitable<void> ask(const service& app, std::string text) {
        auto [near_end, far_end] = io::duplex(co_await asio::this_coro::executor);
        io::stream near = std::move(near_end);
        io::stream far = std::move(far_end);
        co_await near.write(bytes(std::move(text)));
        co_await near.shutdown_send();
        co_await app.serve(std::move(far));
    }
    static req make(const asio::any_io_executor& executor) { return io::duplex(executor).second; }
};

using common = common_layer_laws<stream_vehicle>;
using subject = common::subject;
using service = common::service;

struct fact {
    int value;
};

void shows_facts(const subject& s) {
    int seen = 0;
    const service app = s.alone([&](io::stream stream) -> awaitable<void> {
        const fact* f = stream.extensions().get<fact>();
        seen = f ? f->value : -1;
        co_return;
    });
    common::in_test([&]() -> awaitable<void> {
        auto ends = io::duplex(co_await asio::this_coro::executor);
        io::stream far = std::move(ends.second);
        far.extensions().insert(fact{7});
        co_await app.serve(std::move(far));
    });
    expect(seen == 7, "the service sees the facts of the connection");
}

void talks(const subject& s) {
    const service app = s.alone([](io::stream stream) -> awaitable<void> {
        std::array<char, 16> buffer;
        for (;;) {
            const std::size_t n = co_await stream.read(asio::buffer(buffer));
            if (n == 0) break;
            co_await stream.write(bytes::copy(std::string_view(buffer.data(), n)));
        }
    });
    common::in_test([&]() -> awaitable<void> {
        auto [near_end, far_end] = io::duplex(co_await asio::this_coro::executor);
        io::stream near = std::move(near_end);
        io::stream far = std::move(far_end);
        co_await with_scope([&](task_scope& scope) -> awaitable<void> {
            scope.spawn(app.serve(std::move(far)));
            std::array<char, 16> buffer;
            for (int i = 0; i < 10; ++i) {
                const std::string word = "word" + std::to_string(i);
                co_await near.write(bytes::copy(word));
                const std::size_t n = co_await near.read(asio::buffer(buffer));
                expect(std::string_view(buffer.data(), n) == word,
                       "bytes pass both ways while the service runs");
            }
            co_await near.shutdown_send();
            const std::size_t end = co_await near.read(asio::buffer(buffer));
            expect(end == 0, "when the service returns, its peer sees the end");
        });
    });
}

void passes_much(const subject& s) {
    const service app = s.alone([](io::stream stream) -> awaitable<void> {
        std::array<char, 8192> buffer;
        for (;;) {
            const std::size_t n = co_await stream.read(asio::buffer(buffer));
            if (n == 0) break;
            co_await stream.write(bytes::copy(std::string_view(buffer.data(), n)));
        }
    });
    common::in_test([&]() -> awaitable<void> {
        auto [near_end, far_end] = io::duplex(co_await asio::this_coro::executor, 4096);
        io::stream near = std::move(near_end);
        io::stream far = std::move(far_end);
        const std::string much(1024 * 1024, 'm');
        co_await with_scope([&](task_scope& scope) -> awaitable<void> {
            scope.spawn(app.serve(std::move(far)));
            scope.spawn([&]() -> awaitable<void> {
                co_await near.write(bytes::copy(much));
                co_await near.shutdown_send();
            });
            const std::string back = co_await read_to_end(near);
            expect(back == much, "a megabyte through a pipe of 4 KiB");
        });
    });
}

void ends_with_the_peer(const subject& s) {
    bool ended = false;
    const service app = s.alone([&](io::stream stream) -> awaitable<void> {
        const std::string all = co_await read_to_end(stream);
        static_cast<void>(all);
        ended = true;
    });
    common::in_test([&]() -> awaitable<void> {
        auto [near_end, far_end] = io::duplex(co_await asio::this_coro::executor);
        io::stream near = std::move(near_end);
        io::stream far = std::move(far_end);
        co_await with_scope([&](task_scope& scope) -> awaitable<void> {
            scope.spawn(app.serve(std::move(far)));
            co_await sleep_for(std::chrono::milliseconds(10));
            expect(!ended, "not before");
            near = io::stream();
            while (scope.size() > 0) co_await sleep_for(std::chrono::milliseconds(1));
        });
        expect(ended, "the service sees that its peer is gone");
    });
}

}  // namespace

std::span<const stream_layer_law> layer_laws() {
    static const std::vector<stream_layer_law> all = [] {
        std::vector<stream_layer_law> laws = common::all();
        laws.push_back({"the facts of the connection reach the service", shows_facts});
        laws.push_back({"bytes pass both ways while the service runs", talks});
        laws.push_back({"much passes, with back-pressure", passes_much});
        laws.push_back({"the service sees its peer go", ends_with_the_peer});
        return laws;
    }();
    return all;
}

}  // namespace weft::testing
