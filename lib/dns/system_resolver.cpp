// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "failures.hpp"
#include "look_up_pool.hpp"
#include "names.hpp"
#include <weft/core/deadline.hpp>
#include <weft/dns/system_resolver.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/wait.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <utility>

#include <netdb.h>
#include <sys/socket.h>

namespace weft::dns {

namespace asio = boost::asio;

namespace {

int family_of(net::address_family family) noexcept {
    switch (family) {
        case net::address_family::v4:
            return AF_INET;
        case net::address_family::v6:
            return AF_INET6;
        case net::address_family::any:
            break;
    }
    return AF_UNSPEC;
}

failure explain(int error, int system_error, const std::string& name, net::address_family family) {
    switch (error) {
        case EAI_NONAME:
            return detail::not_found(name);
#ifdef EAI_NODATA
        case EAI_NODATA:
#endif
#ifdef EAI_ADDRFAMILY
        case EAI_ADDRFAMILY:
#endif
            return detail::no_address(name, family);
        case EAI_AGAIN:
            return detail::server_failed(name, "the name servers could not be asked");
        case EAI_FAIL:
            return detail::server_failed(name, "the name servers failed");
        case EAI_MEMORY:
            return detail::too_many(name, "no memory to look the name up");
        case EAI_SYSTEM:
            return detail::about(failure::from(boost::system::error_code(
                                                   system_error, boost::system::system_category()),
                                               "cannot look the name up"),
                                 name);
        default:
            return detail::server_failed(name, ::gai_strerror(error));
    }
}

answer ask_system(const std::string& name, net::address_family family) {
    addrinfo hints{};
    hints.ai_family = family_of(family);
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG | AI_CANONNAME;
    addrinfo* list = nullptr;
    const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
    const int system_error = errno;
    if (error != 0) throw explain(error, system_error, name, family);
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> held(list, ::freeaddrinfo);
    answer found;
    found.from = net::answer_source::system;
    if (list->ai_canonname) found.canonical_name = list->ai_canonname;
    for (const addrinfo* a = list; a; a = a->ai_next) {
        asio::ip::tcp::endpoint e;
        if (found.addresses.size() == detail::most_addresses) break;
        if (a->ai_addrlen > e.capacity()) continue;
        std::memcpy(e.data(), a->ai_addr, a->ai_addrlen);
        e.resize(a->ai_addrlen);
        found.addresses.push_back(e.address());
    }
    if (found.addresses.empty()) throw detail::no_address(name, family);
    return found;
}

}  // namespace

system_resolver::system_resolver(system_options options) : timeout_(options.timeout) {
    options.threads = std::max<std::size_t>(options.threads, 1);
    if (!options.look_up) options.look_up = ask_system;
    pool_ = std::make_shared<detail::look_up_pool>(std::move(options));
}

std::size_t system_resolver::busy() const { return pool_->busy(); }
std::size_t system_resolver::queued() const { return pool_->queued(); }

awaitable<answer> system_resolver::serve(net::resolve_request what) const {
    const auto pool = pool_;
    const auto timeout = timeout_;
    detail::refuse_nul(what.name);
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    const auto here = std::source_location::current();
    const wait_fault fault = fault_of(info, "resolve", here);
    const std::string name = what.name;
    if (fault.error)
        throw detail::about(failure::from(fault.error, "cannot look the name up"), name);
    if (fault) co_await sleep_for(fault.delay);
    const wait_scope waiting(info, "resolve", here, wait_scope::announced);

    const auto now = info.clock().now();
    std::optional<clock::time_point> end;
    if (timeout.count() > 0) end = now + timeout;
    if (const auto d = deadline_of(what)) end = end ? std::min(*end, d->at) : d->at;
    bool begun = false;
    std::optional<failure> failed;
    try {
        awaitable<answer> asked = pool->ask(std::move(what), &begun);
        if (end) co_return co_await with_deadline(*end, std::move(asked));
        co_return co_await std::move(asked);
    } catch (...) {
        failed = failure::from(std::current_exception());
    }
    if (failed->kind() == failure_kind::timeout && !failed->context("host"))
        failed = detail::unanswered(
            name, begun ? "the system's resolver does not answer"
                        : "no thread was free to look the name up: all of them hang in the "
                          "system's resolver");
    if (!failed->context("host")) failed = detail::about(std::move(*failed), name);
    throw failure(std::move(*failed));
}

}  // namespace weft::dns
