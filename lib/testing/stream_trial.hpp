// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/testing/stream_suite.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft::testing {

/// What one operation came to.
struct completion_record {
    int calls = 0;
    io::error_code code;
    std::size_t bytes = 0;

    [[nodiscard]] bool done() const noexcept { return calls > 0; }
    /// A completion handler that fills this.
    [[nodiscard]] auto handler() noexcept {
        return [this](io::error_code ec, std::size_t n = 0) {
            ++calls;
            code = ec;
            bytes = n;
        };
    }
    [[nodiscard]] auto code_handler() noexcept {
        return [this](io::error_code ec) {
            ++calls;
            code = ec;
        };
    }
};

/// The room that a law runs in: an io_context, a fresh pair, and ways to wait and to complain.
class stream_trial {
  public:
    using here = std::source_location;

    stream_trial(const stream_pair_factory& make, const stream_suite_options& o)
        : options(o), make_(make), context_(std::make_unique<boost::asio::io_context>(1)) {
        std::tie(a, b) = pair();
    }

    const stream_suite_options options;

    boost::asio::io_context& context() { return *context_; }
    boost::asio::any_io_executor executor() { return context_->get_executor(); }

    stream_pair pair() { return pair(*context_); }
    stream_pair pair(boost::asio::io_context& context) {
        stream_pair made;
        bool done = false;
        std::exception_ptr failed;
        boost::asio::co_spawn(context, make_(context.get_executor()),
                              [&](std::exception_ptr e, stream_pair p) {
                                  done = true;
                                  failed = e;
                                  made = std::move(p);
                              });
        drive(context, [&] { return done; }, "the factory gave no pair", here::current());
        if (failed) std::rethrow_exception(failed);
        return made;
    }

    /// Runs the context until `until()` holds.
    template <class Predicate>
    void wait(Predicate until, here where = here::current()) {
        drive(*context_, std::move(until), "it never happened", where);
    }
    void wait(const completion_record& r, here where = here::current()) {
        drive(*context_, [&] { return r.done(); }, "the operation never completed", where);
    }

    /// Runs what is ready, a few times over.
    void settle() {
        for (int i = 0; i < 4; ++i) {
            context_->restart();
            context_->poll();
        }
    }

    void expect(bool holds, std::string_view what, here where = here::current()) const {
        if (!holds) fail(what, where);
    }
    void expect(const completion_record& r, io::error_code code,
                here where = here::current()) const {
        if (r.code != code) fail("expected " + code.message() + ", got " + r.code.message(), where);
        if (r.calls != 1) fail("completed " + std::to_string(r.calls) + " times", where);
    }
    void expect(const completion_record& r, io::error_code code, std::size_t bytes,
                here where = here::current()) const {
        expect(r, code, where);
        if (r.bytes != bytes)
            fail("expected " + std::to_string(bytes) + " bytes, got " + std::to_string(r.bytes),
                 where);
    }

    /// Waits for exactly this text from `s`.
    void expect_text(io::stream& s, std::string_view text, here where = here::current());
    /// Waits for `code` (and no byte before it) from a read on `s`.
    void expect_end(io::stream& s, io::error_code code, here where = here::current());
    /// Writes all of it, waiting.
    void send(io::stream& s, std::string_view text, here where = here::current());
    /// Writes until a write stays pending, recorded in `pending`; how many bytes were taken before
    /// it.
    std::size_t stick(io::stream& s, completion_record& pending, here where = here::current());
    /// Reads n bytes and throws them away.
    void drain(io::stream& s, std::size_t n, here where = here::current());

    [[noreturn]] static void fail(std::string_view what, here where);

  private:
    template <class Predicate>
    static void drive(boost::asio::io_context& context, Predicate until, std::string_view what,
                      here where) {
        while (!until()) {
            context.restart();
            if (context.run_one_for(std::chrono::seconds(10)) == 0) fail(what, where);
        }
    }

    const stream_pair_factory& make_;
    std::unique_ptr<boost::asio::io_context> context_;

  public:
    io::stream a;
    io::stream b;
};

struct stream_law_broken : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The laws, by subject.
std::span<const stream_law> transfer_laws();
std::span<const stream_law> pending_laws();
std::span<const stream_law> ending_laws();
std::span<const stream_law> asio_laws();

}  // namespace weft::testing
