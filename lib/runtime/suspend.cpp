// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/detail/suspend.hpp>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

namespace weft::detail {

namespace asio = boost::asio;

void resume_by_post(const asio::any_io_executor& executor, resume_handle handle) {
    asio::post(executor, [h = std::move(handle)]() mutable { std::move(h)(); });
}

void resume_by_dispatch(const asio::any_io_executor& executor, resume_handle handle) {
    asio::dispatch(executor, [h = std::move(handle)]() mutable { std::move(h)(); });
}

}  // namespace weft::detail
