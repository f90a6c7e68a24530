// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "run_common.hpp"
#include <weft/runtime/deadlines.hpp>
#include <weft/testing/counters.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include <chrono>
#include <exception>

namespace weft::testing::detail {

namespace asio = boost::asio;

namespace {

using namespace std::chrono_literals;

class real_run {
  public:
    real_run(const run_options& options, std::source_location where)
        : options_(options), random_(options.seed), root_(where) {
        info_.set_serial(true);
        info_.use_entropy(random_);
        info_.use_waits(&waits_);
    }
    real_run(const real_run&) = delete;
    real_run& operator=(const real_run&) = delete;

    void run(start_function start, void* argument) {
        root_.on_done([](void* context) { static_cast<asio::io_context*>(context)->stop(); },
                      &context_);
        root_.start(info_, start, argument, context_.get_executor());
        if (!run_until_done(options_.limit)) {
            root_.fail_with_report(fmt::format("the test did not end within {} ms of real time",
                                               options_.limit.count()),
                                   "");
            if (!run_until_done(1s)) root_.give_up();
        }
        // What ends on its executor's next turns may do so; the kernel may need a moment for its
        // part.
        for (int i = 0; i < 50 && !(counters::of(info_).zero() && waits_.size() == 0); ++i)
            run_for(10ms);
        root_.finish(false);
    }

  private:
    bool run_until_done(std::chrono::milliseconds limit) {
        const auto end = info_.clock().now() + limit;
        while (!root_.done() && info_.clock().now() < end) {
            try {
                context_.restart();
                context_.run_until(end);
                // Out of work, yet not done: only what is posted from another thread can help.
                if (!root_.done() && context_.stopped()) run_for(1ms);
            } catch (...) {
                root_.fail(std::current_exception());
            }
        }
        return root_.done();
    }

    void run_for(std::chrono::milliseconds time) {
        try {
            const auto work = asio::make_work_guard(context_);
            context_.restart();
            context_.run_one_for(time);
        } catch (...) {
            root_.fail(std::current_exception());
        }
    }

    const run_options& options_;
    seeded_entropy random_;
    wait_registry waits_;
    test_root
        root_;  // outlives the io_context, whose end may destroy coroutines that still know it
    asio::io_context context_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
    context_info& info_ = context_info::of(context_);
};

}  // namespace

void run_real(start_function start, void* argument, const run_options& options,
              std::source_location where) {
    real_run(options, where).run(start, argument);
}

}  // namespace weft::testing::detail
