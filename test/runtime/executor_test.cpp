// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/context.hpp>
#include <weft/runtime/executor.hpp>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

namespace asio = boost::asio;
using namespace weft;

TEST_CASE("what is serial, and what is not") {
    asio::io_context ioc;
    asio::thread_pool pool(1);
    const asio::any_io_executor plain = ioc.get_executor();

    CHECK_FALSE(is_serial(plain));
    CHECK_FALSE(is_serial(pool.get_executor()));
    CHECK_FALSE(is_serial(asio::system_executor()));
    CHECK(is_serial(asio::make_strand(ioc)));
    CHECK(is_serial(asio::make_strand(pool)));
    CHECK(is_serial(asio::make_strand(plain)));
    CHECK(is_serial(asio::make_strand(asio::system_executor())));
    CHECK(is_serial(single_threaded(plain)));
    CHECK(is_serial(asio::require(asio::any_io_executor(asio::make_strand(ioc)),
                                  asio::execution::blocking.never)));
    CHECK(is_serial(asio::prefer(asio::any_io_executor(asio::make_strand(ioc)),
                                 asio::execution::outstanding_work.tracked)));
    CHECK(is_serial(asio::prefer(asio::any_io_executor(asio::make_strand(pool)),
                                 asio::execution::outstanding_work.tracked)));
    CHECK(is_serial(asio::require(single_threaded(plain), asio::execution::blocking.never)));
    CHECK(
        is_serial(asio::prefer(single_threaded(plain), asio::execution::outstanding_work.tracked)));
}

TEST_CASE("a context that weft runs with one thread makes its executors serial") {
    asio::io_context ioc;
    context_info::of(ioc).set_serial(true);
    CHECK(is_serial(ioc.get_executor()));
}

TEST_CASE("serialized adds a strand only where none is needed already") {
    asio::io_context ioc;
    const asio::any_io_executor plain = ioc.get_executor();
    const asio::any_io_executor strand = asio::make_strand(ioc);
    CHECK(serialized(strand) == strand);
    CHECK(serialized(single_threaded(plain)) == single_threaded(plain));
    CHECK(serialized(plain) != plain);
    CHECK(is_serial(serialized(plain)));
    CHECK(serialized(plain) != serialized(plain));
}

TEST_CASE("a single_threaded executor runs, keeps the context and equals itself") {
    asio::io_context ioc;
    const asio::any_io_executor ex = single_threaded(ioc.get_executor());
    CHECK(&asio::query(ex, asio::execution::context) == &ioc);
    CHECK(ex == single_threaded(ioc.get_executor()));
    CHECK(single_threaded(ex) == ex);
    int ran = 0;
    asio::post(ex, [&] {
        ++ran;
        bool inside = false;
        asio::dispatch(ex, [&] { inside = true; });
        CHECK(inside);
        asio::post(ex, [&] { ++ran; });
        CHECK(ran == 1);
    });
    CHECK(ran == 0);
    asio::steady_timer timer(ex, std::chrono::milliseconds(0));
    timer.async_wait([&](boost::system::error_code) { ++ran; });
    ioc.run();
    CHECK(ran == 3);
}
