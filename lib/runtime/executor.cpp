// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/context.hpp>
#include <weft/runtime/executor.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/io_context_strand.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include <memory>

namespace weft {

namespace asio = boost::asio;

namespace {

template <class Executor>
bool is_strand_on(const asio::any_io_executor& ex) {
    return ex.target<asio::strand<Executor>>() != nullptr;
}

// Asio's own executors carry tracked work in their type, as a bit.
template <auto Tracked>
bool is_strand_on_asio(const asio::any_io_executor& ex) {
    return is_strand_on<asio::io_context::basic_executor_type<std::allocator<void>, Tracked>>(ex) ||
           is_strand_on<asio::thread_pool::basic_executor_type<std::allocator<void>, Tracked>>(ex);
}

}  // namespace

asio::any_io_executor single_threaded(asio::any_io_executor ex) {
    if (ex.target<serial_executor>()) return ex;
    return serial_executor(std::move(ex));
}

bool is_serial(const asio::any_io_executor& ex) {
    return ex.target<serial_executor>() || is_strand_on<asio::any_io_executor>(ex) ||
           ex.target<asio::io_context::strand>() || is_strand_on<serial_executor>(ex) ||
           is_strand_on<asio::system_executor>(ex) || is_strand_on_asio<0u>(ex) ||
           is_strand_on_asio<4u>(ex) || context_info::of(ex).serial();
}

asio::any_io_executor serialized(asio::any_io_executor ex) {
    if (is_serial(ex)) return ex;
    return asio::make_strand(std::move(ex));
}

}  // namespace weft
