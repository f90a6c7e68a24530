// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/attempt.hpp>
#include <weft/dns/cares_resolver.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/event.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <ares.h>

namespace weft::dns::detail {

/// One question in c-ares' hands: its channel, the sockets that it opens, its timer. Everything on
/// one serial executor. c-ares owns the sockets; while it wants to know of one, that one lies in an
/// Asio descriptor, which waits for it and lets go of it before c-ares closes it.
class cares_question final : public std::enable_shared_from_this<cares_question>,
                             private deadlines::entry {
  public:
    cares_question(boost::asio::any_io_executor executor, context_info& info,
                   const net::resolve_request& what);
    cares_question(const cares_question&) = delete;
    cares_question& operator=(const cares_question&) = delete;
    ~cares_question();

    void start(const cares_options& options);
    /// Ends it; what still waits in the loop finds nothing to do.
    void close() noexcept;

    event done;
    /// What it came to, once `done` is set.
    answer take();

  private:
    struct socket {
        socket(const boost::asio::any_io_executor& executor, int fd) : descriptor(executor, fd) {}
        socket(const socket&) = delete;
        socket& operator=(const socket&) = delete;
        ~socket() { let_go(); }
        /// c-ares closes it.
        void let_go() noexcept {
            gone = true;
            if (descriptor.is_open()) descriptor.release();
        }
        boost::asio::posix::stream_descriptor descriptor;
        bool wants_read = false;
        bool wants_write = false;
        bool reading = false;
        bool writing = false;
        bool gone = false;
    };

    // c-ares is C, and must not be left by an exception: they keep it in `thrown_`.
    static void on_state(void* self, ares_socket_t fd, int readable, int writable) noexcept;
    static void on_answer(void* self, int status, int timeouts, ares_addrinfo* found) noexcept;
    void socket_changed(ares_socket_t fd, bool readable, bool writable);
    void watch(ares_socket_t fd, const std::shared_ptr<socket>& s);
    void ready(const std::shared_ptr<socket>& s, ares_socket_t readable, ares_socket_t writable);
    void process(ares_socket_t readable, ares_socket_t writable);
    void settle();
    [[nodiscard]] result<answer> read(int status, const ares_addrinfo* found) const;

    boost::asio::any_io_executor executor_;
    const std::string name_;
    const net::address_family family_;
    ares_channel channel_ = nullptr;
    std::map<ares_socket_t, std::shared_ptr<socket>> sockets_;
    std::optional<result<answer>> outcome_;
    std::exception_ptr thrown_;
    external_work external_;
};

}  // namespace weft::dns::detail
