// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "held_operations.hpp"

#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/wait.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/query.hpp>

#include <algorithm>
#include <functional>
#include <optional>

namespace weft::io::detail {

namespace asio = boost::asio;

asio::execution_context::id held_operations::id;

struct held_operations::held {
    held(stream_impl& s, operation& o, std::function<void()> f)
        : of(s), op(o), start(std::move(f)) {}
    stream_impl& of;
    operation& op;
    std::function<void()> start;
    std::uint64_t number = 0;
    std::optional<deadlines::sleeper> sleeper;
};

held_operations::held_operations(asio::execution_context& context) : service(context) {}
held_operations::~held_operations() = default;

held_operations& held_operations::at(const stream_impl& of) {
    return asio::use_service<held_operations>(static_cast<asio::execution_context&>(
        asio::query(of.get_executor(), asio::execution::context)));
}

template <class Predicate>
std::unique_ptr<held_operations::held> held_operations::take(Predicate which) noexcept {
    const auto found =
        std::find_if(all_.begin(), all_.end(), [&](const auto& h) { return which(*h); });
    if (found == all_.end()) return nullptr;
    std::unique_ptr<held> h = std::move(*found);
    all_.erase(found);
    return h;
}

bool held_operations::begin(stream_impl& of, operation& op, const char* what,
                            std::unique_ptr<held> h) {
    const wait_fault fault = fault_of(of.context(), what, {});
    if (!fault) return false;
    if (fault.error) {
        of.fail_held(op, fault.error);
        return true;
    }
    held_operations& here = at(of);
    held& later = *h;
    later.number = ++here.numbers_;
    here.all_.push_back(std::move(h));
    later.sleeper.emplace(of.context().deadlines(), of.get_executor());
    later.sleeper->start(
        of.context().clock().now() + fault.delay, [&here, number = later.number](error_code) {
            // Unless it was cancelled meanwhile, or its stream has gone.
            if (const auto due = here.take([&](const held& o) { return o.number == number; }))
                due->start();
        });
    return true;
}

bool held_operations::begin_read(stream_impl& of, mutable_buffers buffers, operation& op) {
    return begin(of, op, "stream read", std::make_unique<held>(of, op, [&of, &op, buffers] {
                     of.start_read(buffers, op);
                 }));
}

bool held_operations::begin_write(stream_impl& of, const_buffers buffers, operation& op) {
    return begin(of, op, "stream write", std::make_unique<held>(of, op, [&of, &op, buffers] {
                     of.start_write(buffers, op);
                 }));
}

bool held_operations::begin_shutdown(stream_impl& of, operation& op) {
    return begin(of, op, "stream shutdown",
                 std::make_unique<held>(of, op, [&of, &op] { of.start_shutdown_send(op); }));
}

bool held_operations::cancel(stream_impl& of, operation& op) noexcept {
    const auto h = at(of).take([&](const held& o) { return &o.op == &op; });
    if (!h) return false;
    of.fail_held(op, asio::error::operation_aborted);
    // A write that is cancelled closes the write side.
    error_code ec;
    if (!of.is_reading(op)) of.try_shutdown_send(ec);
    return true;
}

void held_operations::end_all(stream_impl& of) noexcept {
    held_operations& here = at(of);
    while (const auto h = here.take([&](const held& o) { return &o.of == &of; }))
        of.fail_held(h->op, asio::error::operation_aborted);
}

void held_operations::shutdown() {
    // The context goes away: nobody is called any more.
    while (!all_.empty()) {
        const auto h = std::move(all_.back());
        all_.pop_back();
        h->op.abandon();
    }
}

}  // namespace weft::io::detail
