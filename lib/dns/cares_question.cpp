// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "cares_question.hpp"

#include "failures.hpp"
#include "names.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <utility>

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace weft::dns::detail {

namespace asio = boost::asio;

namespace {

/// c-ares wants to be set up once in a process, before its first channel.
int set_up_library() {
    static const int status = ::ares_library_init(ARES_LIB_INIT_ALL);
    return status;
}

failure explain(int status, const std::string& name, net::address_family family) {
    switch (status) {
        case ARES_ENOTFOUND:
        case ARES_ENONAME:
            return not_found(name);
        case ARES_ENODATA:
            return no_address(name, family);
        case ARES_ESERVFAIL:
        case ARES_ENOTIMP:
            return server_failed(name, "the name servers failed");
        case ARES_ECONNREFUSED:
            return server_failed(name, "no name server can be reached");
        case ARES_EREFUSED:
            return refused(name);
        case ARES_ETIMEOUT:
            return unanswered(name, "no name server answers");
        case ARES_EFORMERR:
        case ARES_EBADRESP:
            return unreadable(name);
        case ARES_EBADNAME:
        case ARES_EBADQUERY:
        case ARES_EBADSTR:
            return no_name(name);
        case ARES_ENOMEM:
            return too_many(name, "no memory to look the name up");
        case ARES_ECANCELLED:
        case ARES_EDESTRUCTION:
            return about(failure::from(asio::error::operation_aborted, "cancelled"), name);
        default:
            return about(failure(failure_kind::unavailable, asio::error::no_recovery,
                                 ::ares_strerror(status)),
                         name);
    }
}

std::string csv(const std::vector<net::endpoint>& servers) {
    std::string text;
    for (const net::endpoint& e : servers) (text += text.empty() ? "" : ",") += net::to_string(e);
    return text;
}

}  // namespace

cares_question::cares_question(asio::any_io_executor executor, context_info& info,
                               const net::resolve_request& what)
    : entry(executor,
            [](entry& e) noexcept {
                auto& self = static_cast<cares_question&>(e);
                const auto kept = self.shared_from_this();
                self.process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
            }),
      executor_(std::move(executor)),
      name_(what.name),
      family_(what.family),
      external_(info) {}

cares_question::~cares_question() { close(); }

void cares_question::start(const cares_options& options) {
    ares_options o{};
    o.flags = options.search ? 0 : ARES_FLAG_NOSEARCH;
    o.timeout = static_cast<int>(std::max<std::int64_t>(options.query_timeout.count(), 1));
    o.tries = static_cast<int>(std::max(options.tries, 1u));
    std::array<char, 3> lookups{'f', 'b', 0};
    o.lookups = options.hosts_file ? lookups.data() : lookups.data() + 1;
    o.sock_state_cb = &cares_question::on_state;
    o.sock_state_cb_data = this;
    int status = set_up_library();
    if (status == ARES_SUCCESS)
        status = ::ares_init_options(&channel_, &o,
                                     ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                                         ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
    if (status == ARES_SUCCESS && !options.servers.empty())
        status = ::ares_set_servers_ports_csv(channel_, csv(options.servers).c_str());
    if (status != ARES_SUCCESS) throw explain(status, name_, family_);
    ares_addrinfo_hints hints{};
    hints.ai_family = family_ == net::address_family::v4   ? AF_INET
                      : family_ == net::address_family::v6 ? AF_INET6
                                                           : AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    ::ares_getaddrinfo(channel_, name_.c_str(), nullptr, &hints, &cares_question::on_answer, this);
    settle();
}

void cares_question::close() noexcept {
    disarm();
    if (channel_) ::ares_destroy(std::exchange(channel_, nullptr));
    for (const auto& [fd, s] : sockets_) s->let_go();
    sockets_.clear();
    external_.reset();
}

void cares_question::on_state(void* data, ares_socket_t fd, int readable, int writable) noexcept {
    auto& self = *static_cast<cares_question*>(data);
    try {
        self.socket_changed(fd, readable != 0, writable != 0);
    } catch (...) {
        self.thrown_ = std::current_exception();
    }
}

void cares_question::socket_changed(ares_socket_t fd, bool readable, bool writable) {
    const auto known = sockets_.find(fd);
    if (!readable && !writable) {
        if (known == sockets_.end()) return;
        known->second->let_go();
        sockets_.erase(known);
        return;
    }
    const auto s =
        known != sockets_.end()
            ? known->second
            : sockets_.emplace(fd, std::make_shared<socket>(executor_, fd)).first->second;
    s->wants_read = readable;
    s->wants_write = writable;
    watch(fd, s);
}

void cares_question::watch(ares_socket_t fd, const std::shared_ptr<socket>& s) {
    using descriptor = asio::posix::stream_descriptor;
    if (s->wants_read && !std::exchange(s->reading, s->wants_read))
        s->descriptor.async_wait(descriptor::wait_read,
                                 asio::bind_executor(executor_, [self = shared_from_this(), s,
                                                                 fd](boost::system::error_code ec) {
                                     s->reading = false;
                                     if (!ec) self->ready(s, fd, ARES_SOCKET_BAD);
                                 }));
    if (s->wants_write && !std::exchange(s->writing, s->wants_write))
        s->descriptor.async_wait(descriptor::wait_write,
                                 asio::bind_executor(executor_, [self = shared_from_this(), s,
                                                                 fd](boost::system::error_code ec) {
                                     s->writing = false;
                                     if (!ec) self->ready(s, ARES_SOCKET_BAD, fd);
                                 }));
}

void cares_question::ready(const std::shared_ptr<socket>& s, ares_socket_t readable,
                           ares_socket_t writable) {
    if (s->gone) return;
    process(readable, writable);
    if (s->gone || outcome_ || thrown_) return;
    try {
        watch(readable != ARES_SOCKET_BAD ? readable : writable, s);
    } catch (...) {
        thrown_ = std::current_exception();
    }
    settle();
}

void cares_question::process(ares_socket_t readable, ares_socket_t writable) {
    if (!channel_) return;
    ::ares_process_fd(channel_, readable, writable);
    settle();
}

/// After each call into c-ares: the end, where it has come, else how long to wait.
void cares_question::settle() {
    timeval left{};
    if (outcome_ || thrown_) {
        disarm();
        done.set();
        return;
    }
    if (!::ares_timeout(channel_, nullptr, &left)) return disarm();
    // A timer that comes too early finds nothing to do.
    arm_after(std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec) +
              std::chrono::milliseconds(1));
}

void cares_question::on_answer(void* data, int status, int, ares_addrinfo* found) noexcept {
    auto& self = *static_cast<cares_question*>(data);
    const std::unique_ptr<ares_addrinfo, void (*)(ares_addrinfo*)> held(
        found, [](ares_addrinfo* a) {
            if (a) ::ares_freeaddrinfo(a);
        });
    if (self.outcome_ || !self.channel_) return;  // closed: nobody waits
    try {
        self.outcome_.emplace(self.read(status, found));
    } catch (...) {
        self.thrown_ = std::current_exception();
    }
}

answer cares_question::take() {
    if (!outcome_) std::rethrow_exception(thrown_);
    return std::move(*outcome_).value();
}

result<answer> cares_question::read(int status, const ares_addrinfo* found) const {
    if (status != ARES_SUCCESS || !found) return explain(status, name_, family_);
    answer a;
    a.from = net::answer_source::server;
    int ttl = INT_MAX;
    for (const ares_addrinfo_cname* c = found->cnames; c; c = c->next) {
        ttl = std::min(ttl, c->ttl);
        if (c->name) a.canonical_name = c->name;
    }
    for (const ares_addrinfo_node* n = found->nodes; n; n = n->ai_next) {
        asio::ip::tcp::endpoint e;
        if (a.addresses.size() == most_addresses) break;
        const auto size = static_cast<std::size_t>(n->ai_addrlen);
        if (!n->ai_addr || size > e.capacity()) continue;
        std::memcpy(e.data(), n->ai_addr, size);
        e.resize(size);
        a.addresses.push_back(e.address());
        ttl = std::min(ttl, n->ai_ttl);
    }
    if (a.addresses.empty()) return no_address(name_, family_);
    a.ttl = std::chrono::seconds(std::max(ttl, 0));  // RFC 2181 8: a negative one is none
    return a;
}

}  // namespace weft::dns::detail
