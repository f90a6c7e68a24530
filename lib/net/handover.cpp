// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "inherited.hpp"
#include <weft/core/failure.hpp>
#include <weft/io/stream.hpp>
#include <weft/net/handover.hpp>
#include <weft/net/inherited.hpp>
#include <weft/net/listener.hpp>
#include <weft/net/unix.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include <unistd.h>

namespace weft::net {

namespace asio = boost::asio;

// What the two say, over a Unix stream:
//     successor    "weft handover 1\n"
//     predecessor  how many sockets, two bytes, big end first; then for each its name's length,
//                  one byte, with the descriptor; and the name. The first, without a name, is the
//                  socket on which they met.
//     successor    "ready\n", when it serves
//     predecessor  "yours\n", when it has stopped accepting
// Either may hang up before "yours": then nothing has happened.

namespace {

constexpr std::string_view hello = "weft handover 1\n";
constexpr std::string_view ready_word = "ready\n";
constexpr std::string_view yours_word = "yours\n";

awaitable<void> read_exactly(io::stream& s, char* to, std::size_t n) {
    while (n > 0) {
        const std::size_t got = co_await s.read(asio::buffer(to, n));
        if (got == 0) throw failure::from(asio::error::eof, "the other process hung up");
        to += got;
        n -= got;
    }
}

awaitable<void> expect_word(io::stream& s, std::string_view word) {
    std::array<char, 32> memory;
    co_await read_exactly(s, memory.data(), word.size());
    if (std::string_view(memory.data(), word.size()) != word)
        throw failure(failure_kind::protocol, "the other process speaks another language");
}

/// Of our own user, or root.
bool trusted(const io::stream& s) {
    const auto* who = s.extensions().get<peer_credentials>();
    return who && (who->user == ::geteuid() || who->user == 0);
}

struct named_socket {
    std::string name;
    file_descriptor descriptor;
};

awaitable<std::vector<named_socket>> take_sockets(io::stream& from) {
    co_await from.write(asio::buffer(hello));
    std::array<unsigned char, 2> count{};
    co_await read_exactly(from, reinterpret_cast<char*>(count.data()), count.size());
    std::vector<named_socket> all(static_cast<std::size_t>(count[0] << 8 | count[1]));
    for (named_socket& one : all) {
        unsigned char length = 0;
        auto got = co_await unix_domain::receive_descriptors(from, asio::buffer(&length, 1), 1);
        if (got.bytes != 1 || got.descriptors.size() != 1)
            throw failure(failure_kind::protocol, "a socket was announced and did not come");
        one.descriptor = std::move(got.descriptors[0]);
        one.name.resize(length);
        co_await read_exactly(from, one.name.data(), length);
    }
    if (all.empty() || !all[0].name.empty())
        throw failure(failure_kind::protocol, "the meeting socket did not come");
    co_return std::move(all);
}

}  // namespace

struct handover::state {
    struct entry {
        std::string name;
        listen_socket socket;
    };

    std::string path;
    handover_options options;
    /// Until it has been told; null when there is none.
    io::stream predecessor;
    std::vector<named_socket> given;  // and not asked for yet
    listen_socket meeting;
    std::vector<entry> sockets;
    event ready;
    bool took_over = false;
    std::atomic<bool> replaced{false};

    void take(std::vector<named_socket> all) {
        listen_options listening;
        meeting = listen_socket(std::move(all[0].descriptor), listening);
        meeting.take_file(listening.file);
        all.erase(all.begin());
        given = std::move(all);
        took_over = true;
    }

    listen_socket find(const std::string& name, std::string_view address, const listen_options& o) {
        for (auto g = given.begin(); g != given.end(); ++g) {
            if (g->name != name) continue;
            listen_socket found(std::move(g->descriptor), o);
            given.erase(g);
            found.take_file(o.file);
            return found;
        }
        if (auto inherited = detail::take_inherited_named(name))
            return listen_socket(std::move(*inherited), o);
        return listen_socket(address, o);
    }

    /// Says that we serve. A predecessor that is gone by now has nothing to stop.
    awaitable<void> tell_predecessor() {
        co_await ready.wait();
        given.clear();
        if (!predecessor) co_return;
        const auto talk = [](io::stream& to) -> awaitable<void> {
            co_await to.write(asio::buffer(ready_word));
            co_await expect_word(to, yours_word);
        };
        std::exception_ptr thrown;
        try {
            co_await with_deadline(options.timeout, talk(predecessor));
        } catch (...) {
            thrown = std::current_exception();
        }
        predecessor = io::stream();
        if (thrown && failure::from(thrown).kind() == failure_kind::cancelled)
            std::rethrow_exception(thrown);
        // Only now: a successor that fails before leaves everything in its place.
        if (took_over) {
            meeting.own_file();
            for (entry& e : sockets) e.socket.own_file();
        }
    }

    /// Completes when a successor serves in our place.
    awaitable<void> offer() {
        struct closing {
            state& self;
            ~closing() {
                // Our own end, or a successor: either way nobody may wait in a queue that we hold.
                self.meeting = listen_socket();
                self.sockets.clear();
            }
        } at_the_end{*this};
        co_await tell_predecessor();
        listener meets(co_await asio::this_coro::executor, meeting.duplicate());
        while (io::stream successor = co_await meets.accept()) {
            if (!trusted(successor)) continue;
            std::exception_ptr thrown;
            try {
                co_await with_deadline(options.timeout, hand_over_to(successor));
            } catch (...) {
                thrown = std::current_exception();
            }
            if (!thrown) co_return;
            // It failed before it was ready, or said nothing: we go on. Unless it is we who end.
            if (failure::from(thrown).kind() == failure_kind::cancelled)
                std::rethrow_exception(thrown);
        }
    }

    awaitable<void> hand_over_to(io::stream& successor) {
        co_await expect_word(successor, hello);
        const std::size_t count = sockets.size() + 1;
        const std::array<unsigned char, 2> announced{static_cast<unsigned char>(count >> 8),
                                                     static_cast<unsigned char>(count & 0xff)};
        co_await successor.write(asio::buffer(announced));
        co_await send_one(successor, {}, meeting.native_socket());
        for (const entry& e : sockets)
            co_await send_one(successor, e.name, e.socket.native_socket());
        co_await expect_word(successor, ready_word);
        // From here on there is no way back, and nothing waits.
        replaced.store(true, std::memory_order_release);
        meeting.hand_over();
        for (entry& e : sockets) e.socket.hand_over();
        io::error_code ignored;
        successor.try_write(asio::buffer(yours_word), ignored);
    }

    static awaitable<void> send_one(io::stream& to, std::string name, int socket) {
        name.insert(name.begin(), static_cast<char>(static_cast<unsigned char>(name.size())));
        const std::array passed{socket};
        co_await unix_domain::send_descriptors(to, asio::buffer(name), passed);
    }
};

handover::handover(std::shared_ptr<state> s) noexcept : state_(std::move(s)) {}
handover::handover(handover&&) noexcept = default;
handover& handover::operator=(handover&&) noexcept = default;
handover::~handover() = default;

awaitable<handover> handover::begin(std::string path, handover_options options) {
    auto s = std::make_shared<state>();
    s->path = path;
    s->options = options;
    const unix_domain::connector connect(path, {.timeout = options.timeout});
    std::optional<failure> nobody;
    try {
        s->predecessor = co_await connect.serve(connect_request());
    } catch (const failure& f) {
        nobody = f;
    }
    if (nobody) {
        if (nobody->kind() != failure_kind::unavailable) throw std::move(*nobody);
        s->meeting = listen_socket(path.starts_with("unix:") ? path : "unix:" + path);
        co_return handover(std::move(s));
    }
    if (!trusted(s->predecessor))
        throw failure(failure_kind::rejected, "another user's process listens for a handover")
            .with("path", path);
    std::optional<failure> failed;
    try {
        auto all = co_await with_deadline(options.timeout, take_sockets(s->predecessor));
        s->take(std::move(all));
    } catch (const failure& f) {
        failed = f;
    }
    if (failed) throw std::move(*failed).with("path", path);
    co_return handover(std::move(s));
}

bool handover::took_over() const noexcept { return state_->took_over; }
bool handover::replaced() const noexcept {
    return state_->replaced.load(std::memory_order_acquire);
}
void handover::ready() noexcept { state_->ready.set(); }

listen_socket handover::socket(std::string_view name, std::string_view address,
                               const listen_options& options) {
    const std::string key(name);
    const bool known = std::any_of(state_->sockets.begin(), state_->sockets.end(),
                                   [&](const state::entry& e) { return e.name == key; });
    if (key.empty() || key.size() > 255 || known)
        throw failure(failure_kind::invalid_input,
                      known ? "a socket of that name was asked for before"
                            : "the name of a socket has 1 to 255 bytes")
            .with("name", key);
    listen_socket found = state_->find(key, address, options);
    listen_socket given = found.duplicate();
    state_->sockets.push_back({key, std::move(found)});
    return given;
}

awaitable<void> handover::run_on(std::shared_ptr<state> s, awaitable<void> server,
                                 std::source_location where) {
    co_await when_any(std::move(server), s->offer(), where);
}

awaitable<void> handover::run(awaitable<void> server, std::source_location where) {
    return run_on(state_, std::move(server), where);
}

}  // namespace weft::net
