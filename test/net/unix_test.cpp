// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "../sanitizers.hpp"
#include "no_descriptors.hpp"
#include "temporary.hpp"
#include <weft/core/attempt.hpp>
#include <weft/core/failure.hpp>
#include <weft/net/listener.hpp>
#include <weft/net/serve.hpp>
#include <weft/net/unix.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/run.hpp>
#include <weft/testing/stream_suite.hpp>

#include <doctest/doctest.h>

#include <array>
#include <optional>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using namespace weft;
using namespace std::chrono_literals;
namespace asio = boost::asio;

static_assert(service<net::unix_domain::connector, net::connect_request>);

namespace {

awaitable<io::stream> dial(const std::string& path) {
    const net::unix_domain::connector connect(path);
    co_return co_await connect.serve(net::connect_request());
}

awaitable<testing::stream_pair> connect_pair(asio::any_io_executor ex) {
    static int number = 0;
    const std::string name =
        "@weft unix test " + std::to_string(++number) + " " + std::to_string(::getpid());
    net::listener listener(ex, "unix:" + name);
    testing::stream_pair pair;
    pair.first = co_await dial(name);
    pair.second = co_await listener.accept();
    co_return pair;
}

/// Binds a socket to a path and leaves it: what a server that was killed leaves.
void leave_stale(const std::string& path, bool listens = false) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    path.copy(name.sun_path, sizeof name.sun_path - 1);
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
    if (listens) REQUIRE(::listen(fd, 1) == 0);
    ::close(fd);
}

template <class F>
std::optional<failure> refused(F f) {
    try {
        f();
        return std::nullopt;
    } catch (const failure& e) {
        return e;
    }
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace

TEST_CASE("a Unix stream keeps the laws of a stream, with Asio and in a context of one thread") {
    for (const bool serial : {false, true}) {
        testing::stream_suite suite(
            [serial](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
                if (serial) {
                    context_info& info = context_info::of(ex);
                    info.set_serial(true);
                    info.deadlines().release_timer();
                }
                testing::stream_pair pair = co_await connect_pair(ex);
                co_return pair;
            },
            {.resets = false, .same_executor = serial});
        for (const testing::stream_law& law : testing::stream_laws()) {
            INFO(law.name);
            CHECK(suite.check(law) == "");
        }
    }
}

TEST_CASE("names of Unix sockets are parsed and printed") {
    for (const char* text : {"unix:/run/app.sock", "unix:relative", "unix:@abstract name"}) {
        CHECK(net::to_string(net::parse_any_endpoint(text)) == text);
        CHECK(net::parse_any_endpoint(text).is_unix());
    }
    CHECK(net::to_string(net::parse_any_endpoint("127.0.0.1:80")) == "127.0.0.1:80");
    for (const std::string& bad :
         {std::string("unix:"), std::string("unix:@"), "unix:/" + std::string(107, 'x')}) {
        const auto f = refused([&] { net::parse_any_endpoint(bad); });
        REQUIRE(f);
        CHECK(f->kind() == failure_kind::invalid_input);
    }
    // One that was not parsed is looked at when it is used.
    const net::any_endpoint too_long = net::unix_endpoint{std::string(108, 'x')};
    const auto not_used = refused([&] { const net::listen_socket socket(too_long); });
    REQUIRE(not_used);
    CHECK(not_used->context("path") == std::string(108, 'x'));
    const net::any_endpoint local = net::unix_endpoint{"/a"};
    const auto f = refused([&] { static_cast<void>(local.port()); });
    REQUIRE(f);
    CHECK(f->kind() == failure_kind::invalid_input);
}

TEST_CASE("a Unix listener accepts, and both ends know who the other is") {
    testing::run_real([]() -> awaitable<void> {
        const temporary_directory dir;
        const std::string path = dir.file("app.sock");
        net::listener listener(co_await asio::this_coro::executor, "unix:" + path);
        CHECK(net::to_string(listener.local_endpoint()) == "unix:" + path);
        io::stream client = co_await dial(path);
        io::stream server = co_await listener.accept();
        for (const io::stream* s : {&client, &server}) {
            const auto* who = s->extensions().get<net::peer_credentials>();
            REQUIRE(who);
            CHECK(who->user == ::geteuid());
            CHECK(who->group == ::getegid());
            CHECK(who->process == ::getpid());
        }
        const auto* to = client.extensions().get<net::unix_peer_endpoint>();
        REQUIRE(to);
        CHECK(to->value.path == path);
        const auto* local = server.extensions().get<net::unix_local_endpoint>();
        REQUIRE(local);
        CHECK(local->value.path == path);
        CHECK(server.extensions().get<net::peer_endpoint>() == nullptr);
    });
}

TEST_CASE("the socket's file has the permissions that were asked for, whatever the umask is") {
    const temporary_directory dir;
    const mode_t before = ::umask(0);
    for (const mode_t mask : {mode_t{0}, mode_t{022}, mode_t{077}}) {
        ::umask(mask);
        for (const unsigned wanted : {0600u, 0660u, 0666u}) {
            const std::string path = dir.file("p.sock");
            const net::listen_socket socket("unix:" + path, {.file = {.permissions = wanted}});
            struct stat st{};
            REQUIRE(::stat(path.c_str(), &st) == 0);
            CHECK((st.st_mode & 07777) == wanted);
        }
    }
    ::umask(before);
    const net::listen_socket socket("unix:" + dir.file("d.sock"));
    struct stat st{};
    REQUIRE(::stat(dir.file("d.sock").c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0600);
}

TEST_CASE("the file of a Unix listener goes with it, unless it is somebody else's by then") {
    const temporary_directory dir;
    const std::string path = dir.file("app.sock");
    {
        net::listen_socket first("unix:" + path);
        CHECK(exists(path));
        net::listen_socket again = first.duplicate();
        first = net::listen_socket();
        CHECK(exists(path));  // the duplicate listens
    }
    CHECK(!exists(path));
    {
        const net::listen_socket keeps("unix:" + path, {.file = {.remove = false}});
    }
    CHECK(exists(path));
    ::unlink(path.c_str());
    {
        const net::listen_socket mine("unix:" + path);
        ::unlink(path.c_str());
        leave_stale(path);
    }
    CHECK(exists(path));
    ::unlink(path.c_str());
    {
        net::listen_socket given("unix:" + path);
        given.hand_over();
    }
    CHECK(exists(path));
}

TEST_CASE("the file of a socket that was taken over goes with it, unless it is told to stay") {
    const temporary_directory dir;
    for (const bool remove : {true, false}) {
        const std::string path = dir.file(remove ? "goes.sock" : "stays.sock");
        {
            const net::listen_socket before("unix:" + path, {.file = {.remove = false}});
            net::listen_socket taken(net::file_descriptor(::dup(before.native_socket())));
            taken.take_file({.remove = remove});
            taken.own_file();
        }
        CHECK(exists(path) != remove);
    }
}

TEST_CASE("the file of a Unix socket goes with the last of the listeners that share it") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        const temporary_directory dir;
        const std::string path = dir.file("app.sock");
        net::listen_socket socket("unix:" + path);
        std::optional<net::listener> one(std::in_place, ex, socket.duplicate());
        std::optional<net::listener> two(std::in_place, ex, std::move(socket));
        one.reset();
        io::stream client = co_await dial(path);
        io::stream server = co_await two->accept();
        CHECK(server);
        CHECK(exists(path));
        two.reset();
        while (exists(path)) co_await sleep_for(1ms);
    });
}

TEST_CASE("a stale socket is replaced; a living one, and a file that is no socket, are not") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        const temporary_directory dir;
        const std::string path = dir.file("app.sock");
        for (const bool listened : {false, true}) {
            leave_stale(path, listened);
            const auto kept = refused(
                [&] { net::listen_socket("unix:" + path, {.file = {.replace_stale = false}}); });
            REQUIRE(kept);
            CHECK(kept->code() == asio::error::address_in_use);
            net::listener listener(ex, "unix:" + path);
            io::stream client = co_await dial(path);
            io::stream server = co_await listener.accept();
            const auto f = refused([&] { net::listen_socket("unix:" + path); });
            REQUIRE(f);
            CHECK(f->code() == asio::error::address_in_use);
            CHECK(std::string(f->what()).find("a server answers there") != std::string::npos);
            io::stream still = co_await dial(path);
        }
        const std::string file = dir.file("text");
        ::close(::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        const auto f = refused([&] { net::listen_socket("unix:" + file); });
        REQUIRE(f);
        CHECK(std::string(f->what()).find("no socket") != std::string::npos);
        CHECK(exists(file));
        const auto g = refused([&] { net::listen_socket("unix:" + dir.file("no/such/dir")); });
        REQUIRE(g);
        CHECK(g->context("address") == "unix:" + dir.file("no/such/dir"));
    });
}

TEST_CASE("connecting to nobody is unavailable, not sent, and names the path") {
    testing::run_real([]() -> awaitable<void> {
        const temporary_directory dir;
        for (const bool stale : {false, true}) {
            const std::string path = dir.file("none.sock");
            if (stale) leave_stale(path);
            auto r = co_await attempt(dial(path));
            REQUIRE(!r);
            CHECK(r.error().kind() == failure_kind::unavailable);
            CHECK(r.error().delivered() == delivery::not_sent);
            CHECK(r.error().domain() == failure_domain::transport);
            CHECK(r.error().context("path") == path);
        }
    });
}

TEST_CASE("a connect waits for a place in a full queue, and gives up in time or when cancelled") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        const std::string name = "@weft full queue " + std::to_string(::getpid());
        net::listener listener(ex, "unix:" + name, {.backlog = 1});
        std::vector<io::stream> waiting;
        const net::unix_domain::connector impatient(name, {.timeout = 0ms});
        for (int i = 0; i < 10; ++i) {
            auto r = co_await attempt(impatient.serve(net::connect_request()));
            if (!r) {
                CHECK(r.error().kind() == failure_kind::timeout);
                break;
            }
            waiting.push_back(std::move(*r));
        }
        CHECK(waiting.size() < 10);
        auto cancelled = co_await attempt(with_deadline(5ms, dial(name)));
        REQUIRE(!cancelled);
        CHECK(cancelled.error().kind() == failure_kind::timeout);
        auto accept_later = [&]() -> awaitable<void> {
            co_await sleep_for(3ms);
            io::stream one = co_await listener.accept();
        };
        auto [in, nothing] = co_await when_all(dial(name), accept_later());
        CHECK(in);
    });
}

TEST_CASE("net::serve serves a Unix socket, and removes its file when it drains") {
    testing::run_real([]() -> awaitable<void> {
        const temporary_directory dir;
        const std::string path = dir.file("app.sock");
        auto greet = [](io::stream s) -> awaitable<void> {
            co_await s.write(bytes::literal("hello"));
        };
        event listens;
        auto client = [&]() -> awaitable<void> {
            co_await listens.wait();
            io::stream s = co_await dial(path);
            std::array<char, 8> memory;
            const std::size_t n = co_await s.read(asio::buffer(memory));
            CHECK(n == 5);
        };
        net::serve_options options;
        options.file.permissions = 0660;
        options.on_listening = [&](const net::any_endpoint& at) {
            CHECK(net::to_string(at) == "unix:" + path);
            listens.set();
        };
        co_await when_any(net::serve("unix:" + path, greet, options), client());
        CHECK(!exists(path));
    });
}

TEST_CASE("descriptors are passed with their bytes, and arrive open and close-on-exec") {
    testing::run_real([]() -> awaitable<void> {
        auto pair = co_await connect_pair(co_await asio::this_coro::executor);
        io::stream& a = pair.first;
        io::stream& b = pair.second;
        std::array<int, 2> pipe{};
        REQUIRE(::pipe2(pipe.data(), O_CLOEXEC) == 0);
        const net::file_descriptor out(pipe[0]);
        net::file_descriptor in(pipe[1]);
        std::array passed{in.get()};
        co_await net::unix_domain::send_descriptors(a, asio::buffer("take", 4), passed);
        in.reset();

        std::array<char, 16> memory;
        auto got = co_await net::unix_domain::receive_descriptors(b, asio::buffer(memory));
        CHECK(std::string_view(memory.data(), got.bytes) == "take");
        CHECK(!got.truncated);
        REQUIRE(got.descriptors.size() == 1);
        const int fd = got.descriptors[0].get();
        CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        CHECK(::write(fd, "x", 1) == 1);
        got.descriptors.clear();
        CHECK(::read(out.get(), memory.data(), 2) == 1);
        CHECK(::read(out.get(), memory.data(), 2) == 0);  // nobody else holds the other end

        // The stream goes on as before, in both directions.
        co_await a.write(bytes::literal("bye"));
        std::size_t n = co_await b.read(asio::buffer(memory));
        CHECK(n == 3);
        co_await b.write(bytes::literal("ok"));
        n = co_await a.read(asio::buffer(memory));
        CHECK(n == 2);
    });
}

// UBSan's checks need descriptors of their own, and take their lack for a broken object.
#if !TEST_UNDER_UBSAN
TEST_CASE("descriptors that this process has no numbers for are told of") {
    testing::run_real([]() -> awaitable<void> {
        auto pair = co_await connect_pair(co_await asio::this_coro::executor);
        const std::array passed{0, 0};
        co_await net::unix_domain::send_descriptors(pair.first, asio::buffer("two", 3), passed);
        std::optional<no_descriptors> none(std::in_place);
        std::array<char, 16> memory;
        auto got =
            co_await net::unix_domain::receive_descriptors(pair.second, asio::buffer(memory));
        none.reset();
        CHECK(got.bytes == 3);
        CHECK(got.truncated);
        CHECK(got.descriptors.empty());
    });
}
#endif

TEST_CASE("receiving descriptors waits, is cancelled without loss, and sees the end") {
    testing::run_real([]() -> awaitable<void> {
        auto pair = co_await connect_pair(co_await asio::this_coro::executor);
        io::stream& a = pair.first;
        io::stream& b = pair.second;
        std::array<char, 16> memory;
        auto late = co_await attempt(
            with_deadline(5ms, net::unix_domain::receive_descriptors(b, asio::buffer(memory))));
        REQUIRE(!late);
        CHECK(late.error().kind() == failure_kind::timeout);
        std::vector<net::file_descriptor> mine;
        std::vector<int> numbers;
        for (int i = 0; i < 5; ++i) {
            mine.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
            numbers.push_back(mine.back().get());
        }
        auto send = [&]() -> awaitable<void> {
            co_await sleep_for(2ms);
            co_await net::unix_domain::send_descriptors(a, asio::buffer("5", 1), numbers);
        };
        auto [got, nothing] = co_await when_all(
            net::unix_domain::receive_descriptors(b, asio::buffer(memory), 3), send());
        CHECK(got.bytes == 1);
        CHECK(got.descriptors.size() == 3);
        CHECK(got.truncated);
        a.close();
        auto end = co_await net::unix_domain::receive_descriptors(b, asio::buffer(memory));
        CHECK(end.bytes == 0);
        CHECK(end.descriptors.empty());
    });
}

TEST_CASE("sending descriptors waits for room, and refuses what it cannot do") {
    testing::run_real([]() -> awaitable<void> {
        auto pair = co_await connect_pair(co_await asio::this_coro::executor);
        io::stream& a = pair.first;
        io::stream& b = pair.second;
        const std::string block(64 * 1024, 'x');
        io::error_code ec;
        std::size_t filled = 0;
        while (!ec) filled += a.try_write(asio::buffer(block), ec);
        const net::file_descriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        std::array passed{file.get()};
        const std::string text(300'000, 'y');
        auto drain = [&]() -> awaitable<std::size_t> {
            std::vector<char> memory(256 * 1024);
            std::size_t bytes = 0;
            std::size_t descriptors = 0;
            while (bytes < filled + text.size()) {
                auto got = co_await net::unix_domain::receive_descriptors(b, asio::buffer(memory));
                bytes += got.bytes;
                descriptors += got.descriptors.size();
            }
            co_return descriptors;
        };
        auto [nothing, descriptors] = co_await when_all(
            net::unix_domain::send_descriptors(a, asio::buffer(text), passed), drain());
        CHECK(descriptors == 1);

        auto empty =
            co_await attempt(net::unix_domain::send_descriptors(a, asio::const_buffer(), passed));
        REQUIRE(!empty);
        CHECK(empty.error().kind() == failure_kind::invalid_input);
        const std::vector<int> many(254, file.get());
        auto more =
            co_await attempt(net::unix_domain::send_descriptors(a, asio::buffer("x", 1), many));
        REQUIRE(!more);
        CHECK(more.error().kind() == failure_kind::invalid_input);
    });
}

TEST_CASE("a descriptor of a connected Unix socket becomes a stream, another does not") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        std::array<int, 2> fds{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()) == 0);
        io::stream a = net::unix_domain::adopt(ex, net::file_descriptor(fds[0]));
        io::stream b = net::unix_domain::adopt(ex, net::file_descriptor(fds[1]));
        co_await a.write(bytes::literal("hi"));
        std::array<char, 8> memory;
        const std::size_t n = co_await b.read(asio::buffer(memory));
        CHECK(n == 2);
        const auto f =
            refused([&] { net::unix_domain::adopt(ex, net::file_descriptor(::dup(0))); });
        REQUIRE(f);
        CHECK(f->kind() == failure_kind::invalid_input);
    });
}
