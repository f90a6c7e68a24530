// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "inherited.hpp"
#include <weft/net/listener.hpp>
#include <weft/net/serve.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/graceful.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/this_coro.hpp>
#include <fmt/core.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace weft::net::detail {

namespace asio = boost::asio;

namespace {

void tell_stderr(const failure& f) {
    fmt::print(stderr, "weft: a connection failed: {}\n", f.what());
}

/// One core's part of a server: its listener, its service, its connections.
class core_server {
  public:
    core_server(std::unique_ptr<any_acceptor> from, core_service service,
                const serve_options& options)
        : listener_(std::move(from)), options_(options), service_(std::move(service)) {
        if (service_.relieve) listener_->on_exhausted(service_.relieve);
    }

    awaitable<void> run(event& stop) {
        co_await with_scope([this, &stop](task_scope& scope) -> awaitable<void> {
            scope.spawn(accept(scope));
            co_await stop.wait();
            listener_->close();
            if (service_.drain) service_.drain();
            co_await drained();
        });
    }

  private:
    awaitable<void> accept(task_scope& scope) {
        while (io::stream connection = co_await listener_->accept()) {
            live_.fetch_add(1, std::memory_order_relaxed);
            scope.spawn_supervised(
                serve_one(std::move(connection)),
                [this](const failure& f, std::source_location) { options_.on_failure(f); });
        }
        accepting_ = false;
        settle();
    }

    awaitable<void> serve_one(io::stream connection) {
        struct leaving {
            core_server& of;
            ~leaving() {
                of.live_.fetch_sub(1, std::memory_order_acq_rel);
                of.settle();
            }
        } guard{*this};
        co_await service_.serve.serve(std::move(connection));
    }

    void settle() {
        if (!accepting_ && live_.load(std::memory_order_acquire) == 0) empty_.set();
    }

    awaitable<void> drained() {
        std::exception_ptr thrown;
        try {
            co_await with_deadline(options_.drain, empty_.wait());
        } catch (...) {
            thrown = std::current_exception();
        }
        // Out of time: leaving the scope cancels what is left.
        if (thrown && failure::from(thrown).kind() != failure_kind::timeout)
            std::rethrow_exception(thrown);
    }

    std::unique_ptr<any_acceptor> listener_;
    const serve_options& options_;
    core_service service_;
    std::atomic<std::size_t> live_{0};
    std::atomic<bool> accepting_{true};
    event empty_;
};

/// What the cores share while they serve.
struct all_cores {
    const core_factory& make;
    const serve_options& options;
    event& stop;
    std::atomic<std::size_t> running;
    event ended{};
};

/// On the core that it is for: builds its service there.
awaitable<void> serve_core(std::unique_ptr<any_acceptor> from, all_cores& all) {
    core_server core(std::move(from), all.make(), all.options);
    co_await core.run(all.stop);
    if (all.running.fetch_sub(1, std::memory_order_acq_rel) == 1) all.ended.set();
}

std::vector<asio::any_io_executor> cores_of(const asio::any_io_executor& here) {
    std::vector<asio::any_io_executor> cores;
    if (runtime* owner = context_info::of(here).owner())
        cores.assign(owner->cores().begin(), owner->cores().end());
    if (cores.size() < 2) cores.assign(1, here);
    return cores;
}

std::size_t share(const serve_options& options, std::size_t cores) noexcept {
    return (options.max_connections + cores - 1) / cores;
}

/// One queue for all cores: a connection goes to whichever is first.
std::vector<listener> listen_together(listen_socket socket,
                                      const std::vector<asio::any_io_executor>& cores,
                                      const serve_options& options) {
    std::vector<listener> listeners;
    for (std::size_t i = 1; i < cores.size(); ++i)
        listeners.emplace_back(cores[i], socket.duplicate(), share(options, cores.size()));
    listeners.emplace(listeners.begin(), cores[0], std::move(socket), share(options, cores.size()));
    return listeners;
}

/// A queue for each core.
std::vector<listener> listen_apart(const std::string& address,
                                   const std::vector<asio::any_io_executor>& cores,
                                   const serve_options& options) {
    listen_options listening;
    listening.backlog = options.backlog;
    listening.socket = options.socket;
    listening.file = options.file;
    if (cores.size() == 1 || address.starts_with("unix:") || is_inherited(address))
        return listen_together(listen_socket(address, listening), cores, options);
    listening.socket.reuse_port = true;
    any_endpoint at = parse_any_endpoint(address);
    std::vector<listener> listeners;
    for (const auto& core : cores) {
        listeners.emplace_back(core, listen_socket(at, listening), share(options, cores.size()));
        at = listeners.back().local_endpoint();  // the others share the port that the system chose
    }
    return listeners;
}

/// One acceptor for each core.
awaitable<void> serve_cores(std::vector<std::unique_ptr<any_acceptor>> from,
                            std::vector<asio::any_io_executor> cores, core_factory make,
                            serve_options options) {
    if (!options.on_failure) options.on_failure = tell_stderr;
    co_await graceful([&](event& stop) -> awaitable<void> {
        all_cores all{make, options, stop, cores.size()};
        co_await with_scope([&](task_scope& scope) -> awaitable<void> {
            for (std::size_t i = 0; i < cores.size(); ++i)
                scope.spawn_on(cores[i], serve_core(std::move(from[i]), all));
            co_await all.ended.wait();
        });
    });
}

awaitable<void> serve_on(std::vector<listener> listeners, std::vector<asio::any_io_executor> cores,
                         core_factory make, serve_options options) {
    if (options.on_listening) options.on_listening(listeners.front().local_endpoint());
    std::vector<std::unique_ptr<any_acceptor>> from;
    for (listener& l : listeners)
        from.push_back(std::make_unique<acceptor_of<listener>>(std::move(l)));
    return serve_cores(std::move(from), std::move(cores), std::move(make), std::move(options));
}

}  // namespace

awaitable<void> serve(std::string address, core_factory make, serve_options options) {
    auto cores = cores_of(co_await asio::this_coro::executor);
    auto listeners = listen_apart(address, cores, options);
    co_await serve_on(std::move(listeners), std::move(cores), std::move(make), std::move(options));
}

awaitable<void> serve(listen_socket socket, core_factory make, serve_options options) {
    auto cores = cores_of(co_await asio::this_coro::executor);
    auto listeners = listen_together(std::move(socket), cores, options);
    co_await serve_on(std::move(listeners), std::move(cores), std::move(make), std::move(options));
}

awaitable<void> serve(std::unique_ptr<any_acceptor> from, core_factory make,
                      serve_options options) {
    std::vector<asio::any_io_executor> cores;
    cores.push_back(co_await asio::this_coro::executor);
    std::vector<std::unique_ptr<any_acceptor>> all;
    all.push_back(std::move(from));
    co_await serve_cores(std::move(all), std::move(cores), std::move(make), std::move(options));
}

}  // namespace weft::net::detail
