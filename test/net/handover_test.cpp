// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "generations.hpp"
#include "temporary.hpp"
#include <weft/core/attempt.hpp>
#include <weft/core/failure.hpp>
#include <weft/net/handover.hpp>
#include <weft/net/inherited.hpp>
#include <weft/net/listener.hpp>
#include <weft/net/serve.hpp>
#include <weft/net/tcp.hpp>
#include <weft/net/unix.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/run.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sys/socket.h>

using namespace weft;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

/// Answers each byte with its name, until the client has had enough.
struct answering {
    char name;
    awaitable<void> serve(io::stream s) const {
        char question = 0;
        while (co_await s.read(asio::buffer(&question, 1)))
            co_await s.write(asio::buffer(&name, 1));
    }
};

/// A server in a process of its own that takes over from the one before it.
generation::program server(char name, std::string meeting) {
    return [name, meeting](std::function<void(std::uint16_t)> report) -> awaitable<void> {
        auto self = co_await net::handover::begin(meeting);
        net::serve_options options;
        options.on_listening = [&](const net::any_endpoint& at) {
            self.ready();
            report(at.port());
        };
        auto web = self.socket("web", "127.0.0.1:0");
        co_await self.run(net::serve(std::move(web), answering{name}, options));
    };
}

struct tally {
    std::map<char, int> answers;
    std::vector<std::string> failures;
    int connections = 0;
};

/// One connection after the other, with one to three questions each; now and then it thinks.
awaitable<void> hammer(std::uint16_t port, unsigned seed, tally& sum, const bool& enough) {
    while (!enough) {
        std::string at = "connect";
        auto once = [&]() -> awaitable<void> {
            net::connect_request to("127.0.0.1", port);
            io::stream s = co_await net::tcp::connect.serve(std::move(to));
            ++sum.connections;
            for (unsigned i = 0; i <= seed % 3; ++i) {
                seed = seed * 1103515245u + 12345u;
                if (seed % 64 == 0) co_await sleep_for(1ms);
                at = "write";
                co_await s.write(bytes::literal("?"));
                at = "read";
                char name = 0;
                const std::size_t n = co_await s.read(asio::buffer(&name, 1));
                if (n == 0) throw failure(failure_kind::unavailable, "no answer");
                ++sum.answers[name];
            }
        };
        auto r = co_await attempt(once());
        if (!r) sum.failures.push_back(at + ": " + r.error().what());
    }
}

}  // namespace

TEST_CASE("three processes follow one another under load: not one connection is refused or reset") {
    const temporary_directory dir;
    const std::string meeting = dir.file("handover");
    std::vector<std::unique_ptr<generation>> processes;
    for (const char name : {'a', 'b', 'c'})
        processes.push_back(std::make_unique<generation>(server(name, meeting)));
    processes[0]->go();
    const std::uint16_t port = processes[0]->reported();
    REQUIRE(port != 0);

    tally sum;
    testing::run_real([&]() -> awaitable<void> {
        co_await with_scope([&](task_scope& scope) -> awaitable<void> {
            bool enough = false;
            for (unsigned i = 0; i < 32; ++i) scope.spawn(hammer(port, i, sum, enough));
            for (std::size_t next = 1; next < processes.size(); ++next) {
                const char before = static_cast<char>('a' + next - 1);
                while (sum.answers[before] < 1000) co_await sleep_for(1ms);
                processes[next]->go();
                // The new one answers, the old one comes to its end; the load goes on.
                while (sum.answers[static_cast<char>(before + 1)] < 1000 ||
                       !processes[next - 1]->has_something_to_say())
                    co_await sleep_for(1ms);
            }
            enough = true;
            while (scope.size() > 0) co_await sleep_for(1ms);
        });
    });
    CHECK(processes[0]->wait() == 0);
    CHECK(processes[1]->reported() == port);
    CHECK(processes[1]->wait() == 0);
    processes[2]->terminate();
    CHECK(processes[2]->wait() == 0);
    for (const std::string& f : sum.failures) CHECK(f == "");
    for (const char name : {'a', 'b', 'c'}) CHECK(sum.answers[name] >= 1000);
    MESSAGE(sum.connections, " connections, answered by a: ", sum.answers['a'],
            " b: ", sum.answers['b'], " c: ", sum.answers['c'], ", failed: ", sum.failures.size());
}

TEST_CASE("a successor that fails before it is ready changes nothing; the next one takes over") {
    testing::run_real([]() -> awaitable<void> {
        const temporary_directory dir;
        const std::string meeting = dir.file("handover");
        const std::string path = dir.file("app.sock");
        auto first = co_await net::handover::begin(meeting);
        CHECK(!first.took_over());
        event listens;
        net::serve_options options;
        options.on_listening = [&](const net::any_endpoint&) {
            first.ready();
            listens.set();
        };
        auto ask = [&]() -> awaitable<char> {
            const net::unix_domain::connector connect(path);
            io::stream s = co_await connect.serve(net::connect_request());
            co_await s.write(bytes::literal("?"));
            char name = 0;
            co_await s.read(asio::buffer(&name, 1));
            co_return name;
        };
        auto app = first.socket("app", "unix:" + path);
        auto old = [&]() -> awaitable<void> {
            auto serving = net::serve(std::move(app), answering{'1'}, options);
            co_await first.run(std::move(serving));
        };
        auto rest = [&]() -> awaitable<void> {
            co_await listens.wait();
            {
                auto failing = co_await net::handover::begin(meeting);
                CHECK(failing.took_over());
                auto socket = failing.socket("app", "unix:/not/used");
                CHECK(net::to_string(socket.local_endpoint()) == "unix:" + path);
            }
            CHECK(::access(path.c_str(), F_OK) == 0);
            CHECK(::access(meeting.c_str(), F_OK) == 0);
            char name = co_await ask();
            CHECK(name == '1');
            CHECK(!first.replaced());
            auto second = co_await net::handover::begin(meeting);
            auto socket = second.socket("app", "unix:/not/used");
            net::serve_options next;
            next.on_listening = [&](const net::any_endpoint&) { second.ready(); };
            auto client = [&]() -> awaitable<void> {
                while (!first.replaced()) co_await sleep_for(1ms);
                char who = co_await ask();
                CHECK(who == '2');
            };
            auto serving = net::serve(std::move(socket), answering{'2'}, next);
            co_await when_any(second.run(std::move(serving)), client());
            // The second one had the file, and took it along.
            CHECK(::access(path.c_str(), F_OK) != 0);
        };
        co_await when_all(old(), rest());
        CHECK(first.replaced());
        CHECK(::access(meeting.c_str(), F_OK) != 0);
    });
}

TEST_CASE("a socket that a successor does not ask for is closed when it is ready") {
    testing::run_real([]() -> awaitable<void> {
        const temporary_directory dir;
        const std::string meeting = dir.file("handover");
        auto first = co_await net::handover::begin(meeting);
        first.ready();
        auto kept = first.socket("kept", "127.0.0.1:0");
        net::endpoint unwanted;
        {
            auto dropped = first.socket("dropped", "127.0.0.1:0");
            unwanted = dropped.local_endpoint().ip();
        }
        auto forever = []() -> awaitable<void> { co_await sleep_for(1h); };
        auto reach = [&]() -> awaitable<bool> {
            net::connect_request to("127.0.0.1", unwanted.port());
            auto r = co_await attempt(net::tcp::connect.serve(std::move(to)));
            co_return r.has_value();
        };
        auto rest = [&]() -> awaitable<void> {
            auto second = co_await net::handover::begin(meeting);
            REQUIRE(second.took_over());
            auto mine = second.socket("kept", "127.0.0.1:0");
            CHECK(mine.local_endpoint().port() == kept.local_endpoint().port());
            const bool before = co_await reach();
            CHECK(before);
            second.ready();
            auto look = [&]() -> awaitable<void> {
                while (!first.replaced()) co_await sleep_for(1ms);
                while (co_await reach()) co_await sleep_for(1ms);
            };
            co_await when_any(second.run(forever()), look());
        };
        co_await when_all(first.run(forever()), rest());
    });
}

TEST_CASE("a successor that never becomes ready is given up, and one that talks nonsense too") {
    testing::run_real([]() -> awaitable<void> {
        const temporary_directory dir;
        const std::string meeting = dir.file("handover");
        auto first = co_await net::handover::begin(meeting, {.timeout = 20ms});
        first.ready();
        auto visitors = [&]() -> awaitable<void> {
            const net::unix_domain::connector connect(meeting);
            for (const char* words : {"GET / HTTP/1.1\r\n", "weft handover 1\n"}) {
                io::stream s = co_await connect.serve(net::connect_request());
                co_await s.write(asio::buffer(words, 16));
                std::array<char, 64> memory;
                std::size_t n = 1;
                while (n > 0) {
                    auto r = co_await attempt(s.read(asio::buffer(memory)));
                    n = r ? *r : 0;
                }
            }
            auto second = co_await net::handover::begin(meeting);
            CHECK(second.took_over());
            CHECK(!first.replaced());
        };
        auto forever = []() -> awaitable<void> { co_await sleep_for(1h); };
        co_await when_any(first.run(forever()), visitors());
    });
}

TEST_CASE("the names of handed sockets are checked, and what throws in the server comes out") {
    testing::run_real([]() -> awaitable<void> {
        const temporary_directory dir;
        auto self = co_await net::handover::begin("unix:" + dir.file("h"));
        auto one = self.socket("one", "127.0.0.1:0");
        for (const std::string& bad : {std::string(), std::string("one"), std::string(256, 'x')}) {
            bool refused = false;
            try {
                auto never = self.socket(bad, "127.0.0.1:0");
            } catch (const failure& f) {
                refused = f.kind() == failure_kind::invalid_input;
            }
            CHECK(refused);
        }
        auto throws = []() -> awaitable<void> {
            co_await sleep_for(1ms);
            throw failure(failure_kind::internal, "broken");
        };
        auto r = co_await attempt(self.run(throws()));
        REQUIRE(!r);
        CHECK(r.error().message() == "broken");
        // Nothing is held any more: not even the queue.
        const net::endpoint at = one.local_endpoint();
        one = net::listen_socket();
        net::connect_request to("127.0.0.1", at.port());
        auto c = co_await attempt(net::tcp::connect.serve(std::move(to)));
        CHECK(!c);
    });
}

// Inherited sockets
// -------------------------------------------------------------------------------------------------

namespace {

/// In a process of its own, as its starter would prepare it: sockets from number 3 on, without
/// close-on-exec. The check's result is the process's.
int started_with(int sockets, const char* count, const char* names, bool mine,
                 const std::function<bool()>& check) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        for (int i = 3; i < 64; ++i) ::close(i);
        for (int i = 0; i < sockets; ++i) {
            const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
            if (fd != 3 + i || ::listen(fd, 8) != 0) ::_exit(9);
        }
        ::setenv("LISTEN_FDS", count, 1);
        if (names) ::setenv("LISTEN_FDNAMES", names, 1);
        ::setenv("LISTEN_PID", std::to_string(mine ? ::getpid() : 1).c_str(), 1);
        bool good = false;
        try {
            good = check();
        } catch (const failure& f) {
            std::fputs(f.what(), stderr);
        }
        ::_exit(good ? 0 : 1);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

bool says_invalid(const std::function<void()>& f, const std::string& part) {
    try {
        f();
        return false;
    } catch (const failure& e) {
        return e.kind() == failure_kind::invalid_input &&
               std::string(e.what()).find(part) != std::string::npos;
    }
}

}  // namespace

TEST_CASE("sockets that the process was started with are taken by name, once") {
    CHECK(started_with(3, "3", "web:admin:web", true, [] {
              auto all = net::take_inherited();
              return all.size() == 3 && all[0].name == "web" && all[1].name == "admin" &&
                     all[2].descriptor.get() == 5 && net::take_inherited().empty() &&
                     (::fcntl(4, F_GETFD) & FD_CLOEXEC) != 0;
          }) == 0);
    CHECK(started_with(2, "2", nullptr, true, [] {
              auto all = net::take_inherited();
              return all.size() == 2 && all[1].name == "unknown";
          }) == 0);
    CHECK(started_with(2, "2", "web:admin", true, [] {
              const net::listen_socket admin("systemd:admin");
              return admin.native_socket() == 4 && admin.local_endpoint().port() != 0 &&
                     says_invalid([] { net::listen_socket("systemd:admin"); }, "taken before") &&
                     says_invalid([] { net::listen_socket("systemd:other"); }, "web, admin") &&
                     says_invalid([] { net::listen_socket("systemd:"); }, "more than one") &&
                     net::listen_socket("fd:3").native_socket() == 3;
          }) == 0);
    CHECK(started_with(1, "1", nullptr, true,
                       [] { return net::listen_socket("systemd:").native_socket() == 3; }) == 0);
}

TEST_CASE("what was meant for another process, or makes no sense, is not taken") {
    CHECK(started_with(1, "1", nullptr, false, [] {
              return net::take_inherited().empty() &&
                     says_invalid([] { net::listen_socket("systemd:"); }, "was given no sockets");
          }) == 0);
    CHECK(started_with(1, "many", nullptr, true, [] {
              return says_invalid([] { net::take_inherited(); }, "LISTEN_FDS=many");
          }) == 0);
    CHECK(started_with(1, "-1", nullptr, true, [] {
              return says_invalid([] { net::take_inherited(); }, "LISTEN_FDS=-1");
          }) == 0);
    CHECK(started_with(0, "1", nullptr, true, [] {
              return says_invalid([] { net::listen_socket("systemd:"); }, "is closed");
          }) == 0);
    for (const char* bad : {"fd:", "fd:2", "fd:x", "fd:-1"})
        CHECK(says_invalid([bad] { net::listen_socket{bad}; }, bad));
}

TEST_CASE("a server serves a socket that it was started with") {
    CHECK(started_with(1, "1", "web", true, [] {
              bool answered = false;
              const int status = weft::run([&]() -> awaitable<void> {
                  event listens;
                  std::uint16_t port = 0;
                  net::serve_options options;
                  options.on_listening = [&](const net::any_endpoint& at) {
                      port = at.port();
                      listens.set();
                  };
                  auto client = [&]() -> awaitable<void> {
                      co_await listens.wait();
                      net::connect_request to("127.0.0.1", port);
                      io::stream s = co_await net::tcp::connect.serve(std::move(to));
                      co_await s.write(bytes::literal("?"));
                      char name = 0;
                      co_await s.read(asio::buffer(&name, 1));
                      answered = name == 's';
                  };
                  co_await when_any(net::serve("systemd:web", answering{'s'}, options), client());
              });
              return answered && status == 0;
          }) == 0);
}
