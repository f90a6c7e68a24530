// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "stream_trial.hpp"
#include <weft/testing/stream_suite.hpp>

#include <array>
#include <vector>

namespace weft::testing {

namespace asio = boost::asio;

void stream_trial::fail(std::string_view what, here where) {
    throw stream_law_broken(std::string(where.file_name()) + ":" + std::to_string(where.line()) +
                            ": " + std::string(what));
}

void stream_trial::expect_text(io::stream& s, std::string_view text, here where) {
    std::string got;
    std::array<char, 4096> memory;
    while (got.size() < text.size()) {
        completion_record r;
        s.async_read_some(
            asio::buffer(memory.data(), std::min(memory.size(), text.size() - got.size())),
            r.handler());
        wait(r, where);
        if (r.code)
            fail("expected \"" + std::string(text.substr(0, 40)) + "\", got " + r.code.message() +
                     " after " + std::to_string(got.size()) + " bytes",
                 where);
        got.append(memory.data(), r.bytes);
    }
    if (got != text) fail("other bytes than were written", where);
}

void stream_trial::expect_end(io::stream& s, io::error_code code, here where) {
    std::array<char, 16> memory;
    completion_record r;
    s.async_read_some(asio::buffer(memory), r.handler());
    wait(r, where);
    expect(r, code, where);
    if (r.bytes != 0) fail("an error with bytes", where);
}

void stream_trial::send(io::stream& s, std::string_view text, here where) {
    while (!text.empty()) {
        completion_record r;
        s.async_write_some(asio::buffer(text), r.handler());
        wait(r, where);
        if (r.code) fail("write: " + r.code.message(), where);
        if (r.bytes == 0) fail("a write of nothing", where);
        text.remove_prefix(r.bytes);
    }
}

std::size_t stream_trial::stick(io::stream& s, completion_record& pending, here where) {
    static const std::string block(64 * 1024, 'f');
    for (std::size_t sum = 0; sum < 128 * 1024 * 1024; sum += pending.bytes) {
        pending = completion_record();
        s.async_write_some(asio::buffer(block), pending.handler());
        // A network moves bytes on while we look: stuck means that it stays stuck.
        for (int i = 0; i < 16 && !pending.done(); ++i) settle();
        if (!pending.done()) return sum;
        if (pending.code) fail("write: " + pending.code.message(), where);
    }
    fail("takes bytes without end and without a reader", where);
}

void stream_trial::drain(io::stream& s, std::size_t n, here where) {
    std::vector<char> memory(64 * 1024);
    while (n > 0) {
        completion_record r;
        s.async_read_some(asio::buffer(memory.data(), std::min(n, memory.size())), r.handler());
        wait(r, where);
        if (r.code) fail("read: " + r.code.message(), where);
        n -= r.bytes;
    }
}

std::string stream_suite::check(const stream_law& law) const {
    try {
        stream_trial trial(make_, options_);
        law.check(trial);
        return {};
    } catch (const stream_law_broken& broken) {
        return broken.what();
    } catch (const std::exception& other) {
        return std::string("threw ") + other.what();
    }
}

std::span<const stream_law> stream_laws() {
    static const std::vector<stream_law> all = [] {
        std::vector<stream_law> laws;
        for (auto part : {transfer_laws(), pending_laws(), ending_laws(), asio_laws()})
            laws.insert(laws.end(), part.begin(), part.end());
        return laws;
    }();
    return all;
}

}  // namespace weft::testing
