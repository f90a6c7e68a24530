// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/context.hpp>
#include <weft/runtime/executor.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <memory>

namespace weft {

namespace asio = boost::asio;

namespace {

template <class Executor>
bool is_strand_on(const asio::any_io_executor& ex) {
    return ex.target<asio::strand<Executor>>() != nullptr;
}

// Asio's own executors carry tracked work as a bit in their type: 4 for an io_context, 8 for a
// thread pool.
template <std::uintptr_t... Bits>
bool is_strand_on_io_context(const asio::any_io_executor& ex) {
    return (is_strand_on<asio::io_context::basic_executor_type<std::allocator<void>, Bits>>(ex) ||
            ...);
}
template <unsigned... Bits>
bool is_strand_on_thread_pool(const asio::any_io_executor& ex) {
    return (is_strand_on<asio::thread_pool::basic_executor_type<std::allocator<void>, Bits>>(ex) ||
            ...);
}

}  // namespace

asio::any_io_executor single_threaded(asio::any_io_executor ex) {
    if (ex.target<serial_executor>()) return ex;
    return serial_executor(std::move(ex));
}

bool is_serial(const asio::any_io_executor& ex) {
    return ex.target<serial_executor>() || is_strand_on<asio::any_io_executor>(ex) ||
           is_strand_on_io_context<0, 4>(ex) || is_strand_on_thread_pool<0, 8>(ex) ||
           is_strand_on<asio::system_executor>(ex) || is_strand_on<serial_executor>(ex) ||
           context_info::of(ex).serial();
}

asio::any_io_executor serialized(asio::any_io_executor ex) {
    if (is_serial(ex)) return ex;
    return asio::make_strand(std::move(ex));
}

}  // namespace weft
