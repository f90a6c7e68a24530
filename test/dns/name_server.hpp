// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// A name server for tests: UDP and TCP on one port of 127.0.0.1, with answers and faults by name.

#include "resolvers.hpp"
#include <weft/net/tcp.hpp>
#include <weft/net/udp.hpp>
#include <weft/runtime/scope.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <string_view>

namespace resolvers {

/// What the server does when it is asked for a name.
struct behaviour {
    std::vector<std::string> addresses = {};
    std::uint32_t ttl = 60;
    std::string alias_of = {};  ///< a CNAME before them, with half the ttl
    unsigned code = 0;          ///< RCODE
    bool truncated = false;     ///< over UDP
    bool silent = false;
    bool garbage = false;
    std::chrono::milliseconds late{0};
    bool other_id = false;  ///< answers another question
};

class name_server {
  public:
    explicit name_server(const asio::any_io_executor& ex)
        : tcp_(ex, "127.0.0.1:0"), udp_(ex, tcp_.local_endpoint()) {}

    std::map<std::string, behaviour, std::less<>> names;
    int over_udp = 0;
    int over_tcp = 0;

    [[nodiscard]] net::endpoint endpoint() const { return udp_.local_endpoint(); }

    awaitable<void> serve_udp() {
        std::array<char, 2048> memory;
        for (;;) {
            auto got = co_await udp_.receive(asio::buffer(memory));
            ++over_udp;
            const std::string_view query(memory.data(), got.bytes);
            const behaviour* b = find(query);
            if (b && b->silent) continue;
            if (b && b->late.count() > 0) co_await sleep_for(b->late);
            std::string text = answer_to(query, b, true);
            if (b && b->garbage) text.resize(text.size() - 5, '\xff');
            co_await udp_.send_to(asio::buffer(text), got.from);
        }
    }

    awaitable<void> serve_tcp() {
        for (;;) {
            io::stream s = co_await tcp_.accept();
            if (!s) co_return;
            std::array<char, 2048> memory;
            std::size_t have = 0;
            while (have < 2 || have < 2 + length(memory)) {
                const std::size_t n =
                    co_await s.read(asio::buffer(memory.data() + have, memory.size() - have));
                if (n == 0) break;
                have += n;
            }
            ++over_tcp;
            const std::string_view query(memory.data() + 2, have - 2);
            std::string text = answer_to(query, find(query), false);
            const char prefix[] = {static_cast<char>(text.size() >> 8),
                                   static_cast<char>(text.size())};
            text.insert(0, prefix, 2);
            co_await s.write(weft::bytes(std::move(text)));
        }
    }

  private:
    static std::size_t length(const std::array<char, 2048>& m) {
        return static_cast<std::size_t>(static_cast<unsigned char>(m[0])) << 8 |
               static_cast<unsigned char>(m[1]);
    }
    static std::string name_of(std::string_view query) {
        std::string name;
        for (std::size_t at = 12; at < query.size() && query[at] != 0;) {
            const auto n = static_cast<unsigned char>(query[at]);
            (name += name.empty() ? "" : ".") += query.substr(at + 1, n);
            at += n + 1u;
        }
        return name;
    }
    [[nodiscard]] const behaviour* find(std::string_view query) const {
        const auto found = names.find(name_of(query));
        return found == names.end() ? nullptr : &found->second;
    }
    static void number(std::string& to, std::uint32_t n, int size) {
        for (int i = size - 1; i >= 0; --i) to += static_cast<char>(n >> (8 * i));
    }
    static std::string wire(std::string_view name) {
        std::string text;
        while (!name.empty()) {
            const auto dot = name.find('.');
            const std::string_view label = name.substr(0, dot);
            text += static_cast<char>(label.size());
            text += label;
            name = dot == name.npos ? std::string_view() : name.substr(dot + 1);
        }
        return text + '\0';
    }

    static std::string answer_to(std::string_view query, const behaviour* b, bool udp) {
        const std::string name = wire(name_of(query));
        const std::string_view question = query.substr(12, name.size() + 4);
        const bool wants_v6 = question[name.size() + 1] == 28;
        std::string records;
        unsigned count = 0;
        std::string owner("\xc0\x0c", 2);
        const auto record = [&](unsigned type, std::uint32_t ttl, std::string_view data) {
            records += owner;
            number(records, type, 2);
            number(records, 1, 2);
            number(records, ttl, 4);
            number(records, static_cast<std::uint32_t>(data.size()), 2);
            records += data;
            ++count;
        };
        unsigned code = b ? b->code : 3;
        const bool cut = b && b->truncated && udp;
        if (b && code == 0 && !cut) {
            if (!b->alias_of.empty()) {
                const std::string target = wire(b->alias_of);
                record(5, b->ttl / 2, target);
                owner = target;
            }
            for (const std::string& text : b->addresses) {
                const auto ip = asio::ip::make_address(text);
                if (ip.is_v6() != wants_v6) continue;
                if (wants_v6) {
                    const auto raw = ip.to_v6().to_bytes();
                    record(28, b->ttl, {reinterpret_cast<const char*>(raw.data()), raw.size()});
                } else {
                    const auto raw = ip.to_v4().to_bytes();
                    record(1, b->ttl, {reinterpret_cast<const char*>(raw.data()), raw.size()});
                }
            }
        }
        std::string text(query.substr(0, 2));
        if (b && b->other_id) text[0] = static_cast<char>(text[0] ^ 0x55);
        text += static_cast<char>(cut ? 0x87 : 0x85);
        text += static_cast<char>(0x80 | code);
        number(text, 1, 2);
        number(text, count, 2);
        number(text, 0, 4);
        text += question;
        return text + records;
    }

    net::tcp::listener tcp_;
    net::udp::socket udp_;
};

}  // namespace resolvers
