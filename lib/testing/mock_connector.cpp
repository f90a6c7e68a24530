// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/io/duplex.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/wait.hpp>
#include <weft/testing/mock_connector.hpp>

#include <boost/asio/this_coro.hpp>

#include <atomic>

namespace weft::testing {

struct mock_connector::state {
    any_service<io::stream, void> server;
    task_scope* scope;
    std::size_t capacity;
    std::atomic<std::size_t> connections{0};
};

mock_connector::mock_connector(any_service<io::stream, void> server, task_scope* scope,
                               std::size_t capacity)
    : state_(std::make_shared<state>(std::move(server), scope, capacity)) {}

std::size_t mock_connector::connections() const noexcept {
    return state_->connections.load(std::memory_order_relaxed);
}

awaitable<io::stream> mock_connector::serve(net::connect_request to) const {
    auto shared = state_;
    auto executor = co_await boost::asio::this_coro::executor;
    task_scope* scope = shared->scope ? shared->scope : context_info::of(executor).test_root();
    if (!scope)
        throw failure(failure_kind::invalid_input,
                      "a mock_connector connects inside testing::run, or with a task_scope")
            .with("host", to.host);
    const wait_fault fault = fault_of(context_info::of(executor), "connect", {});
    if (fault.error)
        throw failure::from(fault.error, "cannot connect")
            .with("host", to.host)
            .delivered(delivery::not_sent);
    if (fault) co_await sleep_for(fault.delay);
    auto [near, far] = io::duplex(executor, shared->capacity);
    shared->connections.fetch_add(1, std::memory_order_relaxed);
    // The server is kept for as long as it serves.
    auto serve = [](std::shared_ptr<mock_connector::state> s,
                    io::stream stream) -> awaitable<void> {
        co_await s->server.serve(std::move(stream));
    };
    scope->spawn(serve(shared, std::move(far)));
    co_return std::move(near);
}

}  // namespace weft::testing
