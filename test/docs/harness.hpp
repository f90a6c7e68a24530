// How the extracted code blocks are run (extract.py).
#pragma once

#include <weft/core/failure.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <type_traits>

namespace docs {

/// Runs a function in a child process as a whole program: SIGTERM is sent once it handles that
/// signal, unless it ended before, and then it must exit with 0.
void run_program(int (*program)());

template <class Block>
weft::awaitable<void> body_of() {
    Block block(co_await boost::asio::this_coro::executor);
    auto body = block.example();
    if constexpr (std::is_same_v<decltype(body), weft::awaitable<void>>) {
        co_await std::move(body);
    } else {
        auto response = co_await std::move(body);
        CHECK(response.status() < 400);
    }
}

/// Runs statements as a coroutine in virtual time.
template <class Block>
void run_block() {
    weft::testing::run([] { return body_of<Block>(); });
}

/// The same for an example that shows how something fails.
template <class Block>
void run_throwing_block() {
    CHECK_THROWS_AS(run_block<Block>(), weft::failure);
}

/// Runs statements that return an exit status as a program.
template <class Block>
void run_plain() {
    run_program([] {
        boost::asio::io_context context(1);
        return Block(context.get_executor()).example();
    });
}

}  // namespace docs
