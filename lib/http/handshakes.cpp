// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "handshakes.hpp"

#include <weft/runtime/context.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/sleep.hpp>

#include <boost/asio/this_coro.hpp>

#include <tuple>
#include <utility>
#include <vector>

namespace weft::http::detail {

namespace {

/// What a server gives those who have just connected, on clear text for their first request.
constexpr std::chrono::milliseconds first_word{1000};

}  // namespace

/// Lists a handshake for as long as it lasts.
class handshakes::entry {
  public:
    entry(handshakes& all, clock& time) : all_(all), held(std::make_shared<one>(time)) {
        const std::lock_guard lock(all_.mutex_);
        at_ = all_.all_.insert(all_.all_.end(), held);
        if (all_.draining_) held->called.set();
    }
    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;
    ~entry() {
        const std::lock_guard lock(all_.mutex_);
        all_.all_.erase(at_);
    }

  private:
    handshakes& all_;
    std::list<std::shared_ptr<one>>::iterator at_;

  public:
    const std::shared_ptr<one> held;
};

awaitable<std::optional<io::stream>> handshakes::accept(io::stream connection,
                                                        tls::server_config config) {
    const entry listed(*this, context_info::of(connection.get_executor()).clock());
    one& h = *listed.held;
    auto made =
        co_await when_any(tls::detail::accept(std::move(connection), std::move(config), h.progress),
                          until_given_up(h));
    co_return std::move(get<0>(made));
}

awaitable<void> handshakes::until_given_up(one& h) {
    co_await h.called.wait();
    if (h.over) co_return;
    const auto left = first_word - (h.time.now() - h.begun);
    if (left > left.zero()) co_await sleep_for(std::chrono::ceil<std::chrono::milliseconds>(left));
    if (!h.progress.heard) co_return;
    event never;  // it may finish: its own limit and the drain's remain
    co_await never.wait();
}

void handshakes::drain() {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    for (const auto& h : all_) h->called.set();
}

std::size_t handshakes::relieve(std::size_t most) {
    std::vector<std::shared_ptr<one>> slow;
    {
        const std::lock_guard lock(mutex_);
        for (const bool heard : {false, true})
            for (const auto& h : all_)
                if (!h->over && h->progress.heard == heard &&
                    h->time.now() - h->begun >= first_word)
                    slow.push_back(h);
    }
    if (slow.size() > most) slow.resize(most);
    for (const auto& h : slow) {
        h->over = true;
        h->called.set();
    }
    return slow.size();
}

}  // namespace weft::http::detail
