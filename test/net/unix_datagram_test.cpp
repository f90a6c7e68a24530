// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "temporary.hpp"
#include <weft/core/attempt.hpp>
#include <weft/core/failure.hpp>
#include <weft/net/framed.hpp>
#include <weft/net/unix_datagram.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/with_deadline.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <array>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

using namespace weft;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using net::unix_domain::datagram_socket;

namespace {

struct words {
    void encode(const std::string& word, std::string& out) { out += word; }
    std::string decode(bytes frame) { return frame.str(); }
};

}  // namespace

TEST_CASE("Unix datagrams go there and back by path and by abstract name") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        const temporary_directory dir;
        const std::string abstract = "@weft datagram " + std::to_string(::getpid());
        for (const std::string& name : {dir.file("log"), abstract}) {
            datagram_socket server(ex, name);
            CHECK(server.local_endpoint().path == name);
            datagram_socket client(ex, name + ".client");
            client.connect(name);
            co_await client.send(asio::buffer("ping", 4));
            std::array<char, 8> memory;
            auto got = co_await server.receive(asio::buffer(memory));
            CHECK(got.bytes == 4);
            CHECK(got.from.path == name + ".client");
            co_await server.send_to(asio::buffer("0123456789", 10), got.from);
            got = co_await client.receive(asio::buffer(memory));
            CHECK(got.truncated());
            CHECK(got.size == 10);
            CHECK(got.bytes == 8);
            datagram_socket nameless(ex);
            co_await nameless.send_to(asio::buffer("x", 1), {name});
            got = co_await server.receive(asio::buffer(memory));
            CHECK(got.from.path.empty());
        }
        CHECK(::access(dir.file("log").c_str(), F_OK) != 0);  // removed with its socket
    });
}

TEST_CASE("a stale datagram socket is replaced, a living one is not; its permissions are its own") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        const temporary_directory dir;
        const std::string path = dir.file("log");
        {
            const datagram_socket killed(ex, path, {.file = {.remove = false}});
        }
        const datagram_socket server(ex, path, {.file = {.permissions = 0622}});
        struct stat st{};
        REQUIRE(::stat(path.c_str(), &st) == 0);
        CHECK((st.st_mode & 07777) == 0622);
        try {
            const datagram_socket second(ex, path);
            FAIL("took a living socket's place");
        } catch (const failure& f) {
            CHECK(f.code() == asio::error::address_in_use);
        }
        co_return;
    });
}

TEST_CASE(
    "a sender waits while the receiver's queue is full, connected or not, and loses nothing") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        const std::string name = "@weft full datagrams " + std::to_string(::getpid());
        for (const bool connected : {false, true}) {
            datagram_socket server(ex, name);
            datagram_socket client(ex);
            if (connected) client.connect(name);
            auto send = [&]() -> awaitable<void> {
                for (int i = 0; i < 60; ++i) {
                    const std::string text = std::to_string(i);
                    if (connected)
                        co_await client.send(asio::buffer(text));
                    else
                        co_await client.send_to(asio::buffer(text), {name});
                }
            };
            auto receive = [&]() -> awaitable<void> {
                std::array<char, 16> memory;
                for (int i = 0; i < 60; ++i) {
                    if (i % 20 == 0) co_await sleep_for(2ms);
                    const auto got = co_await server.receive(asio::buffer(memory));
                    CHECK(std::string(memory.data(), got.bytes) == std::to_string(i));
                }
            };
            co_await when_all(send(), receive());
            // Cancelled while it waits.
            auto r = co_await attempt(with_deadline(5ms, send()));
            REQUIRE(!r);
            CHECK(r.error().kind() == failure_kind::timeout);
        }
    });
}

TEST_CASE(
    "sending to nobody is unavailable and named; a socket that is not connected needs a name") {
    testing::run_real([]() -> awaitable<void> {
        datagram_socket client(co_await asio::this_coro::executor);
        auto r = co_await attempt(client.send_to(asio::buffer("x", 1), {"@weft nobody"}));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::unavailable);
        CHECK(r.error().context("path") == "@weft nobody");
        bool thrown = false;
        try {
            static_cast<void>(client.send(asio::buffer("x", 1)));
        } catch (const failure& f) {
            thrown = f.kind() == failure_kind::invalid_input;
        }
        CHECK(thrown);
    });
}

TEST_CASE("Unix datagrams can be framed with a codec") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        const std::string name = "@weft framed " + std::to_string(::getpid());
        net::framed server(datagram_socket(ex, name), words());
        net::framed client(datagram_socket(ex, name + " client"), words());
        co_await client.send_to(std::string("hello"), net::unix_endpoint{name});
        const auto got = co_await server.receive();
        CHECK(got.value == "hello");
        CHECK(got.from.path == name + " client");
    });
}
